"""The part of an image that a viewport shows, resampled to screen pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.geometry import Point, Size, convert, convert_box, nearest_pixel
from draggan_engine.core.resampling import area_means
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.cell_parts import PARTS
from draggan_tui.terminal.xterm_palette import Rgb

HALF_CELLS = PARTS["half"]
SQUARE_PIXELS_FROM = 3
"""Screen pixels to a pixel of the image from which its pixels are shown as squares."""
_LANCZOS_REACH = 3  # pixels to either side of one that Lanczos resampling uses


def sample_view(image: NDArray[np.uint8], view: Viewport, parts: Size = HALF_CELLS) -> NDArray[np.uint8]:
    """Return what a viewport shows of an image: `uint8 [H, W, 3]`, one pixel for each part of a cell.

    A smaller image is made of means, a larger one by Lanczos resampling. From `SQUARE_PIXELS_FROM` screen pixels to a
    pixel of the full-resolution image, its pixels are squares.

    Args:
        image: `uint8 [H, W, 3]`, the whole image at any size.
        parts: how many parts a cell has beside and below each other; with the default, the result has the window's size.
    """
    image_size, grid, window = Size(image.shape[1], image.shape[0]), view.grid, view.window
    sampled_size = Size(window.width * parts.width, window.height * parts.height // 2)
    if image_size == grid and parts == HALF_CELLS:
        return image[window.top : window.bottom, window.left : window.right]
    if image_size == view.image_size and grid.width >= SQUARE_PIXELS_FROM * image_size.width:
        column_indices = _pixels_under(sampled_size.width, window.left, window.width, image_size.width, grid.width)
        row_indices = _pixels_under(sampled_size.height, window.top, window.height, image_size.height, grid.height)
        return image[row_indices[:, None], column_indices]
    source_box = convert_box((window.left, window.top, window.right, window.bottom), grid, image_size)
    # Pillow copies its input, so it gets only the part that the window needs.
    part_margin = _LANCZOS_REACH * (1 + image_size.width // grid.width + image_size.height // grid.height)
    left, top = max(int(source_box[0]) - part_margin, 0), max(int(source_box[1]) - part_margin, 0)
    image_part = np.ascontiguousarray(
        image[top : int(source_box[3]) + part_margin + 1, left : int(source_box[2]) + part_margin + 1]
    )
    part_box = (source_box[0] - left, source_box[1] - top, source_box[2] - left, source_box[3] - top)
    if grid.width * parts.width <= image_size.width and grid.height * parts.height <= 2 * image_size.height:
        return area_means(image_part, sampled_size, part_box)
    return np.asarray(Image.fromarray(image_part).resize(sampled_size, Image.Resampling.LANCZOS, box=part_box))


def _pixels_under(
    sample_count: int, window_start: int, window_length: int, image_length: int, grid_length: int
) -> NDArray[np.intp]:
    """Return for each of the samples of a window in which pixel of the image its middle is, along one axis."""
    doubled_middles = (2 * np.arange(sample_count) + 1) * window_length + 2 * sample_count * window_start
    return np.asarray(doubled_middles * image_length // (2 * sample_count * grid_length))


def color_at(image: NDArray[np.uint8], full_size: Size, point: Point) -> Rgb:
    """Return the colour at a point.

    Args:
        image: `uint8 [H, W, 3]`, the whole image at any size.
        full_size: size of the full-resolution image.
        point: in pixels of the full-resolution image.
    """
    image_size = Size(image.shape[1], image.shape[0])
    column, row = nearest_pixel(convert(point, full_size, image_size), image_size)
    red, green, blue = image[row, column].tolist()
    return (red, green, blue)
