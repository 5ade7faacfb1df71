"""Before and after: two images shown as one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_tui.editor.state import Comparison
from draggan_tui.editor.viewport import Viewport

from .view_sampling import HALF_CELLS, sample_view

DIFFERENCE_GAIN = 3
"""How much a difference is amplified, so that a change of a few levels is visible."""


@dataclass(frozen=True, eq=False)
class ComparedImages:
    """Two images, and how they are compared.

    Attributes:
        before, after: `uint8 [H, W, 3]`, both at full resolution.
        comparison: which of the two is shown, or how both are.
        split: where the two meet in the split view, 0 … 1 from the left edge of the image.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    comparison: Comparison
    split: float

    def sampled(self, view: Viewport, parts: Size = HALF_CELLS) -> NDArray[np.uint8]:
        """Return what a viewport shows: `uint8 [H, W, 3]`, see `sample_view`."""
        split_column = (round(self.split * view.grid.width) - view.window.left) * parts.width
        before, after = (sample_view(image, view, parts) for image in (self.before, self.after))
        return join_images(before, after, self.comparison, split_column)


def join_images(
    before: NDArray[np.uint8], after: NDArray[np.uint8], comparison: Comparison, split_column: int = 0
) -> NDArray[np.uint8]:
    """Return one image that compares two.

    Args:
        before, after: `uint8 [H, W, 3]`, in screen pixels.
        comparison: which of the two is shown, or how both are.
        split_column: the first column of the split view that shows `after`.

    Returns:
        `uint8 [H, W, 3]`. The difference is |after − before| times `DIFFERENCE_GAIN`: black where nothing has changed.
    """
    if comparison == "after":
        return after
    if comparison == "before":
        return before
    if comparison == "difference":
        absolute_change = np.abs(after.astype(np.int16) - before)
        return np.asarray(np.minimum(absolute_change * DIFFERENCE_GAIN, 255).astype(np.uint8))
    height, width, _ = after.shape
    joined_image = after.copy()
    joined_image[:, : max(split_column, 0)] = before[:, : max(split_column, 0)]
    if 0 < split_column < width:
        joined_image[:, split_column] = np.where(np.arange(height) % 2, 0, 255)[:, None]
    return joined_image
