"""One row of cells as a Textual strip.

Textual's own strip is a list of Segments, one for each change of style. On a photograph that is one for each cell, which
takes hundreds of milliseconds a frame. This strip keeps the arrays and the terminal's bytes, which are made for a whole
frame at once. Segments are made only for what needs them: an SVG export, a translucent screen above, a line filter.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as TextualColor
from textual.filter import ANSIToTruecolor, DimFilter, LineFilter
from textual.strip import Strip

from draggan_tui.rendering.ansi_encoding import encode_rows
from draggan_tui.rendering.cells import BOLD, REVERSE, UNDERLINE, Cells
from draggan_tui.rendering.dithering import ColorDepth, nearest_numbers
from draggan_tui.rendering.palette_filter import PaletteFilter
from draggan_tui.terminal.textual_internals import LazyStrip


class CellStrip(LazyStrip):
    """A strip of one row of cells.

    In a terminal without colours it is rendered from its Segments, of which there are few, because they keep ink and
    paper for Textual's filters.
    """

    __slots__ = ("cells", "depth")

    def __init__(self, cells: Cells, depth: ColorDepth, ansi: str | None = None) -> None:
        """
        Args:
            cells: one row.
            ansi: what `encode_rows` made of the row, if that is known.
        """
        self.cells = cells
        self.depth = depth
        super().__init__(cells.columns, ansi)

    def make_segments(self) -> list[Segment]:
        return segments(self.cells, self.depth)

    def make_ansi(self) -> str | None:
        return None if self.depth == "none" else encode_rows(self.cells, self.depth)[0]

    def __bool__(self) -> bool:
        return self.cells.columns > 0

    def crop(self, start: int, end: int | None = None) -> Strip:
        start = max(0, start)
        end = self.cells.columns if end is None else min(end, self.cells.columns)
        if (start, end) == (0, self.cells.columns):
            return self
        return CellStrip(self.cells.take(columns=slice(start, max(start, end))), self.depth)

    def divide(self, cuts: Iterable[int]) -> list[Strip]:
        ends = [cut for cut in cuts if cut <= self.cells.columns]
        return [self.crop(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def apply_filter(self, filter: LineFilter, background: TextualColor) -> Strip:
        # These filters would change nothing: no cell is dim, and colours are either RGB or meant to be numbered.
        if isinstance(filter, ANSIToTruecolor | DimFilter | PaletteFilter):
            return self
        return super().apply_filter(filter, background)


def segments(cells: Cells, depth: ColorDepth) -> list[Segment]:
    """Return the first row of cells as Segments, one for each run of the same style."""
    columns = cells.columns
    styles = np.concatenate([cells.fg[0], cells.bg[0], cells.style[0, :, None]], axis=1)
    starts = [0, *(np.flatnonzero((styles[1:] != styles[:-1]).any(axis=1)) + 1).tolist()] if columns else []
    numbers = (
        [nearest_numbers(rgb[0], depth).tolist() for rgb in (cells.fg, cells.bg)] if depth in ("256", "16") else None
    )
    text = cells.char[0].astype("<u4").tobytes().decode("utf-32-le")
    row_segments = []
    for start, end in zip(starts, [*starts[1:], columns], strict=False):
        if numbers is not None:
            fg, bg = (Color.from_ansi(row[start]) for row in numbers)
        else:
            fg, bg = (Color.from_rgb(*rgb[0, start].tolist()) for rgb in (cells.fg, cells.bg))
        row_segments.append(Segment(text[start:end], _style(fg, bg, int(cells.style[0, start]))))
    return row_segments


@lru_cache(maxsize=4096)
def _style(fg: Color, bg: Color, style: int) -> Style:
    return Style(
        color=fg,
        bgcolor=bg,
        bold=bool(style & BOLD) or None,
        underline=bool(style & UNDERLINE) or None,
        reverse=bool(style & REVERSE) or None,
    )
