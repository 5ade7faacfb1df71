"""The image that the present one is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.overlay import CanvasStyle, Overlay, compose_view
from draggan_tui.rendering.view_sampling import sample_view

from .still_image import StillImage


class BeforeImage(StillImage):
    """Shows a whole image as large as it fits, in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self._shown_image: NDArray[np.uint8] | None = None
        self._full_size = Size(1, 1)

    def show(self, image: NDArray[np.uint8], full_size: Size) -> None:
        """Show an image.

        Args:
            image: `uint8 [H, W, 3]`, the whole image at any size; not to be changed afterwards.
            full_size: size of the full-resolution image.
        """
        if image is not self._shown_image:
            self._shown_image, self._full_size = image, full_size
            self.forget_cells()

    def compose_cells(self, style: CanvasStyle) -> Cells | None:
        if self._shown_image is None:
            return None
        columns, rows = self.size
        whole_view = Viewport(self._full_size, Size(columns, 2 * rows))
        return compose_view(sample_view(self._shown_image, whole_view, style.parts), whole_view, Overlay(), style)
