"""Base class of widgets that show an image without an overlay to edit."""

from __future__ import annotations

from draggan_tui.config.themes import CanvasColors
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.overlay import CanvasStyle

from .cell_widget import CellWidget


class StillImage(CellWidget):
    """Composes its cells when it is painted, and keeps them until `forget_cells`."""

    def __init__(self) -> None:
        super().__init__()
        self._cells: Cells | None = None

    def compose_cells(self, style: CanvasStyle) -> Cells | None:
        """Return as many cells as the widget has. None: there is no image."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.forget_cells())

    def watch_depth(self) -> None:
        self.forget_cells()

    def watch_shape(self) -> None:
        self.forget_cells()

    def on_resize(self) -> None:
        self.forget_cells()

    def forget_cells(self) -> None:
        """Compose the cells again: the image, the colours or the size have changed."""
        self._cells = None
        self.refresh()

    def cells(self) -> Cells | None:
        if self._cells is None and self.size.area:
            canvas_colors = CanvasColors.from_variables(self.app.theme_variables)
            self._cells = self.compose_cells(self.canvas_style(canvas_colors))
            self.strips = [None] * (0 if self._cells is None else self._cells.rows)
        return self._cells
