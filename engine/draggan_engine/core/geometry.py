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


def rescale(position: Any, source_length: int, target_length: int) -> Any:
    """Convert one coordinate from an axis of `source_length` pixels to the same axis of `target_length` pixels.

    It is plain arithmetic, so it works for numbers, arrays and tensors.
    """
    return (position + 0.5) * target_length / source_length - 0.5


def convert(point: Point, source_size: Size, target_size: Size) -> Point:
    """Convert a point to another grid of the same image."""
    return (
        rescale(point[0], source_size.width, target_size.width),
        rescale(point[1], source_size.height, target_size.height),
    )


def nearest_pixel(point: Point, grid_size: Size) -> tuple[int, int]:
    """Return (column, row) of the pixel that contains a point, or of the nearest pixel of the grid."""
    column = min(max(int(-(-(point[0] - 0.5) // 1)), 0), grid_size.width - 1)
    row = min(max(int(-(-(point[1] - 0.5) // 1)), 0), grid_size.height - 1)
    return (column, row)


def clamp(point: Point, image_size: Size) -> Point:
    """Return the nearest point between the centres of the image's outermost pixels, [0, W−1] × [0, H−1]."""
    return (min(max(point[0], 0.0), image_size.width - 1.0), min(max(point[1], 0.0), image_size.height - 1.0))


def contains(point: Point, image_size: Size) -> bool:
    """Return whether a point lies on the image (−0.5 ≤ x ≤ W − 0.5, likewise for y)."""
    return -0.5 <= point[0] <= image_size.width - 0.5 and -0.5 <= point[1] <= image_size.height - 0.5


def distance(a: Point, b: Point) -> float:
    """Return the Euclidean distance in image pixels."""
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def fit_preview(image_size: Size, column_count: int, row_count: int) -> Size:
    """Return the largest preview with the image's aspect ratio that fits `column_count` × `row_count` terminal cells.

    A cell shows two preview pixels, one above the other (half-blocks), and counts as twice as high as wide, so preview
    pixels are square. The height is even (whole cells); the size is at least 1 × 2.
    """
    height = max(2 * row_count, 2)
    width = max(column_count, 1)
    preview_size = scaled_preview(image_size, min(width / image_size.width, height / image_size.height))
    return Size(min(preview_size.width, width), min(preview_size.height, height))


def scaled_preview(image_size: Size, scale: float) -> Size:
    """Return the size of a preview with `scale` preview pixels per image pixel: an even height, and at least 1 × 2."""
    return Size(max(1, round(image_size.width * scale)), max(2, round(image_size.height * scale / 2) * 2))


def convert_box(
    pixel_edges: tuple[int, int, int, int], source_size: Size, target_size: Size
) -> tuple[float, float, float, float]:
    """Convert a part of the image to another grid, without rounding.

    Args:
        pixel_edges: left, top, right, bottom: edges of pixels, not their centres; (0, 0, *source_size) is the whole image.
    """
    left, top, right, bottom = pixel_edges
    return (
        left * target_size.width / source_size.width,
        top * target_size.height / source_size.height,
        right * target_size.width / source_size.width,
        bottom * target_size.height / source_size.height,
    )


def pixel_box(preview_pixel: tuple[int, int], preview_size: Size, image_size: Size) -> tuple[int, int, int, int]:
    """Return the image pixels that a preview pixel covers: left, top, right, bottom, the last two exclusive.

    The boxes of all preview pixels cover the image. They tile it where the preview is smaller than the image; where it is
    larger, neighbours share an image pixel, and no box is empty.
    """
    column, row = preview_pixel
    left, top = column * image_size.width // preview_size.width, row * image_size.height // preview_size.height
    return (
        left,
        top,
        max((column + 1) * image_size.width // preview_size.width, left + 1),
        max((row + 1) * image_size.height // preview_size.height, top + 1),
    )
