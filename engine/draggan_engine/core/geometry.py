"""Coordinates: the one place that converts between images, feature maps and preview pixels.

A point is `(x, y)` in pixels of the full-resolution image, as floats, with the origin at the *centre* of the top-left pixel:
pixel centres are integers, and an image of width W spans −0.5 … W − 0.5. A feature map or a preview is the same image on
another grid, so x becomes `(x + 0.5)·w/W − 0.5` there (half-pixel convention). Nothing here rounds unless its name says so.
A `Size` is (width, height); the shape of an array is (height, width).
"""

from __future__ import annotations

from typing import Any, NamedTuple

Point = tuple[float, float]


class Size(NamedTuple):
    """Width and height of a grid in its own pixels."""

    width: int
    height: int


def rescale(position: Any, source: int, target: int) -> Any:
    """Convert one coordinate from an axis of `source` pixels to the same axis of `target` pixels.

    It is plain arithmetic, so it works for numbers, arrays and tensors.
    """
    return (position + 0.5) * target / source - 0.5


def convert(point: Point, source: Size, target: Size) -> Point:
    """Convert a point to another grid of the same image."""
    return (
        rescale(point[0], source.width, target.width),
        rescale(point[1], source.height, target.height),
    )


def nearest_pixel(point: Point, grid: Size) -> tuple[int, int]:
    """Return (column, row) of the pixel that contains a point, or of the nearest pixel of the grid."""
    column = min(max(int(-(-(point[0] - 0.5) // 1)), 0), grid.width - 1)
    row = min(max(int(-(-(point[1] - 0.5) // 1)), 0), grid.height - 1)
    return (column, row)


def clamp(point: Point, image: Size) -> Point:
    """Return the nearest point between the centres of the image's outermost pixels, [0, W−1] × [0, H−1]."""
    return (min(max(point[0], 0.0), image.width - 1.0), min(max(point[1], 0.0), image.height - 1.0))


def contains(point: Point, image: Size) -> bool:
    """Return whether a point lies on the image (−0.5 ≤ x ≤ W − 0.5, likewise for y)."""
    return -0.5 <= point[0] <= image.width - 0.5 and -0.5 <= point[1] <= image.height - 0.5


def distance(a: Point, b: Point) -> float:
    """Return the Euclidean distance in image pixels."""
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def fit_preview(image: Size, columns: int, rows: int) -> Size:
    """Return the largest preview with the image's aspect ratio that fits `columns` × `rows` terminal cells.

    A cell shows two preview pixels, one above the other (half-blocks), and counts as twice as high as wide, so preview
    pixels are square. The height is even (whole cells); the size is at least 1 × 2.
    """
    height = max(2 * rows, 2)
    width = max(columns, 1)
    preview = scaled_preview(image, min(width / image.width, height / image.height))
    return Size(min(preview.width, width), min(preview.height, height))


def scaled_preview(image: Size, scale: float) -> Size:
    """Return the size of a preview with `scale` preview pixels per image pixel: an even height, and at least 1 × 2."""
    return Size(max(1, round(image.width * scale)), max(2, round(image.height * scale / 2) * 2))


def convert_box(box: tuple[int, int, int, int], source: Size, target: Size) -> tuple[float, float, float, float]:
    """Convert a part of the image to another grid, without rounding.

    Args:
        box: left, top, right, bottom: edges of pixels, not their centres, so that (0, 0, *source) is the whole image.
    """
    left, top, right, bottom = box
    return (
        left * target.width / source.width,
        top * target.height / source.height,
        right * target.width / source.width,
        bottom * target.height / source.height,
    )


def pixel_box(pixel: tuple[int, int], grid: Size, image: Size) -> tuple[int, int, int, int]:
    """Return the image pixels that a preview pixel covers: left, top, right, bottom, the last two exclusive.

    The boxes of all preview pixels cover the image. They tile it where the preview is smaller than the image; where it is
    larger, neighbours share an image pixel, and no box is empty.
    """
    column, row = pixel
    left, top = column * image.width // grid.width, row * image.height // grid.height
    return (
        left,
        top,
        max((column + 1) * image.width // grid.width, left + 1),
        max((row + 1) * image.height // grid.height, top + 1),
    )
