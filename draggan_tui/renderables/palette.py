"""Colours on terminals that have fewer than 2²⁴ of them, and how well two colours are told apart.

A picture in few colours is dithered: each colour becomes four palette colours, laid out in a 2×2 pattern, whose
mean is near it. Without that, most of a photo falls on the greys. The pattern is fixed to the pixels, so a still
part of the picture stays still from frame to frame.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

ColorDepth = Literal["truecolor", "256", "16", "none"]
PaletteDepth = Literal["256", "16"]

_LEVELS = 32  # of each channel in a lookup table: a colour is looked up by its upper five bits
_PATTERN = np.array([[0, 2], [3, 1]], dtype=np.uint8)
_CARRY = 0.75  # of the error so far that the next colour of a pattern makes good; 1 is noisier
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# A pattern's colours are chosen in YCbCr with more weight on lightness: next to each other, another hue disturbs less
# than another lightness.
_METRIC = np.array([1.6 * _LUMA, [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], dtype=np.float32).T

# xterm's defaults; a user's own theme may differ, so on such a terminal the hues are only roughly right.
_ANSI = [
    *[(0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)],
    *[(127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255)],
    (255, 255, 255),
]


class _Tables(NamedTuple):
    nearest: NDArray[np.uint8]  # [32, 32, 32]: the palette's index of a colour
    mixed: NDArray[np.uint8]  # [4, 32, 32, 32]: the four indices of its pattern, from dark to light


@cache
def palette(depth: PaletteDepth) -> NDArray[np.uint8]:
    """`uint8 [n, 3]`: the RGB of each colour number. For "256", 0 … 15 (which users change) are listed but never used."""
    if depth == "16":
        return np.array(_ANSI, dtype=np.uint8)
    levels = np.array([0, 95, 135, 175, 215, 255], dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    greys = np.repeat(np.arange(8, 248, 10, dtype=np.uint8), 3).reshape(-1, 3)
    return np.concatenate([np.array(_ANSI, dtype=np.uint8), cube, greys])


@cache
def _tables(depth: PaletteDepth) -> _Tables:
    first = 16 if depth == "256" else 0
    colors = palette(depth)[first:].astype(np.float32)
    axis = np.linspace(0, 255, _LEVELS, dtype=np.float32)
    wanted = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    error = np.zeros_like(wanted)
    picks = []
    for _ in range(4):
        pick = _closest((wanted + _CARRY * error) @ _METRIC, colors @ _METRIC)
        error += wanted - colors[pick]
        picks.append(pick)
    chosen = np.stack(picks)
    by_luma = np.argsort(luma(colors[chosen]), axis=0, kind="stable")
    mixed = np.take_along_axis(chosen, by_luma, axis=0) + first
    nearest = _closest(wanted, colors) + first
    cube = (_LEVELS,) * 3
    return _Tables(nearest.astype(np.uint8).reshape(cube), mixed.astype(np.uint8).reshape(4, *cube))


def _closest(points: NDArray[np.float32], choices: NDArray[np.float32]) -> NDArray[np.intp]:
    """Which of the choices `[m, 3]` each point `[n, 3]` is nearest to: `[n]`."""
    # |x − c|² is |x|² + (x, 1)·(−2c, |c|²), and its first term does not change which c is nearest.
    form = np.concatenate([-2 * choices, (choices**2).sum(axis=1, keepdims=True)], axis=1)
    return np.asarray((np.pad(points, ((0, 0), (0, 1)), constant_values=1) @ form.T).argmin(axis=1))


def nearest(rgb: NDArray[np.uint8], depth: PaletteDepth) -> NDArray[np.uint8]:
    """The number of the nearest palette colour (Euclidean in RGB, so hues stay) of each pixel of `uint8 […, 3]`."""
    bins = rgb >> 3
    return np.asarray(_tables(depth).nearest[bins[..., 0], bins[..., 1], bins[..., 2]])


def dither(picture: NDArray[np.uint8], depth: ColorDepth) -> NDArray[np.uint8]:
    """The picture in the palette's colours, `uint8 [H, W, 3]` to the same; unchanged where there is no palette."""
    if depth not in ("256", "16"):
        return picture
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    bins = picture >> 3
    pattern = _PATTERN[rows % 2, columns % 2]
    return np.asarray(palette(depth)[_tables(depth).mixed[pattern, bins[..., 0], bins[..., 1], bins[..., 2]]])


def luma(rgb: NDArray[np.generic]) -> NDArray[np.float32]:
    """How light a colour looks, 0 … 1 (Rec. 601, on gamma-encoded values): `[…, 3]` in 0 … 255 to `[…]`."""
    return np.asarray(rgb.astype(np.float32) @ _LUMA / np.float32(255))
