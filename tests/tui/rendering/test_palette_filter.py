"""The colours of widgets in terminals with 256 or 16 colours."""

from __future__ import annotations

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from draggan_tui.rendering.palette_filter import PaletteFilter
from draggan_tui.terminal.xterm_palette import PaletteDepth, legible_number, nearest_number, oklab, xterm_colors


def shown(style: str, depth: PaletteDepth) -> str:
    """Return a style as the filter changes it."""
    (segment,) = PaletteFilter(depth).apply([Segment("x", Style.parse(style))], Color(0, 0, 0))
    return str(segment.style)


@pytest.mark.parametrize(
    ("style", "in_256", "in_16"),
    [
        # Dark greys with a tinge, which Rich makes navy.
        ("#dfe2ea on #232631", "color(254) on color(235)", "color(7) on color(0)"),
        ("#f07ad2 on #191b22", "color(212) on color(234)", "color(13) on color(0)"),
        ("#7aa7f0 on #121318", "color(111) on color(233)", "color(12) on color(0)"),
        # A cream ground, which Rich makes yellow or pink.
        ("#2b2a24 on #f3ead3", "color(235) on color(255)", "color(0) on color(7)"),
        # What Textual blends of two creams: it does not turn into mint.
        ("#000000 on #e7e7bf", "color(16) on color(187)", "color(0) on color(7)"),
        ("#000000 on #efefc7", "color(16) on color(230)", "color(0) on color(7)"),
        # Green would not be read on white: it gives way.
        ("#00cd00 on #ffffff", "color(40) on color(231)", "color(0) on color(15)"),
        ("bold #ff0000", "bold color(196)", "bold color(9)"),
        ("bold", "bold", "bold"),
        ("default on #ff0000", "default on color(196)", "default on color(9)"),
    ],
)
def test_rgb_colours_become_numbered(style: str, in_256: str, in_16: str) -> None:
    assert (shown(style, "256"), shown(style, "16")) == (in_256, in_16)


def test_segments_without_a_style_are_kept() -> None:
    assert PaletteFilter("256").apply([Segment("x")], Color(0, 0, 0)) == [Segment("x")]


@pytest.mark.parametrize("depth", ["256", "16"])
def test_a_colour_of_the_palette_is_replaced_by_itself(depth: PaletteDepth) -> None:
    colors = xterm_colors()
    for number in range(16, 256) if depth == "256" else range(16):
        assert colors[nearest_number(colors[number], depth)] == colors[number]


def test_every_text_is_legible_in_16_colours() -> None:
    steps = range(0, 256, 51)
    for ink in ((red, green, blue) for red in steps for green in steps for blue in steps):
        for ground in range(16):
            light, below = (oklab(xterm_colors()[number])[0] for number in (legible_number(ink, ground), ground))
            assert abs(light - below) > 0.25
