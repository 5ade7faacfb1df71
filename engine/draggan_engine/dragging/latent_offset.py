"""The variable that a drag optimises: an offset on the first rows of its latent."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.profiler import record_function

from draggan_engine.core.edit import DragSettings

from .adam import Adam


class LatentOffset:
    """The offsets of N drags: one for each of the first rows in W+, a common one for all of them in W.

    Args:
        start_ws: the latents that the drags start from, `[N, num_ws, w_dim]`.
        settings: of the drags; the latent space, the number of layers and the step size are used.

    Attributes:
        start_ws: as given.
        optimized_rows: how many rows of ws, from the first, the offsets move.
        values: `[N, 1 or optimized_rows, w_dim]`, with a gradient. `descend` changes them in place.
        adam: moves the values.
    """

    def __init__(self, start_ws: Tensor, settings: DragSettings) -> None:
        self.start_ws = start_ws
        self.optimized_rows = min(settings.layers, start_ws.shape[1])
        moved_rows = start_ws[:, : 1 if settings.space == "w" else self.optimized_rows]
        self.values = torch.zeros_like(moved_rows).requires_grad_()
        self.adam = Adam(moved_rows, settings.step_size)

    @property
    def state(self) -> tuple[Tensor, ...]:
        """The tensors that `descend` changes in place."""
        return (self.values, *self.adam.state)

    def ws(self) -> Tensor:
        """Return the latents with their offsets, `[N, num_ws, w_dim]`, with their gradient."""
        moved_rows = self.start_ws[:, : self.optimized_rows] + self.values
        return torch.cat([moved_rows, self.start_ws[:, self.optimized_rows :]], dim=1)

    def is_finite(self) -> Tensor:
        """Return whether all values of each drag are finite, bool `[N]`."""
        return torch.isfinite(self.values).flatten(1).all(dim=1)

    def descend(self, loss: Tensor) -> Tensor:
        """Move the offsets one step of Adam down a loss `[N]`; return the values before the step."""
        with record_function("backward"):
            (gradient,) = torch.autograd.grad(loss.sum(), self.values)
        values_before = self.values.detach().clone()
        with record_function("optimiser"):
            self.adam.descend(self.values, gradient)
        return values_before

    @torch.no_grad()
    def restore(self, values_before: Tensor, has_diverged: Tensor) -> None:
        """Give the drags that `has_diverged`, bool `[N]`, selects the values that they had before a step."""
        self.values.copy_(torch.where(has_diverged[:, None, None], values_before, self.values))

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""
        self.start_ws = self.start_ws[kept]
        self.values = self.values.detach()[kept].requires_grad_()
        self.adam.select(kept)
