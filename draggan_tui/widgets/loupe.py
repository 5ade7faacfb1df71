"""The surroundings of the selected handle, enlarged."""

from __future__ import annotations

from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.loupe import CloseUp, loupe
from draggan_tui.rendering.overlay import CanvasStyle

from .still_image import StillImage


class Loupe(StillImage):
    """Shows one close-up after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._close_up: CloseUp | None = None

    def show(self, close_up: CloseUp) -> None:
        """Show a close-up; draw again only if it looks different."""
        if self._close_up is None or not self._close_up.shows_same(close_up):
            self._close_up = close_up
            self.forget_cells()

    def compose_cells(self, style: CanvasStyle) -> Cells | None:
        return None if self._close_up is None else loupe(self._close_up, *self.size, style)
