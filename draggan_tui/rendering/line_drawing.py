"""Drawing in the preview's pixels: lines, the cursor's cross, tints, and colours that stand out from what is below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from draggan_tui.rendering.dithering import luma
from draggan_tui.terminal.xterm_palette import Rgb

Pixels = NDArray[np.intp]

_APART = 0.35  # difference in lightness from which a mark is seen on its ground
_TINT, _RIM = 0.22, 0.75  # how much of the mask's colour is mixed in, inside and along its edge


def line_pixels(start: tuple[int, int], end: tuple[int, int]) -> Pixels:
    """`[n, 2]` (column, row): every other pixel between two, both left out."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    way = np.arange(2, max(steps - 1, 2), 2)[:, None] / max(steps, 1)
    return np.asarray(np.rint(np.array(start) + way * (np.array(end) - np.array(start))).astype(np.intp))


def cross(center: tuple[int, int]) -> Pixels:
    """The pixels one and two away from `center` in the four directions, `[8, 2]` (column, row)."""
    arms = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
    return np.asarray(np.array(center) + np.concatenate([arms, 2 * arms]))


def visible_color(picture: NDArray[np.uint8], pixels: Pixels, colors: Sequence[Rgb]) -> Rgb:
    """The colour that stands out best, in lightness, from the ground under most of the pixels.

    Args:
        picture: `uint8 [H, W, 3]`.
        pixels: `[n, 2]` (column, row); those outside are left out.
        colors: the first is taken wherever it stands out enough.
    """
    columns, rows = _inside(picture, pixels)
    if not len(columns):
        return colors[0]
    ground = luma(picture[rows, columns])
    contrasts = [float(np.median(np.abs(ground - luma(np.array(color))))) for color in colors]
    return colors[0] if contrasts[0] >= _APART else colors[int(np.argmax(contrasts))]


def paint(picture: NDArray[np.uint8], pixels: Pixels, color: Rgb) -> None:
    """Paints pixels of `uint8 [H, W, 3]`; those outside are left out."""
    columns, rows = _inside(picture, pixels)
    picture[rows, columns] = color


def paint_against(picture: NDArray[np.uint8], pixels: Pixels, color: Rgb) -> None:
    """Paints pixels of `uint8 [H, W, 3]` in a colour, or in its opposite in lightness where it would not be seen.

    Pixels outside are left out.
    """
    columns, rows = _inside(picture, pixels)
    light = luma(np.array(color))
    hidden = np.abs(luma(picture[rows, columns]) - light) < _APART
    picture[rows, columns] = np.where(hidden[:, None], 0 if light > 0.5 else 255, np.array(color)).astype(np.uint8)


def _inside(picture: NDArray[np.uint8], pixels: Pixels) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Columns and rows of the pixels that are in the picture."""
    height, width, _ = picture.shape
    columns, rows = pixels[:, 0], pixels[:, 1]
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return columns[inside], rows[inside]


def pale(color: Rgb) -> Rgb:
    """Halfway to grey."""
    red, green, blue = ((channel + 128) // 2 for channel in color)
    return (red, green, blue)


def legible_ground(ground: NDArray[np.floating], color: Rgb, flat: bool = False) -> NDArray[np.uint8]:
    """The ground of a sign, `[3]`: the picture's, as far towards black or white as the sign's colour needs.

    Args:
        flat: all the way, for terminals with too few colours for anything between.
    """
    light, below = float(luma(np.array(color))), float(luma(ground))
    pole = 0.0 if light > 0.4 else 1.0
    wanted = light - _APART if pole == 0 else light + _APART
    share = 0.0 if abs(light - below) >= _APART else (below - wanted) / (below - pole)
    share = 1.0 if flat else min(max(share, 0.0), 1.0)
    return np.asarray(ground + share * (255 * pole - ground)).astype(np.uint8)


def edge(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of an area, `[H, W]`, that touches what is not in it; the grid's own border does not count."""
    around = np.pad(inside, 1, mode="edge")
    core = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return inside & ~core


def outline(inside: NDArray[np.bool_]) -> Pixels:
    """`[n, 2]` (column, row): the pixels of an area, `[H, W]`, that touch what is not in it, or the grid's border."""
    return np.argwhere(edge(np.pad(inside, 1))[1:-1, 1:-1])[:, ::-1]


def tint(
    picture: NDArray[np.uint8], inside: NDArray[np.bool_], color: Rgb, *, edge_only: bool = False
) -> NDArray[np.uint8]:
    """A copy of the picture, tinted where `inside` (`[H, W]`): lightly, and more along its edge."""
    weight = np.where(inside, np.where(edge(inside), _RIM, 0 if edge_only else _TINT), 0).astype(np.float32)[..., None]
    return np.asarray(picture + weight * (np.array(color, dtype=np.float32) - picture)).astype(np.uint8)
