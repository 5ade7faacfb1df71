"""Coordinates of latents around the start of drags in which w is distributed alike in all directions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from draggan_engine.core.edit import Space
from draggan_engine.networks.w_statistics import WStatistics

ROW_CORRELATION = 0.9
"""How strongly the changes of any two rows of ws are correlated in W+; 1 would be W."""


@dataclass(frozen=True)
class LatentCoordinates:
    """A linear map from coordinates `[N, K]` to latents: `start + A z L`, on the rows that drags move.

    L is the factor of the covariance of w. In W, z has one row and A copies it to all moved rows; in W+, A is the factor of
    the correlation between rows. So the squared length of z is the squared Mahalanobis length of the change of ws.

    Attributes:
        start_ws: the latents whose coordinates are 0, `[N, num_ws, w_dim]`.
        row_factor: A, `[moved rows, coordinate rows]`.
        w_factor: L, `[w_dim, w_dim]`.
    """

    start_ws: Tensor
    row_factor: Tensor
    w_factor: Tensor

    @classmethod
    def around(cls, start_ws: Tensor, space: Space, moved_rows: int, statistics: WStatistics) -> LatentCoordinates:
        """Return the coordinates around latents `[N, num_ws, w_dim]`, of which drags move that many rows."""
        if space == "w":
            row_factor = start_ws.new_ones(moved_rows, 1)
        else:
            identity = torch.eye(moved_rows, dtype=start_ws.dtype, device=start_ws.device)
            row_factor = torch.linalg.cholesky(ROW_CORRELATION + (1 - ROW_CORRELATION) * identity)
        return cls(start_ws, row_factor, statistics.factor.to(start_ws))

    @property
    def count(self) -> int:
        """K, the number of coordinates of a latent."""
        return self.row_factor.shape[1] * self.w_factor.shape[0]

    def to_ws(self, coordinates: Tensor) -> Tensor:
        """Return the latents `[N, num_ws, w_dim]` of coordinates `[N, K]`."""
        moved_rows = len(self.row_factor)
        whitened_rows = coordinates.view(len(coordinates), self.row_factor.shape[1], -1)
        moved_ws = self.start_ws[:, :moved_rows] + self.row_factor @ whitened_rows @ self.w_factor.T
        return torch.cat([moved_ws, self.start_ws[:, moved_rows:]], dim=1)

    def select(self, kept: Tensor) -> LatentCoordinates:
        """Return the coordinates around the latents that `kept`, bool `[N]`, selects."""
        return replace(self, start_ws=self.start_ws[kept])
