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


def block_box(
    first_corner: tuple[int, int], opposite_corner: tuple[int, int], preview_size: Size, image_size: Size
) -> Box:
    """Return the image pixels that a block of preview pixels covers.

    Args:
        first_corner, opposite_corner: (column, row) of two opposite corners of the block.
        preview_size, image_size: the sizes of both grids.
    """
    first_pixel = (min(first_corner[0], opposite_corner[0]), min(first_corner[1], opposite_corner[1]))
    last_pixel = (max(first_corner[0], opposite_corner[0]), max(first_corner[1], opposite_corner[1]))
    left, top, _, _ = pixel_box(first_pixel, preview_size, image_size)
    _, _, right, bottom = pixel_box(last_pixel, preview_size, image_size)
    return (left, top, right, bottom)


def draw_shape(shape_kind: ShapeKind, shape_box: Box, image_size: Size) -> Region:
    """Return a rectangle that fills a box, or the ellipse in it, cut off at the borders of the image.

    A pixel belongs to the shape if its centre does.
    """
    left, top, right, bottom = shape_box
    column_indices = np.arange(max(left, 0), min(right, image_size.width), dtype=np.int64)
    row_indices = np.arange(max(top, 0), min(bottom, image_size.height), dtype=np.int64)
    region = np.zeros((image_size.height, image_size.width), np.bool_)
    if column_indices.size and row_indices.size:
        # Whole numbers (twice the offsets from the middle) make both halves equal to the pixel.
        column_offsets, row_offsets = 2 * column_indices + 1 - left - right, 2 * row_indices + 1 - top - bottom
        width, height = right - left, bottom - top
        ellipse_region = (column_offsets * height) ** 2 + ((row_offsets * width) ** 2)[:, None] <= (width * height) ** 2
        region[row_indices[0] : row_indices[-1] + 1, column_indices[0] : column_indices[-1] + 1] = (
            True if shape_kind == "rectangle" else ellipse_region
        )
    return region


def grow_region(region: Region, radius: int) -> Region:
    """Return all pixels whose centres are at most `radius` pixels from the centre of a pixel in the region."""
    height, width = region.shape
    radius = min(radius, height + width)
    row_distances = _row_distances(region)
    grown_region = np.zeros_like(region)
    for column_distance in range(min(radius, width - 1) + 1):
        row_reach = isqrt(radius**2 - column_distance**2)
        near_pixels = row_distances <= row_reach
        grown_region[:, column_distance:] |= near_pixels[:, : width - column_distance]
        grown_region[:, : width - column_distance] |= near_pixels[:, column_distance:]
    return grown_region


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
    row_indices = np.arange(height, dtype=np.int32)[:, None]
    too_far = 2 * (height + width) + 1
    nearest_above = np.maximum.accumulate(np.where(region, row_indices, -too_far), axis=0)
    nearest_below = np.minimum.accumulate(np.where(region, row_indices, 2 * too_far)[::-1], axis=0)[::-1]
    return np.asarray(np.minimum(row_indices - nearest_above, nearest_below - row_indices), dtype=np.int32)
