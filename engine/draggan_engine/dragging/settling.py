"""When the handles of drags have stopped coming nearer to their targets."""

from __future__ import annotations

import torch
from torch import Tensor

MIN_DECREASE = 0.1
"""Smaller decreases of the mean distance do not count, px."""


class Settling:
    """Watches the mean distances of N drags: one has settled when its distance has not decreased for some steps.

    Args:
        drag_count: N.
    """

    def __init__(self, drag_count: int) -> None:
        self._least_means = torch.full((drag_count,), torch.inf)
        self._steps_of_decrease = torch.zeros(drag_count, dtype=torch.long)

    def observe(self, step: int, mean_distances: Tensor, settles_after: int) -> Tensor:
        """Take in the mean distances after a step, and return which drags have settled, bool `[N]`.

        Args:
            step: its number; 0 for the start of the drags. The same step may be observed again.
            mean_distances: from handle to target, averaged over the pairs of each drag, `[N]` in image pixels on the CPU.
            settles_after: how many steps without a decrease of at least `MIN_DECREASE` settle a drag.
        """
        has_decreased = mean_distances < self._least_means - MIN_DECREASE
        self._least_means = torch.where(has_decreased, mean_distances, self._least_means)
        self._steps_of_decrease = torch.where(has_decreased, step, self._steps_of_decrease)
        return step - self._steps_of_decrease >= settles_after

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""
        self._least_means, self._steps_of_decrease = self._least_means[kept], self._steps_of_decrease[kept]
