"""The change of the coordinates is the minimum of what its docstring states, and adapts to how far the model is trusted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from draggan_engine.dragging.latent_coordinates import ROW_CORRELATION, LatentCoordinates
from draggan_engine.dragging.least_squares_solver import LinearObservations, damped_change
from draggan_engine.dragging.trust_region import FIRST_DAMPING, FIRST_REACH, MAX_REACH, TrustRegion
from draggan_engine.networks.w_statistics import WStatistics


def random_tensor(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("rows", "prior_variance"), [(2, 0.0), (2, 3.0), (30, 0.5)])
def test_the_change_minimises_the_stated_sum(rows: int, prior_variance: float) -> None:
    observations = LinearObservations(random_tensor(3, rows, 12), random_tensor(3, rows, seed=1))
    coordinates, damping = random_tensor(3, 12, seed=2), torch.tensor([0.1, 1.0, 5.0], dtype=torch.float64)
    prior_variances = torch.full_like(damping, prior_variance)
    change = damped_change(observations, coordinates, damping, prior_variances).requires_grad_()
    residual = (observations.jacobian @ change[..., None])[..., 0] - observations.errors
    cost = (
        residual.square().sum(dim=1)
        + damping * change.square().sum(dim=1)
        + prior_variance * (coordinates + change).square().sum(dim=1)
    )
    (gradient,) = torch.autograd.grad(cost.sum(), change)
    assert float(gradient.abs().max()) < 1e-9


def test_joined_observations_are_both_fitted() -> None:
    first = LinearObservations(random_tensor(1, 2, 8), random_tensor(1, 2, seed=1))
    second = LinearObservations(random_tensor(1, 3, 8, seed=2), random_tensor(1, 3, seed=3))
    joined = first.joined_with(second)
    damping, prior_variance = torch.full((1,), 1e-9).double(), torch.zeros(1).double()
    change = damped_change(joined, torch.zeros(1, 8, dtype=torch.float64), damping, prior_variance)
    for observations in (first, second):
        assert torch.allclose((observations.jacobian @ change[..., None])[..., 0], observations.errors, atol=1e-6)


def test_trust_grows_with_good_predictions_and_shrinks_with_bad_ones() -> None:
    trust = TrustRegion.of_start(torch.zeros(4), spacing=4)
    agreement, is_undone = torch.tensor([0.9, 0.4, 0.1, -3.0]), torch.tensor([False, False, False, True])
    trust.update(agreement, is_undone)
    assert torch.allclose(trust.damping / FIRST_DAMPING, torch.tensor([0.5, 1, 3, 4]))
    assert torch.allclose(trust.reach / (4 * FIRST_REACH), torch.tensor([1.5, 1, 1 / 1.5, 0.5]))
    for _ in range(20):
        trust.update(agreement, is_undone)
    assert float(trust.reach[0]) == 4 * MAX_REACH and 0 < float(trust.reach[3]) < 1
    trust.select(torch.tensor([True, False, False, False]))
    assert trust.reach.tolist() == [4 * MAX_REACH]


def statistics() -> WStatistics:
    factor = random_tensor(6, 6, seed=4)
    return WStatistics.of_covariance(factor @ factor.T)


def test_in_w_all_moved_rows_change_alike_and_the_others_stay() -> None:
    start_ws = random_tensor(2, 5, 6, seed=5)
    latents = LatentCoordinates.around(start_ws, "w", 3, statistics())
    coordinates = random_tensor(2, latents.count, seed=6)
    change = latents.to_ws(coordinates) - start_ws
    assert latents.count == 6 and torch.equal(change[:, 3:], torch.zeros(2, 2, 6, dtype=torch.float64))
    assert torch.allclose(change[:, 0], change[:, 1]) and torch.allclose(change[:, 0], change[:, 2])
    assert torch.allclose(statistics().lengths(change[:, :3]), coordinates.norm(dim=1))


def test_in_w_plus_the_rows_change_apart_but_are_correlated() -> None:
    start_ws = torch.zeros(20_000, 4, 6, dtype=torch.float64)
    latents = LatentCoordinates.around(start_ws, "w+", 3, statistics())
    assert latents.count == 18
    change = latents.to_ws(random_tensor(20_000, 18, seed=7))[:, :3] @ statistics().inverse_factor.T
    rows = change.transpose(0, 1).flatten(1)
    expected = torch.full((3, 3), ROW_CORRELATION, dtype=torch.float64).fill_diagonal_(1)
    assert torch.allclose(torch.corrcoef(rows), expected, atol=0.02)
