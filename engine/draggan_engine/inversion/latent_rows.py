"""The variables of an inversion: coordinates of w in the eigenbasis of its covariance, and which rows of ws share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from draggan_engine.networks.w_statistics import WStatistics


@dataclass(frozen=True, eq=False)
class LatentRows:
    """A linear map from coordinates to latents: row r of ws is w̄ + L c, where c are the coordinates of its group.

    L is the factor of the covariance of w (Wang and Ponce, ICLR 2021), so the coordinates of a random w have variance 1.

    Attributes:
        average_w: w̄, `[w_dim]`.
        statistics: of w.
        group_of_row: for each row of ws, which coordinates it has.
    """

    average_w: Tensor
    statistics: WStatistics
    group_of_row: Sequence[int]

    def with_free_rows(self, shared_rows: int) -> LatentRows:
        """Return the map in which the first rows share their coordinates, and each other row has its own."""
        free_rows = range(1, len(self.group_of_row) - shared_rows + 1)
        return replace(self, group_of_row=(*(0 for _ in range(shared_rows)), *free_rows))

    @property
    def group_count(self) -> int:
        return max(self.group_of_row) + 1

    def to_ws(self, coordinates: Tensor) -> Tensor:
        """Map coordinates `[N, groups, w_dim]` to latents `[N, num_ws, w_dim]`."""
        w = self.average_w + coordinates @ self.statistics.factor.T
        return w[:, list(self.group_of_row)]

    def to_coordinates(self, w: Tensor) -> Tensor:
        """Map w `[N, w_dim]` to the coordinates of one group, `[N, 1, w_dim]`."""
        coordinates: Tensor = (w - self.average_w) @ self.statistics.inverse_factor.T
        return coordinates[:, None]
