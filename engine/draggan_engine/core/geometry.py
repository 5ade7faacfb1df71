"""Where a point is: the one place that converts between pictures, feature maps and preview cells.

A point is `(x, y)` in pixels of the full-resolution picture, floats, the origin at the *centre* of the
top-left pixel: pixel centres are integers, and a picture of width W spans −0.5 … W − 0.5. A feature map or
a preview is the same picture on another grid, so x there is `(x + 0.5)·w/W − 0.5` (half-pixel convention).
Nothing here rounds unless its name says so. A `Size` is (width, height); an array's shape is (height, width).
"""

from __future__ import annotations

from typing import Any, NamedTuple

Point = tuple[float, float]


class Size(NamedTuple):
    """Width and height of a grid, in its own pixels."""

    width: int
    height: int


def rescale(position: Any, source: int, target: int) -> Any:
    """One coordinate on an axis of `source` pixels, on the same axis of `target` pixels.

    Plain arithmetic, so it serves numbers, arrays and tensors.
    """
    return (position + 0.5) * target / source - 0.5


def convert(point: Point, source: Size, target: Size) -> Point:
    """The same place on another grid of the same picture."""
    return (
        rescale(point[0], source.width, target.width),
        rescale(point[1], source.height, target.height),
    )


def nearest_pixel(point: Point, grid: Size) -> tuple[int, int]:
    """The pixel of the grid that a point on it falls in, or the nearest one: (column, row)."""
    column = min(max(int(-(-(point[0] - 0.5) // 1)), 0), grid.width - 1)
    row = min(max(int(-(-(point[1] - 0.5) // 1)), 0), grid.height - 1)
    return (column, row)


def clamp(point: Point, picture: Size) -> Point:
    """The nearest point whose pixel centre range [0, W−1] × [0, H−1] holds it."""
    return (min(max(point[0], 0.0), picture.width - 1.0), min(max(point[1], 0.0), picture.height - 1.0))


def contains(point: Point, picture: Size) -> bool:
    """Whether the point lies on the picture (−0.5 ≤ x ≤ W − 0.5, and so for y)."""
    return -0.5 <= point[0] <= picture.width - 0.5 and -0.5 <= point[1] <= picture.height - 0.5


def distance(a: Point, b: Point) -> float:
    """Euclidean, in picture pixels."""
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def fit_preview(picture: Size, columns: int, rows: int) -> Size:
    """The largest preview with the picture's aspect ratio in `columns` × `rows` terminal cells.

    A cell shows two preview pixels, one above the other (half-blocks), and is taken as twice as high as
    wide, so preview pixels are square. The height is even (whole cells); at least 1 × 2.
    """
    height = max(2 * rows, 2)
    width = max(columns, 1)
    fitted = scaled_preview(picture, min(width / picture.width, height / picture.height))
    return Size(min(fitted.width, width), min(fitted.height, height))


def scaled_preview(picture: Size, scale: float) -> Size:
    """The preview of `scale` preview pixels to a picture pixel; its height is even, and it is at least 1 × 2."""
    return Size(max(1, round(picture.width * scale)), max(2, round(picture.height * scale / 2) * 2))


def convert_box(box: tuple[int, int, int, int], source: Size, target: Size) -> tuple[float, float, float, float]:
    """The same part of the picture on another grid, to the fraction.

    Args:
        box: left, top, right, bottom: edges of pixels, not their centres, so that (0, 0, *source) is the whole picture.
    """
    left, top, right, bottom = box
    return (
        left * target.width / source.width,
        top * target.height / source.height,
        right * target.width / source.width,
        bottom * target.height / source.height,
    )


def pixel_box(pixel: tuple[int, int], grid: Size, picture: Size) -> tuple[int, int, int, int]:
    """The picture pixels that a preview pixel covers: left, top, right, bottom, the last two exclusive.

    The boxes of all preview pixels cover the picture. Where the preview is the smaller one they tile it;
    where it is the larger one neighbours share a picture pixel, and no box is empty.
    """
    column, row = pixel
    left, top = column * picture.width // grid.width, row * picture.height // grid.height
    return (
        left,
        top,
        max((column + 1) * picture.width // grid.width, left + 1),
        max((row + 1) * picture.height // grid.height, top + 1),
    )
