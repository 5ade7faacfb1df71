"""A widget that shows a block of cells, quicker than Textual's own way."""

from __future__ import annotations

from typing import cast

from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from draggan_tui.rendering.cell_strip import CellStrip
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.halfblocks import encode_rows


class CellWidget(Widget):
    """Base of those whose `cells` fill it."""

    ALLOW_SELECT = False

    depth: reactive[ColorDepth] = reactive[ColorDepth]("truecolor", repaint=False)
    """How many colours the terminal takes."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.strips: list[CellStrip | None] = []  # one a row of the cells; none: not made since it changed

    def cells(self) -> Cells | None:
        """What is to be seen, `strips` as many as its rows; none: what `render` gives."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        strips = self._content_strips(range(y, y + 1))
        return strips[0] if strips else super().render_line(y)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Past Textual's line cache, which would take every strip apart; with a box or effects of its own, through it."""
        styles = self.styles
        boxed = self.gutter or styles.outline or styles.has_rule("hatch")
        plain = not boxed and styles.tint.a == 0 and self.opacity == styles.text_opacity == 1
        strips = self._content_strips(crop.line_range) if plain else None
        if strips is None:
            return super().render_lines(crop)
        background = self.background_colors[1]
        for filter in self.get_line_filters():
            strips = [strip.apply_filter(filter, background) for strip in strips]
        return [strip.crop(*crop.column_span) for strip in strips]

    def _content_strips(self, rows: range) -> list[Strip] | None:
        """Those rows, made where they are not; None where there are no cells."""
        cells, depth = self.cells(), self.depth
        if cells is None or rows.stop > cells.rows:
            return None
        missing = [row for row in rows if self.strips[row] is None]
        if missing:
            lines = [None] * len(missing) if depth == "none" else encode_rows(cells.take(missing), depth)
            for row, line in zip(missing, lines, strict=True):
                self.strips[row] = CellStrip(cells.take(slice(row, row + 1)), depth, line)
        return cast("list[Strip]", self.strips[rows.start : rows.stop])
