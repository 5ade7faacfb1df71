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
_CHANNEL_BITS = 6  # of each channel by which colours are looked up; with fewer, some greys of the palette coincide
_CHANNEL_BINS = 1 << _CHANNEL_BITS
_SEARCH_BLOCK = 16  # colours that are searched at a time, so that the data fits into the processor's cache
_DITHER_PATTERN = np.array([[0, 2], [3, 1]], dtype=np.uint8)
_LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_TO_CONES, _TO_LAB = (np.array(matrix, dtype=np.float32) for matrix in (LIGHT_TO_CONES, CONES_TO_LAB))


@dataclass(frozen=True)
class _MixCosts:
    """Weights of the cost of a mix.

    Attributes:
        variance_weight: of the variance within the pattern.
        hue_factor: how much more the variance of hue and chroma counts than that of lightness.
        chroma_weight: of the chroma of the two colours.
        widest_distance: the greatest distance between the two colours.
    """

    variance_weight: float
    hue_factor: float
    chroma_weight: float
    widest_distance: float


# Chosen by eye; docs/colours.md has the figures.
_COSTS_BY_DEPTH: dict[PaletteDepth, _MixCosts] = {
    "256": _MixCosts(variance_weight=0.25, hue_factor=2, chroma_weight=0, widest_distance=0.18),
    "16": _MixCosts(variance_weight=0.04, hue_factor=1, chroma_weight=0.35, widest_distance=2),
}


def linear_light(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the amounts of light, 0 … 1, of `uint8 […, 3]` in sRGB."""
    return np.asarray(_linear_levels()[rgb])


@cache
def _linear_levels() -> NDArray[np.float32]:
    srgb_levels = np.arange(256, dtype=np.float32) / 255
    return np.where(srgb_levels <= 0.04045, srgb_levels / 12.92, ((srgb_levels + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


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
        mix_costs, color_numbers = _COSTS_BY_DEPTH[depth], np.array(palette_numbers(depth))
        color_numbers = color_numbers[np.argsort(luma(palette_colors(depth)[color_numbers]), kind="stable")]
        linear_rgb = linear_light(palette_colors(depth)[color_numbers])
        lab_colors = oklab_array(linear_rgb)
        color_chroma = np.hypot(lab_colors[:, 1], lab_colors[:, 2])
        first_index, second_index = np.triu_indices(len(color_numbers), 1)
        squared_distance = ((lab_colors[first_index] - lab_colors[second_index]) ** 2) @ np.array(
            [1, mix_costs.hue_factor, mix_costs.hue_factor], dtype=np.float32
        )
        is_close = squared_distance < mix_costs.widest_distance**2
        first_index, second_index, squared_distance = (
            first_index[is_close],
            second_index[is_close],
            squared_distance[is_close],
        )
        single_indices = np.arange(len(color_numbers))
        dark_index = np.concatenate([single_indices, *[first_index] * (QUARTERS - 1)])
        light_index = np.concatenate([single_indices, *[second_index] * (QUARTERS - 1)])
        quarters = np.repeat(np.arange(QUARTERS), [len(single_indices), *[len(first_index)] * (QUARTERS - 1)])
        light_share = (quarters / QUARTERS).astype(np.float32)[:, None]
        mean_lab = oklab_array(linear_rgb[dark_index] * (1 - light_share) + linear_rgb[light_index] * light_share)
        mix_distance = np.concatenate([np.zeros(len(single_indices)), *[squared_distance] * (QUARTERS - 1)])[:, None]
        extra_cost = mix_costs.variance_weight * light_share * (1 - light_share) * mix_distance
        extra_cost += mix_costs.chroma_weight * (
            (1 - light_share) * color_chroma[dark_index, None] ** 2 + light_share * color_chroma[light_index, None] ** 2
        )
        self.dark, self.light = color_numbers[dark_index].astype(np.uint8), color_numbers[light_index].astype(np.uint8)
        self.quarters = quarters.astype(np.uint8)
        self._mean_lab = np.ascontiguousarray(mean_lab.T)
        self._cost_offsets = ((mean_lab**2).sum(axis=1) + extra_cost[:, 0]).astype(np.float32)
        self._best_by_bin = np.full(_CHANNEL_BINS**3, -1, dtype=np.int32)

    def best(self, rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return the index of the best mix for each pixel of `uint8 […, 3]`."""
        bins = _bins(rgb)
        mix_indices = self._best_by_bin[bins]
        if (mix_indices < 0).any():
            new_bins = np.unique(bins[mix_indices < 0])
            self._best_by_bin[new_bins] = self._search(oklab_array(linear_light(_bin_colors(new_bins))))
            mix_indices = self._best_by_bin[bins]
        return np.asarray(mix_indices)

    def _search(self, colors: NDArray[np.float32]) -> NDArray[np.intp]:
        # |x − m|² is |x|² − 2 x·m + |m|², and its first term does not change which m is nearest. There is no matrix
        # product because numpy would divide it among threads, which cost more than they save.
        best_mixes = np.empty(len(colors), dtype=np.intp)
        for block_start in range(0, len(colors), _SEARCH_BLOCK):
            light_term, green_red, blue_yellow = -2 * colors[block_start : block_start + _SEARCH_BLOCK].T[..., None]
            mix_cost = self._cost_offsets + light_term * self._mean_lab[0]
            mix_cost += green_red * self._mean_lab[1]
            mix_cost += blue_yellow * self._mean_lab[2]
            best_mixes[block_start : block_start + _SEARCH_BLOCK] = mix_cost.argmin(axis=1)
        return best_mixes


@cache
def _mixes(depth: PaletteDepth) -> _Mixes:
    return _Mixes(depth)


def _bins(rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
    red, green, blue = np.moveaxis(rgb >> (8 - _CHANNEL_BITS), -1, 0).astype(np.int32)
    return np.asarray((red << 2 * _CHANNEL_BITS) | (green << _CHANNEL_BITS) | blue)


def _bin_colors(bins: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return the colour that represents each bin; black and white represent themselves."""
    bin_channels = np.stack(
        [bins >> 2 * _CHANNEL_BITS, bins >> _CHANNEL_BITS & (_CHANNEL_BINS - 1), bins & (_CHANNEL_BINS - 1)], axis=-1
    )
    return np.rint(bin_channels * (255 / (_CHANNEL_BINS - 1))).astype(np.uint8)


@cache
def _nearest_table(depth: PaletteDepth) -> NDArray[np.int16]:  # noqa: ARG001 (one table for each depth)
    return np.full(_CHANNEL_BINS**3, -1, dtype=np.int16)


def nearest_numbers(rgb: NDArray[np.uint8], depth: PaletteDepth) -> NDArray[np.uint8]:
    """Return the number of the nearest palette colour for each pixel of `uint8 […, 3]`; fast if few colours differ."""
    number_table, bins = _nearest_table(depth), _bins(rgb)
    color_numbers = number_table[bins]
    if (color_numbers < 0).any():
        new_bins = np.unique(bins[color_numbers < 0])
        number_table[new_bins] = [nearest_number(tuple(color), depth) for color in _bin_colors(new_bins).tolist()]
        color_numbers = number_table[bins]
    return color_numbers.astype(np.uint8)


def dither(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image, `uint8 [H, W, 3]`, in the 256 colours."""
    mixes = _mixes("256")
    best_mix = mixes.best(image)
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    is_light = _DITHER_PATTERN[rows % 2, columns % 2] >= QUARTERS - mixes.quarters[best_mix]
    return np.asarray(palette_colors("256")[np.where(is_light, mixes.light[best_mix], mixes.dark[best_mix])])


def shade_mixes(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return each pixel of `uint8 [H, W, 3]` as a shade of two of the 16 colours.

    Returns:
        The darker and the lighter colour, `uint8 [H, W, 3]` each, and how many quarters are lighter, `uint8 [H, W]`.
    """
    mixes = _mixes("16")
    best_mix = mixes.best(image)
    return (
        palette_colors("16")[mixes.dark[best_mix]],
        palette_colors("16")[mixes.light[best_mix]],
        mixes.quarters[best_mix],
    )


def luma(rgb: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return how light colours look, 0 … 1 (Rec. 601, on gamma-encoded values): `[…, 3]` in 0 … 255 to `[…]`."""
    return np.asarray(rgb.astype(np.float32) @ _LUMA_WEIGHTS / np.float32(255))
