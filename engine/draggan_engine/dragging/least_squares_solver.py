"""The smallest change of latents that moves handles as far as their errors ask."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LinearObservations:
    """Quantities of N drags that depend linearly on a change of the coordinates, and how they should change.

    Attributes:
        jacobian: `[N, R, K]`.
        errors: the change that is asked for, `[N, R]`.
    """

    jacobian: Tensor
    errors: Tensor

    def select(self, kept: Tensor) -> LinearObservations:
        """Return the quantities of the drags that `kept`, bool `[N]`, selects."""
        return LinearObservations(self.jacobian[kept], self.errors[kept])

    def joined_with(self, other: LinearObservations) -> LinearObservations:
        """Return these quantities followed by others."""
        return LinearObservations(
            torch.cat([self.jacobian, other.jacobian], dim=1), torch.cat([self.errors, other.errors], dim=1)
        )


def damped_change(
    observations: LinearObservations, coordinates: Tensor, damping: Tensor, prior_variance: Tensor
) -> Tensor:
    """Return the change δ of the coordinates that minimises |J δ − e|² + μ |δ|² + σ² |z + δ|², `[N, K]`.

    The last term is that of a maximum a posteriori estimate: the coordinates z have a standard normal distribution around
    the start, and the errors are known with variance σ². The system that is solved has a row for each observation:
    δ = Jᵀ (J Jᵀ + c I)⁻¹ (e + σ²/c J z) − σ²/c z, with c = μ + σ².

    Args:
        coordinates: z, `[N, K]`.
        damping: μ > 0, `[N]`.
        prior_variance: σ², `[N]`.
    """
    jacobian, errors = observations.jacobian, observations.errors
    total = damping + prior_variance
    prior_share = (prior_variance / total)[:, None]
    observed_coordinates = (jacobian @ coordinates[..., None])[..., 0]
    gram = jacobian @ jacobian.transpose(1, 2) + torch.diag_embed(total[:, None].expand_as(errors))
    multipliers = torch.linalg.solve(gram, errors + prior_share * observed_coordinates)
    change: Tensor = (multipliers[:, None] @ jacobian)[:, 0] - prior_share * coordinates
    return change
