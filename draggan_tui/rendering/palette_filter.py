"""The colours of widgets in terminals that have 256 or 16 colours.

Rich would take the nearest colours in RGB, which turns dark greys into navy and a cream background into pink. Textual
blends a theme's colours, so every colour has to be replaced, not only those of the theme.
"""

from __future__ import annotations

from functools import cache, lru_cache

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as TextualColor
from textual.filter import LineFilter

from draggan_tui.terminal.xterm_palette import PaletteDepth, Rgb, legible_number, nearest_ground, nearest_number


class PaletteFilter(LineFilter):
    """Replaces RGB colours by numbered ones. Textual caches the output of a filter, so each depth has its own."""

    def __init__(self, depth: PaletteDepth) -> None:
        super().__init__()
        self.depth = depth

    def apply(self, segments: list[Segment], background: TextualColor) -> list[Segment]:  # noqa: ARG002 (Textual's)
        return [
            Segment(text, None if style is None else _numbered_style(style, self.depth), None)
            for text, style, _ in segments
        ]


@cache
def palette_filter(depth: PaletteDepth) -> PaletteFilter:
    """Return the filter of a depth, which is always the same object."""
    return PaletteFilter(depth)


@lru_cache(maxsize=4096)
def _numbered_style(style: Style, depth: PaletteDepth) -> Style:
    ground_color = _rgb(style.bgcolor)
    ground_number = None if ground_color is None else nearest_ground(ground_color, depth)
    ink_color = _rgb(style.color)
    if ink_color is None:
        ink_number = None
    elif depth == "256" or ground_number is None:
        ink_number = nearest_number(ink_color, depth)
    else:
        ink_number = legible_number(ink_color, ground_number)
    color_numbers = (ink_number, ground_number)
    return style + Style.from_color(
        *(None if color_number is None else Color.from_ansi(color_number) for color_number in color_numbers)
    )


def _rgb(color: Color | None) -> Rgb | None:
    """Return the RGB of a colour, or None if it has none."""
    if color is None or color.triplet is None:
        return None
    red, green, blue = color.triplet
    return (red, green, blue)
