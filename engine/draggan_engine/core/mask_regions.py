"""Regions of an image as `bool [H, W]` at full resolution: rectangles, ellipses, and all pixels within a distance."""

from __future__ import annotations

from math import isqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .geometry import Size, pixel_box

Region = NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in image pixels, the last two exclusive; it may reach beyond the image."""
ShapeKind = Literal["rectangle", "ellipse"]


def block_box(corner: tuple[int, int], opposite: tuple[int, int], preview: Size, image: Size) -> Box:
    """Return the image pixels that a block of preview pixels covers.

    Args:
        corner, opposite: (column, row) of two opposite corners of the block.
        preview, image: the sizes of both grids.
    """
    first = (min(corner[0], opposite[0]), min(corner[1], opposite[1]))
    last = (max(corner[0], opposite[0]), max(corner[1], opposite[1]))
    left, top, _, _ = pixel_box(first, preview, image)
    _, _, right, bottom = pixel_box(last, preview, image)
    return (left, top, right, bottom)


def draw_shape(kind: ShapeKind, box: Box, image: Size) -> Region:
    """Return a rectangle that fills a box, or the ellipse in it, cut off at the borders of the image.

    A pixel belongs to the shape if its centre does.
    """
    left, top, right, bottom = box
    columns = np.arange(max(left, 0), min(right, image.width), dtype=np.int64)
    rows = np.arange(max(top, 0), min(bottom, image.height), dtype=np.int64)
    region = np.zeros((image.height, image.width), np.bool_)
    if columns.size and rows.size:
        # Whole numbers (twice the offsets from the middle) make both halves equal to the pixel.
        across, down = 2 * columns + 1 - left - right, 2 * rows + 1 - top - bottom
        width, height = right - left, bottom - top
        ellipse = (across * height) ** 2 + ((down * width) ** 2)[:, None] <= (width * height) ** 2
        region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True if kind == "rectangle" else ellipse
    return region


def grow_region(region: Region, radius: int) -> Region:
    """Return all pixels whose centres are at most `radius` pixels from the centre of a pixel in the region."""
    height, width = region.shape
    radius = min(radius, height + width)
    row_distances = _row_distances(region)
    grown = np.zeros_like(region)
    for column_distance in range(min(radius, width - 1) + 1):
        reach = isqrt(radius**2 - column_distance**2)
        near = row_distances <= reach
        grown[:, column_distance:] |= near[:, : width - column_distance]
        grown[:, : width - column_distance] |= near[:, column_distance:]
    return grown


def shrink_region(region: Region, radius: int) -> Region:
    """Return the region without the pixels that are at most `radius` pixels from one outside it.

    What lies beyond the image does not count as outside: a region at the image's border stays there.
    """
    return ~grow_region(~region, radius)


def percent(share: float) -> str:
    """Format a share as `<1%`, `35%`, `>99%`: only exactly 0 is `0%`, and only exactly 1 is `100%`."""
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{share:.0%}"


def _row_distances(region: Region) -> NDArray[np.int32]:
    """Return for each pixel how many rows away the region's nearest pixel in its column is.

    In a column without any it is more than any radius.
    """
    height, width = region.shape
    rows = np.arange(height, dtype=np.int32)[:, None]
    too_far = 2 * (height + width) + 1
    nearest_above = np.maximum.accumulate(np.where(region, rows, -too_far), axis=0)
    nearest_below = np.minimum.accumulate(np.where(region, rows, 2 * too_far)[::-1], axis=0)[::-1]
    return np.asarray(np.minimum(rows - nearest_above, nearest_below - rows), dtype=np.int32)
