"""One row of cells as a Textual strip.

Textual's own strip is a list of Segments, one for each change of style. On a photograph that is one for each cell, which
takes hundreds of milliseconds a frame. This strip keeps the arrays, of which `ScreenImage` makes the terminal's bytes for
a whole frame at once. Segments are made only for what needs them: an SVG export, a translucent screen above, a line filter.
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
from draggan_tui.rendering.cells import BOLD, REVERSE, UNDERLINE, VISIBLE_STYLES, Cells
from draggan_tui.rendering.dithering import ColorDepth, nearest_numbers
from draggan_tui.rendering.palette_filter import PaletteFilter
from draggan_tui.terminal.textual_internals import LazyStrip


class CellStrip(LazyStrip):
    """A strip of one row of cells.

    In a terminal without colours it is rendered from its Segments, of which there are few, because they keep ink and
    paper for Textual's filters.
    """

    __slots__ = ("cells", "depth")

    def __init__(self, cells: Cells, depth: ColorDepth) -> None:
        """
        Args:
            cells: one row.
        """
        self.cells = cells
        self.depth = depth
        super().__init__(cells.columns)

    @property
    def is_image(self) -> bool:
        return self.depth != "none"

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
        strip_ends = [cut_column for cut_column in cuts if cut_column <= self.cells.columns]
        return [self.crop(start, end) for start, end in zip([0, *strip_ends], strip_ends, strict=False)]

    def apply_filter(self, filter: LineFilter, background: TextualColor) -> Strip:
        # These filters would change nothing: no cell is dim, and colours are either RGB or meant to be numbered.
        if isinstance(filter, ANSIToTruecolor | DimFilter | PaletteFilter):
            return self
        return super().apply_filter(filter, background)


def segments(cells: Cells, depth: ColorDepth) -> list[Segment]:
    """Return the first row of cells as Segments, one for each run of the same style."""
    column_count = cells.columns
    visible_style = cells.style[0] & VISIBLE_STYLES
    cell_styles = np.concatenate([cells.fg[0], cells.bg[0], visible_style[:, None]], axis=1)
    run_starts = (
        [0, *(np.flatnonzero((cell_styles[1:] != cell_styles[:-1]).any(axis=1)) + 1).tolist()] if column_count else []
    )
    palette_numbers = (
        [nearest_numbers(cell_rgb[0], depth).tolist() for cell_rgb in (cells.fg, cells.bg)]
        if depth in ("256", "16")
        else None
    )
    row_text = cells.char[0].astype("<u4").tobytes().decode("utf-32-le")
    row_segments = []
    for run_start, run_end in zip(run_starts, [*run_starts[1:], column_count], strict=False):
        if palette_numbers is not None:
            fg, bg = (Color.from_ansi(row_numbers[run_start]) for row_numbers in palette_numbers)
        else:
            fg, bg = (Color.from_rgb(*cell_rgb[0, run_start].tolist()) for cell_rgb in (cells.fg, cells.bg))
        row_segments.append(Segment(row_text[run_start:run_end], _style(fg, bg, int(visible_style[run_start]))))
    return row_segments


@lru_cache(maxsize=4096)
def _style(fg: Color, bg: Color, style_bits: int) -> Style:
    return Style(
        color=fg,
        bgcolor=bg,
        bold=bool(style_bits & BOLD) or None,
        underline=bool(style_bits & UNDERLINE) or None,
        reverse=bool(style_bits & REVERSE) or None,
    )
