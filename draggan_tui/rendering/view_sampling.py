"""The part of an image that a viewport shows, resampled to screen pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.geometry import Point, Size, convert, convert_box, nearest_pixel
from draggan_engine.core.resampling import area_means
from draggan_tui.editor.viewport import Viewport
from draggan_tui.terminal.xterm_palette import Rgb

SQUARE_PIXELS_FROM = 3
"""Screen pixels to a pixel of the image from which its pixels are shown as squares."""
_LANCZOS_REACH = 3  # pixels to either side of one that Lanczos resampling uses


def sample_view(image: NDArray[np.uint8], view: Viewport) -> NDArray[np.uint8]:
    """Return what a viewport shows of an image: `uint8 [H, W, 3]` of the window's size.

    A smaller image is made of means, a larger one by Lanczos resampling. From `SQUARE_PIXELS_FROM` screen pixels to a
    pixel of the full-resolution image, its pixels are squares.

    Args:
        image: `uint8 [H, W, 3]`, the whole image at any size.
    """
    image_size, grid, window = Size(image.shape[1], image.shape[0]), view.grid, view.window
    if image_size == grid:
        return image[window.top : window.bottom, window.left : window.right]
    if image_size == view.image_size and grid.width >= SQUARE_PIXELS_FROM * image_size.width:
        column_indices = (2 * np.arange(window.left, window.right) + 1) * image_size.width // (2 * grid.width)
        row_indices = (2 * np.arange(window.top, window.bottom) + 1) * image_size.height // (2 * grid.height)
        return image[row_indices[:, None], column_indices]
    source_box = convert_box((window.left, window.top, window.right, window.bottom), grid, image_size)
    # Pillow copies its input, so it gets only the part that the window needs.
    part_margin = _LANCZOS_REACH * (1 + image_size.width // grid.width + image_size.height // grid.height)
    left, top = max(int(source_box[0]) - part_margin, 0), max(int(source_box[1]) - part_margin, 0)
    image_part = np.ascontiguousarray(
        image[top : int(source_box[3]) + part_margin + 1, left : int(source_box[2]) + part_margin + 1]
    )
    part_box = (source_box[0] - left, source_box[1] - top, source_box[2] - left, source_box[3] - top)
    if grid.width <= image_size.width and grid.height <= image_size.height:
        return area_means(image_part, Size(window.width, window.height), part_box)
    window_size = (window.width, window.height)
    return np.asarray(Image.fromarray(image_part).resize(window_size, Image.Resampling.LANCZOS, box=part_box))


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
