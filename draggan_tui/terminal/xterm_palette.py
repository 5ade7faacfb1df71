"""The 256 numbered colours of a terminal, and the nearest of them to a colour. For a few colours; needs no numpy.

Colours are compared in OKLab (Björn Ottosson, 2020), where equal distances look equal. Hue and chroma weigh more than
lightness, and a vivid colour costs extra where it stands for a grey, so that greys stay grey.
"""

from __future__ import annotations

from functools import cache, lru_cache
from math import dist, hypot
from typing import Literal

PaletteDepth = Literal["256", "16"]
Rgb = tuple[int, int, int]
Lab = tuple[float, float, float]

HUE_COST = 3.0
"""How much more hue and chroma weigh than lightness: a green background is worse than one that is a little too light."""
VIVID_COST = 4.0
"""How much more chroma weighs in a colour that stands for a grey."""
GREY = 0.05
"""Chroma below which a colour counts as grey."""
_ANOTHER_KIND = 100.0  # more than any other cost
_PALE = 0.08  # chroma below which a background becomes grey in 16 colours
_LIGHT_GREYS = (7, 8, 15)
_BLACK_GROUND = 0.45  # lightness below which a grey background becomes black: the next grey is too light
_LEGIBLE = 3.0  # contrast from which a text is legible

# The defaults of xterm. In a terminal with a theme of its own the hues are only roughly right.
_SYSTEM: list[Rgb] = [
    *[(0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)],
    *[(127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255)],
    (255, 255, 255),
]
_LEVELS = (0, 95, 135, 175, 215, 255)
FIRST_FIXED = 16
"""The colours from this number on are the same in every terminal; users can change those before it."""


@cache
def xterm_colors() -> tuple[Rgb, ...]:
    """Return the RGB of each number, 0 … 255."""
    cube = [(red, green, blue) for red in _LEVELS for green in _LEVELS for blue in _LEVELS]
    return (*_SYSTEM, *cube, *((grey, grey, grey) for grey in range(8, 248, 10)))


def palette_numbers(depth: PaletteDepth) -> range:
    """Return the numbers that are used; with 256 colours only the fixed ones."""
    return range(FIRST_FIXED, 256) if depth == "256" else range(FIRST_FIXED)


LIGHT_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
"""Matrix from amounts of red, green and blue light; its result is raised to the power of 1/3."""
CONES_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def oklab(rgb: Rgb) -> Lab:
    """Return lightness 0 … 1 and the green-red and blue-yellow coordinates of a colour in 0 … 255."""
    red, green, blue = (_linear(channel / 255) for channel in rgb)
    long, middle, short = ((r * red + g * green + b * blue) ** (1 / 3) for r, g, b in LIGHT_TO_CONES)
    lightness, green_red, blue_yellow = (l * long + m * middle + s * short for l, m, s in CONES_TO_LAB)  # noqa: E741
    return (lightness, green_red, blue_yellow)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def chroma(lab: Lab) -> float:
    """Return how far a colour is from grey; about 0.3 for the purest colours."""
    return hypot(lab[1], lab[2])


@cache
def _choices(depth: PaletteDepth) -> tuple[tuple[int, Lab], ...]:
    return tuple((number, oklab(xterm_colors()[number])) for number in palette_numbers(depth))


@lru_cache(maxsize=4096)
def nearest_number(rgb: Rgb, depth: PaletteDepth) -> int:
    """Return the number of the nearest colour. With 16 colours it has the same hue, or is a grey for a grey."""
    lab = oklab(rgb)
    color_cost = _cost_of_16 if depth == "16" else _cost_of_256
    return min(_choices(depth), key=lambda palette_choice: color_cost(lab, palette_choice[1]))[0]


def _cost_of_256(lab: Lab, choice: Lab) -> float:
    extra_chroma = max(chroma(choice) - chroma(lab), 0) if chroma(lab) < GREY else 0
    hue_distance = dist(lab[1:], choice[1:])
    return (lab[0] - choice[0]) ** 2 + HUE_COST * hue_distance**2 + VIVID_COST * extra_chroma**2


def _cost_of_16(lab: Lab, choice: Lab) -> float:
    lightness_cost = (lab[0] - choice[0]) ** 2
    if (chroma(lab) < GREY) != (chroma(choice) < GREY):
        return lightness_cost + _ANOTHER_KIND
    if chroma(lab) < GREY:
        return lightness_cost
    hue_cosine = (lab[1] * choice[1] + lab[2] * choice[2]) / (chroma(lab) * chroma(choice))
    return lightness_cost + 0.5 * (1 - hue_cosine)


def nearest_ground(rgb: Rgb, depth: PaletteDepth) -> int:
    """Return the nearest number for a background. With 16 colours pale colours become grey, and dark greys black."""
    lab = oklab(rgb)
    if depth == "256" or chroma(lab) >= _PALE:
        return nearest_number(rgb, depth)
    if lab[0] < _BLACK_GROUND:
        return 0
    return min(_LIGHT_GREYS, key=lambda number: abs(oklab(xterm_colors()[number])[0] - lab[0]))


def legible_number(rgb: Rgb, ground_number: int) -> int:
    """Return the nearest of 16 colours for a text; black or white if it would not be legible on its background."""
    color_number = nearest_number(rgb, "16")
    if _contrast(color_number, ground_number) >= _LEGIBLE:
        return color_number
    return max((0, 15), key=lambda pole: _contrast(pole, ground_number))


def _contrast(color_number: int, other_number: int) -> float:
    """Return the contrast ratio of two numbered colours after WCAG, 1 … 21."""
    dark, light = sorted(_luminance(xterm_colors()[number]) for number in (color_number, other_number))
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb: Rgb) -> float:
    red, green, blue = (_linear(channel / 255) for channel in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
