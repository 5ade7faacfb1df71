"""Adam (Kingma and Ba 2015) on the latents of several drags at once."""

from __future__ import annotations

import torch
from torch import Tensor

BETA1, BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8
"""Decay rates of the two moments, and the number that keeps the divisor above 0: the published values."""


class Adam:
    """Adam for N independent variables, with all state on their device, so that a CUDA graph can hold its step.

    Args:
        variable: `[N, ...]`; the state has its shape, number type and device.
        step_size: the learning rate.

    Attributes:
        first_moment, second_moment: running means of the gradient and of its square, `[N, ...]`.
        step_count: float64 `[]`.
    """

    def __init__(self, variable: Tensor, step_size: float) -> None:
        self.step_size = step_size
        self.first_moment, self.second_moment = torch.zeros_like(variable), torch.zeros_like(variable)
        count_device = variable.device if variable.device.type != "mps" else "cpu"  # MPS has no float64
        self.step_count = torch.zeros((), dtype=torch.float64, device=count_device)

    @property
    def state(self) -> tuple[Tensor, Tensor, Tensor]:
        """The tensors that `descend` changes in place, besides the variable."""
        return self.first_moment, self.second_moment, self.step_count

    @torch.no_grad()
    def descend(self, variable: Tensor, gradient: Tensor) -> None:
        """Move the variable one step against its gradient, in place."""
        self.step_count += 1
        self.first_moment.lerp_(gradient, 1 - BETA1)
        self.second_moment.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        divisor = self.second_moment.sqrt().div_((1 - BETA2**self.step_count).sqrt()).add_(ADAM_EPSILON)
        divisor.mul_(1 - BETA1**self.step_count)
        variable.addcdiv_(self.first_moment, divisor, value=-self.step_size)

    def select(self, kept: Tensor) -> None:
        """Continue with the variables that `kept`, bool `[N]`, selects."""
        self.first_moment, self.second_moment = self.first_moment[kept], self.second_moment[kept]
