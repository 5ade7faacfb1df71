"""Images in terminals with 256 or 16 colours.

A colour that the palette lacks is mixed from two that it has, in quarters. With 256 colours the mix is a pattern of 2×2
pixels at fixed positions, so that a still part of the image does not flicker; with 16 colours it is a shade ░▒▓ of one
colour on the other. The cost of a mix is the distance in OKLab from its mean to the image's colour, plus a share of the
variance within the pattern: a mix of two very different colours can have the right mean, but looks like confetti.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from draggan_tui.terminal.color_depth import ColorDepth as ColorDepth
from draggan_tui.terminal.xterm_palette import (
    CONES_TO_LAB,
    LIGHT_TO_CONES,
    nearest_number,
    palette_numbers,
    xterm_colors,
)
from draggan_tui.terminal.xterm_palette import PaletteDepth as PaletteDepth

QUARTERS = 4
_BITS = 6  # of each channel by which colours are looked up; with fewer, some greys of the palette coincide
_BINS = 1 << _BITS
_BLOCK = 16  # colours that are searched at a time, so that the data fits into the processor's cache
_PATTERN = np.array([[0, 2], [3, 1]], dtype=np.uint8)
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_TO_CONES, _TO_LAB = (np.array(matrix, dtype=np.float32) for matrix in (LIGHT_TO_CONES, CONES_TO_LAB))


@dataclass(frozen=True)
class _MixCosts:
    """Weights of the cost of a mix.

    Attributes:
        variance: of the variance within the pattern.
        hue: how much more the variance of hue and chroma counts than that of lightness.
        vivid: of the chroma of the two colours.
        widest: the greatest distance between the two colours.
    """

    variance: float
    hue: float
    vivid: float
    widest: float


# Chosen by eye; docs/colours.md has the figures.
_COSTS: dict[PaletteDepth, _MixCosts] = {
    "256": _MixCosts(variance=0.25, hue=2, vivid=0, widest=0.18),
    "16": _MixCosts(variance=0.04, hue=1, vivid=0.35, widest=2),
}


def linear_light(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the amounts of light, 0 … 1, of `uint8 […, 3]` in sRGB."""
    return np.asarray(_linear_levels()[rgb])


@cache
def _linear_levels() -> NDArray[np.float32]:
    levels = np.arange(256, dtype=np.float32) / 255
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4).astype(np.float32)


def oklab_array(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the OKLab coordinates of amounts of light, `[…, 3]`."""
    return np.asarray(np.cbrt(light @ _TO_CONES.T) @ _TO_LAB.T)


@cache
def palette_colors(depth: PaletteDepth) -> NDArray[np.uint8]:
    """Return `uint8 [n, 3]`: the RGB of each colour number.

    For "256" the first 16, which users can change, are listed but never used.
    """
    return np.array(xterm_colors()[: palette_numbers(depth).stop], dtype=np.uint8)


class _Mixes:
    """The best mix for each colour. It is searched when a colour is first needed: an image has a few hundred of 2¹⁸.

    Attributes:
        dark, light: `uint8 [m]`, the two colour numbers of each mix.
        quarters: `uint8 [m]`, how many of four pixels are `light`.
    """

    def __init__(self, depth: PaletteDepth) -> None:
        costs, numbers = _COSTS[depth], np.array(palette_numbers(depth))
        numbers = numbers[np.argsort(luma(palette_colors(depth)[numbers]), kind="stable")]
        light = linear_light(palette_colors(depth)[numbers])
        lab = oklab_array(light)
        vivid = np.hypot(lab[:, 1], lab[:, 2])
        first, second = np.triu_indices(len(numbers), 1)
        apart = ((lab[first] - lab[second]) ** 2) @ np.array([1, costs.hue, costs.hue], dtype=np.float32)
        close = apart < costs.widest**2
        first, second, apart = first[close], second[close], apart[close]
        alone = np.arange(len(numbers))
        one = np.concatenate([alone, *[first] * (QUARTERS - 1)])
        other = np.concatenate([alone, *[second] * (QUARTERS - 1)])
        quarters = np.repeat(np.arange(QUARTERS), [len(alone), *[len(first)] * (QUARTERS - 1)])
        share = (quarters / QUARTERS).astype(np.float32)[:, None]
        mean = oklab_array(light[one] * (1 - share) + light[other] * share)
        distance = np.concatenate([np.zeros(len(alone)), *[apart] * (QUARTERS - 1)])[:, None]
        extra = costs.variance * share * (1 - share) * distance
        extra += costs.vivid * ((1 - share) * vivid[one, None] ** 2 + share * vivid[other, None] ** 2)
        self.dark, self.light = numbers[one].astype(np.uint8), numbers[other].astype(np.uint8)
        self.quarters = quarters.astype(np.uint8)
        self._means = np.ascontiguousarray(mean.T)
        self._offsets = ((mean**2).sum(axis=1) + extra[:, 0]).astype(np.float32)
        self._best = np.full(_BINS**3, -1, dtype=np.int32)

    def best(self, rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return the index of the best mix for each pixel of `uint8 […, 3]`."""
        bins = _bins(rgb)
        mixes = self._best[bins]
        if (mixes < 0).any():
            new = np.unique(bins[mixes < 0])
            self._best[new] = self._search(oklab_array(linear_light(_bin_colors(new))))
            mixes = self._best[bins]
        return np.asarray(mixes)

    def _search(self, colors: NDArray[np.float32]) -> NDArray[np.intp]:
        # |x − m|² is |x|² − 2 x·m + |m|², and its first term does not change which m is nearest. There is no matrix
        # product because numpy would divide it among threads, which cost more than they save.
        best = np.empty(len(colors), dtype=np.intp)
        for start in range(0, len(colors), _BLOCK):
            light, green_red, blue_yellow = -2 * colors[start : start + _BLOCK].T[..., None]
            cost = self._offsets + light * self._means[0]
            cost += green_red * self._means[1]
            cost += blue_yellow * self._means[2]
            best[start : start + _BLOCK] = cost.argmin(axis=1)
        return best


@cache
def _mixes(depth: PaletteDepth) -> _Mixes:
    return _Mixes(depth)


def _bins(rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
    red, green, blue = np.moveaxis(rgb >> (8 - _BITS), -1, 0).astype(np.int32)
    return np.asarray((red << 2 * _BITS) | (green << _BITS) | blue)


def _bin_colors(bins: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return the colour that represents each bin; black and white represent themselves."""
    channels = np.stack([bins >> 2 * _BITS, bins >> _BITS & (_BINS - 1), bins & (_BINS - 1)], axis=-1)
    return np.rint(channels * (255 / (_BINS - 1))).astype(np.uint8)


@cache
def _nearest_table(depth: PaletteDepth) -> NDArray[np.int16]:  # noqa: ARG001 (one table for each depth)
    return np.full(_BINS**3, -1, dtype=np.int16)


def nearest_numbers(rgb: NDArray[np.uint8], depth: PaletteDepth) -> NDArray[np.uint8]:
    """Return the number of the nearest palette colour for each pixel of `uint8 […, 3]`; fast if few colours differ."""
    table, bins = _nearest_table(depth), _bins(rgb)
    numbers = table[bins]
    if (numbers < 0).any():
        new = np.unique(bins[numbers < 0])
        table[new] = [nearest_number(tuple(color), depth) for color in _bin_colors(new).tolist()]
        numbers = table[bins]
    return numbers.astype(np.uint8)


def dither(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image, `uint8 [H, W, 3]`, in the 256 colours."""
    mixes = _mixes("256")
    best = mixes.best(image)
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    is_light = _PATTERN[rows % 2, columns % 2] >= QUARTERS - mixes.quarters[best]
    return np.asarray(palette_colors("256")[np.where(is_light, mixes.light[best], mixes.dark[best])])


def shade_mixes(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return each pixel of `uint8 [H, W, 3]` as a shade of two of the 16 colours.

    Returns:
        The darker and the lighter colour, `uint8 [H, W, 3]` each, and how many quarters are lighter, `uint8 [H, W]`.
    """
    mixes = _mixes("16")
    best = mixes.best(image)
    return palette_colors("16")[mixes.dark[best]], palette_colors("16")[mixes.light[best]], mixes.quarters[best]


def luma(rgb: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return how light colours look, 0 … 1 (Rec. 601, on gamma-encoded values): `[…, 3]` in 0 … 255 to `[…]`."""
    return np.asarray(rgb.astype(np.float32) @ _LUMA / np.float32(255))
