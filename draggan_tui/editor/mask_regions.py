"""Areas of a picture, `bool [H, W]` at its full resolution: rectangles, ellipses, and what lies within a distance."""

from __future__ import annotations

from math import isqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size, pixel_box

Area = NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in picture pixels, the last two exclusive; it may reach beyond the picture."""
Form = Literal["rectangle", "ellipse"]


def cells_box(one: tuple[int, int], other: tuple[int, int], preview: Size, picture: Size) -> Box:
    """The picture pixels that a block of preview pixels covers, given two opposite corners, (column, row), of it."""
    first = (min(one[0], other[0]), min(one[1], other[1]))
    last = (max(one[0], other[0]), max(one[1], other[1]))
    left, top, _, _ = pixel_box(first, preview, picture)
    _, _, right, bottom = pixel_box(last, preview, picture)
    return (left, top, right, bottom)


def draw(form: Form, box: Box, picture: Size) -> Area:
    """A rectangle that fills a box, or the ellipse in it: the pixels whose centres lie in that; cut at the borders."""
    left, top, right, bottom = box
    columns = np.arange(max(left, 0), min(right, picture.width), dtype=np.int64)
    rows = np.arange(max(top, 0), min(bottom, picture.height), dtype=np.int64)
    area = np.zeros((picture.height, picture.width), np.bool_)
    if columns.size and rows.size:
        # In whole numbers (twice the offsets from the middle), so that both halves are the same to the pixel.
        across, down = 2 * columns + 1 - left - right, 2 * rows + 1 - top - bottom
        width, height = right - left, bottom - top
        inside = (across * height) ** 2 + ((down * width) ** 2)[:, None] <= (width * height) ** 2
        area[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True if form == "rectangle" else inside
    return area


def grow(area: Area, radius: int) -> Area:
    """All pixels whose centres are at most `radius` pixels from that of one in the area."""
    height, width = area.shape
    radius = min(radius, height + width)
    away = _rows_away(area)
    grown = np.zeros_like(area)
    for across in range(min(radius, width - 1) + 1):
        reach = isqrt(radius**2 - across**2)
        near = away <= reach
        grown[:, across:] |= near[:, : width - across]
        grown[:, : width - across] |= near[:, across:]
    return grown


def shrink(area: Area, radius: int) -> Area:
    """Without the pixels that are at most `radius` pixels from one outside the area.

    What lies beyond the picture is not outside: an area at the picture's border stays there.
    """
    return ~grow(~area, radius)


def percent(share: float) -> str:
    """`<1%`, `35%`, `>99%`: never 0% or 100% for what is neither nothing nor all."""
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{share:.0%}"


def _rows_away(area: Area) -> NDArray[np.int32]:
    """How many rows each pixel is from the nearest one of the area in its column; where there is none, more than any
    radius."""
    height, width = area.shape
    rows = np.arange(height, dtype=np.int32)[:, None]
    never = 2 * (height + width) + 1
    above = np.maximum.accumulate(np.where(area, rows, -never), axis=0)
    below = np.minimum.accumulate(np.where(area, rows, 2 * never)[::-1], axis=0)[::-1]
    return np.asarray(np.minimum(rows - above, below - rows), dtype=np.int32)
