"""The region round a point, enlarged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draggan_engine.protocol.geometry import Point, Size
from draggan_tui.renderables.cells import Cells
from draggan_tui.renderables.loupe import loupe
from draggan_tui.themes import CanvasColors

from .cell_widget import CellWidget


class Loupe(CellWidget):
    """Shows what it is given last, in the canvas's colours and as many of them; composes when it is painted."""

    DEFAULT_CSS = "Loupe { width: 28; height: 8; }"

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[NDArray[np.uint8], Size, Point] | None = None
        self._cells: Cells | None = None

    def show(self, rgb: NDArray[np.uint8], picture: Size, point: Point) -> None:
        """
        Args:
            rgb: `uint8 [H, W, 3]`, the whole picture at any size, not to be changed afterwards.
            picture: its full size.
            point: in its pixels.
        """
        shown = self._shown
        if shown is None or shown[0] is not rgb or shown[1:] != (picture, point):
            self._shown = (rgb, picture, point)
            self._forget()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._forget())

    def watch_depth(self) -> None:
        self._forget()

    def on_resize(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._cells = None
        self.refresh()

    def cells(self) -> Cells | None:
        if self._cells is None and self._shown is not None:
            paper, ink = self.colors[2:]
            colors = CanvasColors.from_variables(self.app.theme_variables)
            self._cells = loupe(*self._shown, *self.size, self.depth, colors, ink=ink.rgb, paper=paper.rgb)
            self.strips = [None] * self._cells.rows
        return self._cells
