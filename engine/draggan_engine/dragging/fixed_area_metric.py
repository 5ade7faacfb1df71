"""How much a change of the latent changes the features where nothing may move: a mask for least squares."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

PROJECTIONS = 16
"""The change of the features is measured by this many random projections."""


@dataclass(frozen=True)
class FixedAreaMetric:
    """The weighted change of the features in the fixed areas of N drags, projected to a few random directions.

    With random signs r, E[(r·x)²] = |x|². So the mean square of the projections of a change is, on average, the mean square
    of the change itself (Johnson and Lindenstrauss 1984), relative to that of the features.

    Attributes:
        start_features: F_0, `[N, C, h, w]`.
        weights: of the features in the projections, `[N, 1, h, w]`.
        signs: int8 `[PROJECTIONS, C, h, w]`.
    """

    start_features: Tensor
    weights: Tensor
    signs: Tensor

    @classmethod
    def of(cls, start_features: Tensor, fixed_areas: Tensor) -> FixedAreaMetric:
        """Return the metric for features F_0 `[N, C, h, w]` and fixed areas 1 − M, float `[N, H, W]`."""
        areas = fixed_areas[:, None].to(start_features.dtype)
        weights = torch.nn.functional.interpolate(areas, size=start_features.shape[2:], mode="area")
        squared_size = (start_features.square() * weights).sum(dim=(1, 2, 3), keepdim=True)
        random = torch.Generator().manual_seed(0)
        signs = torch.randint(0, 2, (PROJECTIONS, *start_features.shape[1:]), generator=random, dtype=torch.int8)
        return cls(start_features, (weights / squared_size.clamp_min(1e-12)).sqrt(), (2 * signs - 1).to(weights.device))

    def projections(self, features: Tensor) -> Tensor:
        """Return the projections of the change of the features `[N, C, h, w]` since the start, `[N, PROJECTIONS]`."""
        change = (features - self.start_features) * self.weights
        projections: Tensor = torch.einsum("nchw,kchw->nk", change, self.signs.to(change)) / PROJECTIONS**0.5
        return projections

    def jacobian(self, features: Tensor, coordinates: Tensor) -> Tensor:
        """Return the Jacobian of the projections, `[N, PROJECTIONS, K]`.

        Args:
            features: `[N, C, h, w]`, with their gradient.
            coordinates: `[N, K]`, from which they were computed.
        """
        with torch.enable_grad():
            projections = self.projections(features)
        rows = [
            torch.autograd.grad(projections, coordinates, weights.expand_as(projections), retain_graph=True)[0]
            for weights in torch.eye(PROJECTIONS, dtype=projections.dtype, device=projections.device)
        ]
        return torch.stack(rows, dim=1)

    def select(self, kept: Tensor) -> FixedAreaMetric:
        """Return the metric of the drags that `kept`, bool `[N]`, selects."""
        return replace(self, start_features=self.start_features[kept], weights=self.weights[kept])
