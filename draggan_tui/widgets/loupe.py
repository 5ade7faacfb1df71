"""The surroundings of the selected handle, enlarged."""

from __future__ import annotations

from draggan_tui.config.themes import CanvasColors
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.loupe import CloseUp, loupe
from draggan_tui.terminal.xterm_palette import Rgb

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
            self.forget()

    def compose_cells(self, colors: CanvasColors, ink: Rgb, paper: Rgb) -> Cells | None:
        if self._close_up is None:
            return None
        return loupe(self._close_up, *self.size, self.depth, colors, ink=ink, paper=paper)
