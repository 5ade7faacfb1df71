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
    source, grid, window = Size(image.shape[1], image.shape[0]), view.grid, view.window
    if source == grid:
        return image[window.top : window.bottom, window.left : window.right]
    if source == view.image_size and grid.width >= SQUARE_PIXELS_FROM * source.width:
        columns = (2 * np.arange(window.left, window.right) + 1) * source.width // (2 * grid.width)
        rows = (2 * np.arange(window.top, window.bottom) + 1) * source.height // (2 * grid.height)
        return image[rows[:, None], columns]
    box = convert_box((window.left, window.top, window.right, window.bottom), grid, source)
    # Pillow copies its input, so it gets only the part that the window needs.
    reach = _LANCZOS_REACH * (1 + source.width // grid.width + source.height // grid.height)
    left, top = max(int(box[0]) - reach, 0), max(int(box[1]) - reach, 0)
    part = np.ascontiguousarray(image[top : int(box[3]) + reach + 1, left : int(box[2]) + reach + 1])
    inside = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    if grid.width <= source.width and grid.height <= source.height:
        return area_means(part, Size(window.width, window.height), inside)
    size = (window.width, window.height)
    return np.asarray(Image.fromarray(part).resize(size, Image.Resampling.LANCZOS, box=inside))


def color_at(image: NDArray[np.uint8], full_size: Size, point: Point) -> Rgb:
    """Return the colour at a point.

    Args:
        image: `uint8 [H, W, 3]`, the whole image at any size.
        full_size: size of the full-resolution image.
        point: in pixels of the full-resolution image.
    """
    size = Size(image.shape[1], image.shape[0])
    column, row = nearest_pixel(convert(point, full_size, size), size)
    red, green, blue = image[row, column].tolist()
    return (red, green, blue)
