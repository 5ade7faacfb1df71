"""The region round a point, enlarged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Point, Size
from draggan_tui.config.themes import CanvasColors, Rgb
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.loupe import loupe

from .still_image import StillImage


class Loupe(StillImage):
    """Shows the last region that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[NDArray[np.uint8], Size, Point] | None = None

    def show(self, rgb: NDArray[np.uint8], picture: Size, point: Point) -> None:
        """
        Args:
            rgb: `uint8 [H, W, 3]`, the whole image at any size, not to be changed afterwards.
            picture: its full size.
            point: in its pixels.
        """
        shown = self._shown
        if shown is None or shown[0] is not rgb or shown[1:] != (picture, point):
            self._shown = (rgb, picture, point)
            self.forget()

    def compose_cells(self, colors: CanvasColors, ink: Rgb, paper: Rgb) -> Cells | None:
        if self._shown is None:
            return None
        return loupe(*self._shown, *self.size, self.depth, colors, ink=ink, paper=paper)
