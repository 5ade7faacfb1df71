"""The covariance of w, and lengths measured in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from draggan_engine.networks.w_statistics import (
    MIN_EIGENVALUE_SHARE,
    WStatistics,
    edit_length,
    estimate_w_covariance,
    set_covariance_source,
    w_statistics,
)
from tests.support.tiny_models import random_generator


def covariance_with(eigenvalues: list[float]) -> torch.Tensor:
    """Return a covariance with these eigenvalues in random directions."""
    rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((len(eigenvalues), len(eigenvalues))))
    return torch.from_numpy(rotation @ np.diag(eigenvalues) @ rotation.T)


def test_the_factor_gives_the_covariance_and_its_inverse_undoes_it() -> None:
    covariance = covariance_with([9.0, 4.0, 1.0, 0.25])
    statistics = WStatistics.of_covariance(covariance)
    assert torch.allclose(statistics.factor @ statistics.factor.T, covariance)
    assert torch.allclose(statistics.inverse_factor @ statistics.factor, torch.eye(4, dtype=torch.float64), atol=1e-9)


def test_small_eigenvalues_are_raised_to_a_share_of_the_largest() -> None:
    factor = WStatistics.of_covariance(covariance_with([100.0, 1.0, 1e-9, 0.0])).factor
    eigenvalues = torch.linalg.eigvalsh(factor @ factor.T)
    assert eigenvalues.tolist() == pytest.approx([100 * MIN_EIGENVALUE_SHARE] * 2 + [1.0, 100.0])


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_without_any_variance_the_covariance_counts_as_the_identity(value: float) -> None:
    factor = WStatistics.of_covariance(torch.full((3, 3), value)).factor
    assert torch.allclose(factor @ factor.T, torch.eye(3))


def test_a_step_of_one_standard_deviation_has_length_1_and_rows_are_averaged() -> None:
    covariance = covariance_with([9.0, 4.0, 1.0])
    statistics = WStatistics.of_covariance(covariance)
    eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
    steps = (eigenvectors * eigenvalues.sqrt()).T
    assert statistics.lengths(steps[:, None]).tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert float(statistics.lengths(torch.stack([steps[0], 0 * steps[0]]))) == pytest.approx(0.5**0.5)


@pytest.mark.parametrize("classes", [0, 3])
def test_samples_of_w_are_as_long_as_a_standard_normal_vector(classes: int) -> None:
    mapping = random_generator(classes).mapping
    statistics = w_statistics(mapping)
    z = torch.from_numpy(np.random.RandomState(1).randn(4000, mapping.z_dim).astype(np.float32))
    labels = torch.eye(classes)[torch.arange(4000) % classes] if classes else None
    w = mapping(z, labels)[:, :1]
    squared_lengths = statistics.lengths(w - w.mean(dim=0)).square()
    assert float(squared_lengths.mean()) == pytest.approx(w.shape[2], rel=0.1)


def test_statistics_are_estimated_once_and_repeat_exactly() -> None:
    mapping = random_generator().mapping
    assert w_statistics(mapping) is w_statistics(mapping)
    assert torch.equal(estimate_w_covariance(mapping), estimate_w_covariance(mapping))


def test_the_covariance_comes_from_the_source_of_the_network() -> None:
    mapping = random_generator().mapping
    covariance = 9 * torch.eye(16)
    set_covariance_source(mapping, lambda _: covariance)
    assert torch.allclose(w_statistics(mapping).factor.abs().sum(dim=0), torch.full((16,), 3.0))


def test_the_length_of_an_edit_is_that_of_the_rows_that_it_moves() -> None:
    mapping = random_generator().mapping
    set_covariance_source(mapping, lambda _: 4 * torch.eye(16))
    start_ws = torch.randn(1, mapping.num_ws, 16, generator=torch.Generator().manual_seed(0))
    ws = start_ws.clone()
    assert edit_length(mapping, start_ws, ws) == 0
    ws[0, :2, 0] += 6  # three standard deviations each
    assert edit_length(mapping, start_ws, ws) == pytest.approx(3.0, rel=1e-4)
    ws[0, 2, 1:3] += 8
    assert edit_length(mapping, start_ws, ws) == pytest.approx(((9 + 9 + 32) / 3) ** 0.5, rel=1e-4)
