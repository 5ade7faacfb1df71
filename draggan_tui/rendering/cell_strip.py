"""One row of cells as a Textual strip.

Textual's own strip is a list of Segments, one for each change of style: on a photo one a cell, hundreds of
milliseconds a frame. This one keeps the arrays and gives the terminal's bytes, made for a whole frame at once. Real
Segments are made when something asks for them: SVG export, a translucent screen above, a line filter.

It leans on private parts of Textual 8.2: `Strip._segments`, `_render_cache` and `_cell_count`, and that the compositor
only divides, crops and renders what it paints.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as TextualColor
from textual.filter import ANSIToTruecolor, DimFilter, LineFilter
from textual.strip import Strip

from draggan_tui.rendering.cells import BOLD, REVERSE, UNDERLINE, Cells
from draggan_tui.rendering.dithering import ColorDepth, nearest_numbers
from draggan_tui.rendering.halfblocks import encode_rows
from draggan_tui.rendering.palette_filter import PaletteFilter


class CellStrip(Strip):
    """A strip of one row of cells.

    With "none" it renders by its Segments (there are few), which keep ink and paper: filters decide what is sent.
    """

    __slots__ = ("_cells", "_depth", "_made")

    def __init__(self, cells: Cells, depth: ColorDepth, ansi: str | None = None) -> None:
        """
        Args:
            cells: one row.
            ansi: what `encode` made of it, where that is known.
        """
        self._cells = cells
        self._depth = depth
        self._made: list[Segment] | None = None
        super().__init__((), cells.columns)
        self._cell_count = cells.columns
        self._render_cache = ansi

    @property
    def _segments(self) -> list[Segment]:
        if self._made is None:
            self._made = segments(self._cells, self._depth)
        return self._made

    @_segments.setter
    def _segments(self, value: list[Segment]) -> None:
        """The base's constructor sets none; they come later."""

    def __bool__(self) -> bool:
        return self._cells.columns > 0

    def render(self, console: Console) -> str:
        if self._render_cache is None and self._depth != "none":
            self._render_cache = encode_rows(self._cells, self._depth)[0]
        return super().render(console)

    def crop(self, start: int, end: int | None = None) -> Strip:
        start = max(0, start)
        end = self._cells.columns if end is None else min(end, self._cells.columns)
        if (start, end) == (0, self._cells.columns):
            return self
        return CellStrip(self._cells.take(columns=slice(start, max(start, end))), self._depth)

    def divide(self, cuts: Iterable[int]) -> list[Strip]:
        ends = [cut for cut in cuts if cut <= self._cells.columns]
        return [self.crop(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def apply_filter(self, filter: LineFilter, background: TextualColor) -> Strip:
        # These would change nothing: colours are no ANSI names (or are meant to be), nothing is dim.
        if isinstance(filter, ANSIToTruecolor | DimFilter | PaletteFilter):
            return self
        return super().apply_filter(filter, background)


def segments(cells: Cells, depth: ColorDepth) -> list[Segment]:
    """The first row of cells as Segments, one for each run of the same style."""
    columns = cells.columns
    look = np.concatenate([cells.fg[0], cells.bg[0], cells.style[0, :, None]], axis=1)
    starts = [0, *(np.flatnonzero((look[1:] != look[:-1]).any(axis=1)) + 1).tolist()] if columns else []
    numbers = (
        [nearest_numbers(rgb[0], depth).tolist() for rgb in (cells.fg, cells.bg)] if depth in ("256", "16") else None
    )
    text = cells.char[0].astype("<u4").tobytes().decode("utf-32-le")
    made = []
    for start, end in zip(starts, [*starts[1:], columns], strict=False):
        if numbers is not None:
            fg, bg = (Color.from_ansi(row[start]) for row in numbers)
        else:
            fg, bg = (Color.from_rgb(*rgb[0, start].tolist()) for rgb in (cells.fg, cells.bg))
        made.append(Segment(text[start:end], _style(fg, bg, int(cells.style[0, start]))))
    return made


@lru_cache(maxsize=4096)
def _style(fg: Color, bg: Color, style: int) -> Style:
    return Style(
        color=fg,
        bgcolor=bg,
        bold=bool(style & BOLD) or None,
        underline=bool(style & UNDERLINE) or None,
        reverse=bool(style & REVERSE) or None,
    )
