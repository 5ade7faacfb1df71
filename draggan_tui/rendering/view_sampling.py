"""The part of a picture that a viewport shows, at the size at which it shows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.geometry import Point, Size, convert, convert_box, nearest_pixel
from draggan_engine.core.resampling import area_means
from draggan_tui.editor.viewport import Viewport
from draggan_tui.terminal.xterm_palette import Rgb

DISTINCT = 3
"""Screen pixels to a picture pixel from which its pixels are shown as such."""
_REACH = 3  # pixels that Lanczos looks to either side of one


def sample_view(picture: NDArray[np.uint8], view: Viewport) -> NDArray[np.uint8]:
    """`uint8 [H, W, 3]` to the same of the window's size: means when it shrinks, a smooth curve when it grows; but from
    three screen pixels to a pixel of the full-resolution picture, squares.

    Args:
        picture: the whole picture at any size, perhaps not yet the full one.
    """
    source, grid, window = Size(picture.shape[1], picture.shape[0]), view.grid, view.window
    if source == grid:
        return picture[window.top : window.bottom, window.left : window.right]
    if source == view.picture and grid.width >= DISTINCT * source.width:
        columns = (2 * np.arange(window.left, window.right) + 1) * source.width // (2 * grid.width)
        rows = (2 * np.arange(window.top, window.bottom) + 1) * source.height // (2 * grid.height)
        return picture[rows[:, None], columns]
    box = convert_box((window.left, window.top, window.right, window.bottom), grid, source)
    # Only what the window needs goes to Pillow, which copies all that it is given.
    reach = _REACH * (1 + source.width // grid.width + source.height // grid.height)
    left, top = max(int(box[0]) - reach, 0), max(int(box[1]) - reach, 0)
    part = np.ascontiguousarray(picture[top : int(box[3]) + reach + 1, left : int(box[2]) + reach + 1])
    inside = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    if grid.width <= source.width and grid.height <= source.height:
        return area_means(part, Size(window.width, window.height), inside)
    size = (window.width, window.height)
    return np.asarray(Image.fromarray(part).resize(size, Image.Resampling.LANCZOS, box=inside))


def color_at(rgb: NDArray[np.uint8], picture: Size, point: Point) -> Rgb:
    """The colour at a point of a picture of that size, of which `uint8 [H, W, 3]` of any size is there."""
    size = Size(rgb.shape[1], rgb.shape[0])
    column, row = nearest_pixel(convert(point, picture, size), size)
    red, green, blue = rgb[row, column].tolist()
    return (red, green, blue)
