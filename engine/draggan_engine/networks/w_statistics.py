"""The distribution of w: its covariance, and lengths of changes of w measured in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from .mapping import MappingNetwork

SAMPLE_COUNT = 10_000
BATCH_SIZE = 1_000  # bounds the memory, since a file may define very wide layers
MIN_EIGENVALUE_SHARE = 1e-4
"""Smaller eigenvalues of the covariance, relative to the largest, count as this large, so that no direction of w is
forbidden because few samples vary along it."""


@dataclass(frozen=True, eq=False)
class WStatistics:
    """The covariance of w over all images of a model, Σ = L Lᵀ.

    Attributes:
        factor: L, `[w_dim, w_dim]`: maps standard normal coordinates to changes of w.
        inverse_factor: L⁻¹, `[w_dim, w_dim]`.
    """

    factor: Tensor
    inverse_factor: Tensor

    @classmethod
    def of_covariance(cls, covariance: Tensor) -> WStatistics:
        """Return the statistics of a symmetric covariance `[w_dim, w_dim]`, computed in float64.

        A covariance of zeros counts as the identity: all images of such a model have the same w. So does one that is not
        finite.
        """
        if not bool(torch.isfinite(covariance).all()):
            covariance = torch.zeros_like(covariance)
        eigenvalues, eigenvectors = torch.linalg.eigh(covariance.double().cpu())
        largest = float(eigenvalues[-1])
        eigenvalues = (
            eigenvalues.clamp_min(MIN_EIGENVALUE_SHARE * largest) if largest > 0 else torch.ones_like(eigenvalues)
        )
        deviations = eigenvalues.sqrt()
        return cls(
            (eigenvectors * deviations).to(covariance), (eigenvectors / deviations).T.contiguous().to(covariance)
        )

    def lengths(self, w_changes: Tensor) -> Tensor:
        """Return the Mahalanobis lengths of changes of w.

        Args:
            w_changes: `[..., rows, w_dim]`.

        Returns:
            The root mean square over the rows, `[...]`: standard deviations by which a row has moved. A sample of w is
            about √w_dim away from the mean.
        """
        coordinates = w_changes @ self.inverse_factor.T
        lengths: Tensor = coordinates.square().sum(dim=-1).mean(dim=-1).sqrt()
        return lengths


_statistics_by_mapping: WeakKeyDictionary[MappingNetwork, WStatistics] = WeakKeyDictionary()
_sources_by_mapping: WeakKeyDictionary[MappingNetwork, Callable[[MappingNetwork], Tensor]] = WeakKeyDictionary()


def w_statistics(mapping: MappingNetwork) -> WStatistics:
    """Return the statistics of w, on the mapping's device. The first call for each network gets its covariance from the source
    that was set for it, or estimates it."""
    if mapping not in _statistics_by_mapping:
        covariance_source = _sources_by_mapping.get(mapping, estimate_w_covariance)
        _statistics_by_mapping[mapping] = WStatistics.of_covariance(covariance_source(mapping))
    return _statistics_by_mapping[mapping]


def edit_length(mapping: MappingNetwork, start_ws: Tensor, ws: Tensor) -> float:
    """Return the Mahalanobis length of the change from one latent to another.

    Args:
        start_ws, ws: `[1, num_ws, w_dim]`, on the mapping's device.

    Returns:
        The root mean square over the rows that differ; 0 if none does.
    """
    w_changes = ws - start_ws
    moved_w_changes = w_changes[w_changes.any(dim=2)]
    return float(w_statistics(mapping).lengths(moved_w_changes)) if len(moved_w_changes) else 0.0


def set_covariance_source(mapping: MappingNetwork, covariance_source: Callable[[MappingNetwork], Tensor]) -> None:
    """Set where the first call of `w_statistics` gets the covariance of a network from.

    Args:
        covariance_source: returns the covariance of w, `[w_dim, w_dim]`, on the mapping's device.
    """
    _sources_by_mapping[mapping] = covariance_source


@torch.no_grad()
def estimate_w_covariance(mapping: MappingNetwork) -> Tensor:
    """Return the covariance of w without truncation, from 10,000 samples with a fixed seed, `[w_dim, w_dim]`, exactly symmetric.

    The samples of a conditional model have their classes in turn.
    """
    random_state = np.random.RandomState(0)
    batches = []
    for first in range(0, SAMPLE_COUNT, BATCH_SIZE):
        z = torch.from_numpy(random_state.randn(BATCH_SIZE, mapping.z_dim).astype(np.float32)).to(mapping.w_avg)
        labels = None
        if mapping.c_dim:
            classes = torch.arange(first, first + BATCH_SIZE, device=z.device) % mapping.c_dim
            labels = torch.nn.functional.one_hot(classes, mapping.c_dim).to(z)
        batches.append(mapping(z, labels)[:, 0])
    covariance = torch.cov(torch.cat(batches).T)
    return (covariance + covariance.T) / 2
