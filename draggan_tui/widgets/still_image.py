"""An image that nobody edits: composed when it is painted, in the canvas's colours and as many of them."""

from __future__ import annotations

from draggan_tui.config.themes import CanvasColors
from draggan_tui.rendering.cells import Cells
from draggan_tui.terminal.xterm_palette import Rgb

from .cell_widget import CellWidget


class StillImage(CellWidget):
    """Base of those that show one image after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._cells: Cells | None = None

    def compose_cells(self, colors: CanvasColors, ink: Rgb, paper: Rgb) -> Cells | None:
        """As many cells as the widget has; none: there is no image."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.forget())

    def watch_depth(self) -> None:
        self.forget()

    def on_resize(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Another image is to be shown, or in other colours."""
        self._cells = None
        self.refresh()

    def cells(self) -> Cells | None:
        if self._cells is None and self.size.area:
            paper, ink = self.colors[2:]
            colors = CanvasColors.from_variables(self.app.theme_variables)
            self._cells = self.compose_cells(colors, ink.rgb, paper.rgb)
            self.strips = [None] * (0 if self._cells is None else self._cells.rows)
        return self._cells
