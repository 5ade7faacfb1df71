"""Two images in one: before and after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from draggan_tui.editor.state import Comparison
from draggan_tui.editor.viewport import Viewport

from .view_sampling import sample_view

DIFFERENCE_GAIN = 3  # of the difference: what is seen at a glance is a change of a few levels


@dataclass(frozen=True, eq=False)
class ComparedImages:
    """Two images that are compared as the screen shows them.

    Attributes:
        before, after: `uint8 [H, W, 3]`, both at full resolution.
        shows: which of the two, or what of both.
        split: where the two meet in the split view, 0 … 1 from the left edge of the image.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    shows: Comparison
    split: float

    def sampled(self, view: Viewport) -> NDArray[np.uint8]:
        """Return `uint8 [H, W, 3]` of the window's size."""
        column = round(self.split * view.grid.width) - view.window.left
        return join_images(sample_view(self.before, view), sample_view(self.after, view), self.shows, column)


def join_images(
    before: NDArray[np.uint8], after: NDArray[np.uint8], shows: Comparison, column: int = 0
) -> NDArray[np.uint8]:
    """Return what is shown of two images.

    Args:
        before, after: `uint8 [H, W, 3]`, in screen pixels.
        shows: which of the two, or what of both.
        column: the first one in the split view that does not show `before`: there the two meet.

    Returns:
        `uint8 [H, W, 3]`. The difference is |after − before| times `GAIN`, black where nothing has changed.
    """
    if shows == "after":
        return after
    if shows == "before":
        return before
    if shows == "difference":
        change = np.abs(after.astype(np.int16) - before)
        return np.asarray(np.minimum(change * DIFFERENCE_GAIN, 255).astype(np.uint8))
    height, width, _ = after.shape
    joined = after.copy()
    joined[:, : max(column, 0)] = before[:, : max(column, 0)]
    if 0 < column < width:
        joined[:, column] = np.where(np.arange(height) % 2, 0, 255)[:, None]
    return joined
