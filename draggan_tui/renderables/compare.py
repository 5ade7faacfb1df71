"""Two pictures in one: before and after."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Comparison = Literal["after", "before", "split", "difference"]

GAIN = 3  # of the difference: what is seen at a glance is a change of a few levels


def compared(
    before: NDArray[np.uint8], after: NDArray[np.uint8], shows: Comparison, at: float = 0.5, cell: int = 1
) -> NDArray[np.uint8]:
    """What is shown of two pictures.

    Args:
        before, after: `uint8 [H, W, 3]`; `before` is brought to the size of `after`.
        shows: which of the two, or what of both.
        at: where the two meet in the split view, 0 … 1 from the left: `before` is on the left.
        cell: how many pixels of `after` are one on the screen; so wide is the line where they meet.

    Returns:
        `uint8 [H, W, 3]`. The difference is |after − before| times `GAIN`, black where nothing has changed.
    """
    if shows == "after":
        return after
    height, width, _ = after.shape
    if before.shape != after.shape:
        before = np.asarray(Image.fromarray(before).resize((width, height), Image.Resampling.BOX))
    if shows == "before":
        return before
    if shows == "difference":
        change = np.abs(after.astype(np.int16) - before)
        return np.asarray(np.minimum(change * GAIN, 255).astype(np.uint8))
    joined = after.copy()
    edge = min(max(round(at * width), 0), width)
    joined[:, :edge] = before[:, :edge]
    if 0 < edge < width:
        dashes = np.where(np.arange(height) // cell % 2, 0, 255)
        joined[:, edge : edge + cell] = dashes[:, None, None]
    return joined
