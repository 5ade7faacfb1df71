"""Base class of widgets that show a block of cells, faster than Textual's own rendering."""

from __future__ import annotations

from typing import cast

from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from draggan_tui.config.themes import CanvasColors
from draggan_tui.rendering.cell_strip import CellStrip
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.overlay import CanvasStyle
from draggan_tui.terminal.cell_shape import CellShape


class CellWidget(Widget):
    """A widget that is filled by its `cells`."""

    ALLOW_SELECT = False

    depth: reactive[ColorDepth] = reactive[ColorDepth]("truecolor", repaint=False)
    """How many colours the terminal has."""
    shape: reactive[CellShape] = reactive[CellShape]("half", repaint=False)
    """How the cells of images are divided."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.strips: list[CellStrip | None] = []  # one for each row of cells; None: to be made again

    def cells(self) -> Cells | None:
        """Return the cells to be shown, with `strips` of as many rows. None: show what `render` returns."""
        raise NotImplementedError

    def canvas_style(self, colors: CanvasColors) -> CanvasStyle:
        """Return the terminal's depth and shape of cells, the given colours, and the ink and paper of this widget's CSS."""
        paper, ink = self.colors[2:]
        return CanvasStyle(self.depth, colors, ink.rgb, paper.rgb, self.shape)

    def render_line(self, y: int) -> Strip:
        row_strips = self._content_strips(range(y, y + 1))
        return row_strips[0] if row_strips else super().render_line(y)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return strips without using Textual's line cache, which would make segments of each.

        A widget with a border, padding, an outline or an effect of its own is rendered by Textual instead.
        """
        widget_styles = self.styles
        has_box = self.gutter or widget_styles.outline or widget_styles.has_rule("hatch")
        is_plain = not has_box and widget_styles.tint.a == 0 and self.opacity == widget_styles.text_opacity == 1
        row_strips = self._content_strips(crop.line_range) if is_plain else None
        if row_strips is None:
            return super().render_lines(crop)
        background_color = self.background_colors[1]
        for line_filter in self.get_line_filters():
            row_strips = [strip.apply_filter(line_filter, background_color) for strip in row_strips]
        return [strip.crop(*crop.column_span) for strip in row_strips]

    def _content_strips(self, row_range: range) -> list[Strip] | None:
        """Return the strips of some rows, and make those that are missing. None: there are no cells."""
        cells, depth = self.cells(), self.depth
        if cells is None or row_range.stop > cells.rows:
            return None
        for row in row_range:
            if self.strips[row] is None:
                self.strips[row] = CellStrip(cells.take(slice(row, row + 1)), depth)
        return cast("list[Strip]", self.strips[row_range.start : row_range.stop])
