"""The whole image that the present one is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_tui.config.themes import CanvasColors
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.overlay import Overlay, compose
from draggan_tui.rendering.view_sampling import sample_view
from draggan_tui.terminal.xterm_palette import Rgb

from .still_image import StillImage


class BeforeImage(StillImage):
    """Shows the last image that it was given, as large as it fits, in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self._rgb: NDArray[np.uint8] | None = None
        self._image = Size(1, 1)

    def show(self, rgb: NDArray[np.uint8], image: Size) -> None:
        """
        Args:
            rgb: `uint8 [H, W, 3]`, the whole image at any size, not to be changed afterwards.
            image: its full size.
        """
        if rgb is not self._rgb:
            self._rgb, self._image = rgb, image
            self.forget()

    def compose_cells(self, colors: CanvasColors, ink: Rgb, paper: Rgb) -> Cells | None:
        if self._rgb is None:
            return None
        columns, rows = self.size
        view = Viewport(self._image, Size(columns, 2 * rows))
        cells = Cells.blank(rows, columns, ink, paper)
        left, top = view.corner
        image = compose(sample_view(self._rgb, view), Overlay(), self.depth, colors, ink=ink, paper=paper)
        cells.paste(image, top // 2, left)
        return cells
