"""How far a linear model of the drag is trusted: a limit on the length of its steps, and their damping."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

GOOD_AGREEMENT, BAD_AGREEMENT = 0.6, 0.2
FIRST_REACH, MAX_REACH, MIN_REACH = 1.5, 2.5, 0.1  # pixels of the feature map
FIRST_DAMPING, MIN_DAMPING, MAX_DAMPING = 0.1, 1e-3, 1e3


@dataclass
class TrustRegion:
    """The trust in the linear models of N drags.

    Attributes:
        reach: how far a step tries to move a handle, at most, `[N]` in image pixels.
        damping: μ of damped least squares, relative to the mean square of a row of the Jacobian, `[N]`.
        spacing: image pixels between neighbouring pixels of the feature map.
    """

    reach: Tensor
    damping: Tensor
    spacing: float

    @classmethod
    def of_start(cls, like: Tensor, spacing: float) -> TrustRegion:
        """Return the trust at the start of drags, one for each item of `like` `[N]`."""
        return cls(torch.full_like(like, FIRST_REACH * spacing), torch.full_like(like, FIRST_DAMPING), spacing)

    def update(self, agreement: Tensor, is_undone: Tensor) -> None:
        """Trust the model more or less after a step.

        Args:
            agreement: of the handles' motion with its prediction, `[N]`; 1 = they are equal.
            is_undone: whether the step has been undone, bool `[N]`.
        """
        is_good, is_bad = agreement > GOOD_AGREEMENT, agreement < BAD_AGREEMENT
        damping_factor = torch.where(is_undone, 4.0, torch.where(is_good, 0.5, torch.where(is_bad, 3.0, 1.0)))
        reach_factor = torch.where(is_undone, 0.5, torch.where(is_good, 1.5, torch.where(is_bad, 1 / 1.5, 1.0)))
        self.damping = (self.damping * damping_factor).clamp(MIN_DAMPING, MAX_DAMPING)
        self.reach = (self.reach * reach_factor).clamp(MIN_REACH * self.spacing, MAX_REACH * self.spacing)

    def restart(self, is_restarted: Tensor) -> None:
        """Trust the model of some drags, bool `[N]`, as at the start."""
        self.reach = torch.where(is_restarted, FIRST_REACH * self.spacing, self.reach)
        self.damping = torch.where(is_restarted, FIRST_DAMPING, self.damping)

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""
        self.reach, self.damping = self.reach[kept], self.damping[kept]
