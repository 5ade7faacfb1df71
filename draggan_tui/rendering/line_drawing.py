"""Drawing on an image: lines, the cursor's cross, tints, and colours that stand out from their background.

Images are `uint8 [H, W, 3]`; positions are (column, row); what is outside the image is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from draggan_tui.rendering.dithering import luma
from draggan_tui.terminal.xterm_palette import Rgb

PixelPositions = NDArray[np.intp]
"""`[n, 2]` (column, row)."""

_LEAST_CONTRAST = 0.35  # difference in lightness from which a mark is visible on its ground
_TINT_WEIGHT, _EDGE_WEIGHT = 0.22, 0.75  # how much of the mask's colour is mixed in, inside and along its edge


def line_pixels(start_pixel: tuple[int, int], end_pixel: tuple[int, int]) -> PixelPositions:
    """Return every other pixel between two, without the two."""
    step_count = max(abs(end_pixel[0] - start_pixel[0]), abs(end_pixel[1] - start_pixel[1]))
    step_fractions = np.arange(2, max(step_count - 1, 2), 2)[:, None] / max(step_count, 1)
    return np.asarray(
        np.rint(np.array(start_pixel) + step_fractions * (np.array(end_pixel) - np.array(start_pixel))).astype(np.intp)
    )


def cross(center: tuple[int, int]) -> PixelPositions:
    """Return the pixels one and two away from `center` in the four directions, `[8, 2]`."""
    arm_offsets = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
    return np.asarray(np.array(center) + np.concatenate([arm_offsets, 2 * arm_offsets]))


def visible_color(image: NDArray[np.uint8], pixels: PixelPositions, colors: Sequence[Rgb]) -> Rgb:
    """Return the colour whose lightness stands out best from the image under some pixels.

    Args:
        colors: the first one is preferred: it is taken wherever it stands out enough.
    """
    columns, rows = _inside(image, pixels)
    if not len(columns):
        return colors[0]
    ground_luma = luma(image[rows, columns])
    color_contrasts = [float(np.median(np.abs(ground_luma - luma(np.array(color))))) for color in colors]
    return colors[0] if color_contrasts[0] >= _LEAST_CONTRAST else colors[int(np.argmax(color_contrasts))]


def paint(image: NDArray[np.uint8], pixels: PixelPositions, color: Rgb) -> None:
    """Paint pixels of an image."""
    columns, rows = _inside(image, pixels)
    image[rows, columns] = color


def paint_against(image: NDArray[np.uint8], pixels: PixelPositions, color: Rgb) -> None:
    """Paint pixels of an image, in black or white where the colour would not be visible."""
    columns, rows = _inside(image, pixels)
    lightness = luma(np.array(color))
    is_hidden = np.abs(luma(image[rows, columns]) - lightness) < _LEAST_CONTRAST
    image[rows, columns] = np.where(is_hidden[:, None], 0 if lightness > 0.5 else 255, np.array(color)).astype(np.uint8)


def _inside(image: NDArray[np.uint8], pixels: PixelPositions) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return columns and rows of the pixels that are inside the image."""
    height, width, _ = image.shape
    columns, rows = pixels[:, 0], pixels[:, 1]
    is_inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return columns[is_inside], rows[is_inside]


def pale(color: Rgb) -> Rgb:
    """Return the colour halfway to grey."""
    red, green, blue = ((channel + 128) // 2 for channel in color)
    return (red, green, blue)


def legible_ground(ground: NDArray[np.floating], color: Rgb, flat: bool = False) -> NDArray[np.uint8]:
    """Return the background of a glyph, `[3]`: the image's colour, as far towards black or white as contrast needs.

    Args:
        ground: the image's colour, `[3]` in 0 … 255.
        color: of the glyph.
        flat: go all the way to black or white, for terminals with too few colours for anything between.
    """
    lightness, ground_lightness = float(luma(np.array(color))), float(luma(ground))
    contrast_pole = 0.0 if lightness > 0.4 else 1.0
    legible_lightness = lightness - _LEAST_CONTRAST if contrast_pole == 0 else lightness + _LEAST_CONTRAST
    has_contrast = abs(lightness - ground_lightness) >= _LEAST_CONTRAST
    pole_share = 0.0 if has_contrast else (ground_lightness - legible_lightness) / (ground_lightness - contrast_pole)
    pole_share = 1.0 if flat else min(max(pole_share, 0.0), 1.0)
    return np.asarray(ground + pole_share * (255 * contrast_pole - ground)).astype(np.uint8)


def edge(is_inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the part of an area, `bool [H, W]`, that touches its outside. The border of the array is not an edge."""
    padded_area = np.pad(is_inside, 1, mode="edge")
    inner_area = padded_area[:-2, 1:-1] & padded_area[2:, 1:-1] & padded_area[1:-1, :-2] & padded_area[1:-1, 2:]
    return is_inside & ~inner_area


def outline(is_inside: NDArray[np.bool_]) -> PixelPositions:
    """Return the pixels of an area, `bool [H, W]`, that touch its outside or the border of the array."""
    return np.argwhere(edge(np.pad(is_inside, 1))[1:-1, 1:-1])[:, ::-1]


def tint(
    image: NDArray[np.uint8], is_inside: NDArray[np.bool_], color: Rgb, *, edge_only: bool = False
) -> NDArray[np.uint8]:
    """Return a copy of the image, tinted lightly where `is_inside` (`bool [H, W]`) is true, and more along its edge."""
    tint_weight = np.where(
        is_inside, np.where(edge(is_inside), _EDGE_WEIGHT, 0 if edge_only else _TINT_WEIGHT), 0
    ).astype(np.float32)[..., None]
    return np.asarray(image + tint_weight * (np.array(color, dtype=np.float32) - image)).astype(np.uint8)
