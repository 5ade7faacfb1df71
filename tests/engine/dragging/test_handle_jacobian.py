"""The Jacobian of handles against finite differences of the positions that the tracker finds, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.geometry import Size
from draggan_engine.dragging.drag_task import PairBatch
from draggan_engine.dragging.feature_patches import PatchShape
from draggan_engine.dragging.feature_sources import FeatureWindows, WholeMapSource
from draggan_engine.dragging.fixed_area_metric import FixedAreaMetric
from draggan_engine.dragging.handle_jacobian import HandlePositions, exact_jacobian, subspace_jacobian
from draggan_engine.dragging.latent_coordinates import LatentCoordinates
from draggan_engine.dragging.patch_tracking import PatchTracker
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.w_statistics import w_statistics

HANDLES = [(62.0, 70.5), (44.25, 52.0), (85.5, 90.0)]
SHAPE = PatchShape(1.5, 4)
IMAGE_SIZE = Size(128, 128)


class Image:
    """An image of the small bundled model, in float64, with three handles on it."""

    def __init__(self) -> None:
        generator = load_model("critters-128", "cpu").generator.double()
        start_ws = latent_of_seed(generator.float(), 3, 1.0).double()
        generator.double()
        self.latents = LatentCoordinates.around(start_ws, "w", 6, w_statistics(generator.mapping))
        self.source = WholeMapSource(generator.synthesis, "b32", Size(32, 32))
        self.coordinates = torch.zeros(1, self.latents.count, dtype=torch.float64)
        points = torch.tensor([HANDLES], dtype=torch.float64)
        self.pairs = PairBatch(points, points.clone(), torch.ones(1, 3, dtype=torch.bool), IMAGE_SIZE)

    def features(self, coordinates: Tensor) -> FeatureWindows:
        return self.source(self.latents.to_ws(coordinates))

    def positions(self) -> HandlePositions:
        return HandlePositions.at(self.features, self.coordinates, self.pairs.handles, SHAPE, IMAGE_SIZE)


@pytest.fixture(scope="module")
def image() -> Image:
    return Image()


@pytest.fixture(scope="module")
def jacobian(image: Image) -> Tensor:
    return exact_jacobian(image.positions())


def test_the_jacobian_predicts_where_the_tracker_finds_the_handles(image: Image, jacobian: Tensor) -> None:
    # They are not equal to the last digit: the tracker follows the slopes of the bilinear interpolation, and the Jacobian
    # is made from derivatives over a whole pixel of the feature map.
    tracker = PatchTracker(image.features(image.coordinates), image.pairs, SHAPE)
    step, tracked, predicted = 1e-3, [], []
    for seed in range(12):
        direction = torch.from_numpy(np.random.default_rng(seed).standard_normal(jacobian.shape[2]))
        ahead, behind = (
            tracker.track(
                image.pairs.handles,
                torch.zeros_like(image.pairs.handles),
                image.features(image.coordinates + sign * step * direction),
            )
            for sign in (1, -1)
        )
        tracked.append(((ahead - behind) / (2 * step)).flatten())
        predicted.append(jacobian[0] @ direction)
    tracked_derivatives, predicted_derivatives = torch.cat(tracked), torch.cat(predicted)
    correlation = torch.corrcoef(torch.stack([tracked_derivatives, predicted_derivatives]))[0, 1]
    error = (tracked_derivatives - predicted_derivatives).norm() / tracked_derivatives.norm()
    assert float(correlation) > 0.97 and float(error) < 0.25


def test_the_jacobian_on_a_subspace_is_exact_if_the_subspace_is_large_enough(image: Image, jacobian: Tensor) -> None:
    errors = torch.tensor([[[3.0, -1.0], [0.5, 2.0], [-2.0, 4.0]]], dtype=torch.float64)
    on_subspace = subspace_jacobian(image.positions(), errors)
    assert float((on_subspace - jacobian).norm() / jacobian.norm()) < 0.05


def test_a_small_subspace_contains_the_solution_for_its_errors(
    image: Image, jacobian: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("draggan_engine.dragging.handle_jacobian.SUBSPACE_SIZE", 1)
    errors = torch.tensor([[[3.0, -1.0], [0.5, 2.0], [-2.0, 4.0]]], dtype=torch.float64)
    (row_space,) = torch.linalg.svd(subspace_jacobian(image.positions(), errors)[0])[2][:1]
    descent_direction = errors.flatten() @ jacobian[0]
    assert abs(float(row_space @ descent_direction / descent_direction.norm())) == pytest.approx(1, abs=1e-6)


def test_fixed_areas_are_observed_by_projections_of_the_relative_change(image: Image) -> None:
    fixed_areas = torch.zeros(1, 128, 128, dtype=torch.float64)
    fixed_areas[:, :, :64] = 1
    start_features = image.features(image.coordinates).whole_map
    metric = FixedAreaMetric.of(start_features, fixed_areas)
    random = torch.Generator().manual_seed(1)
    noise = torch.randn(200, *start_features.shape[1:], generator=random, dtype=torch.float64)
    noise *= start_features[0].std()
    squares = torch.cat([metric.projections(start_features + change[None]).square().sum(dim=1) for change in noise])
    left_half = slice(None), slice(None), slice(0, 16)
    expected = noise[(slice(None), *left_half)].square().sum() / 200 / start_features[(0, *left_half)].square().sum()
    assert float(squares.mean()) == pytest.approx(float(expected), rel=0.15)
    right_change = torch.zeros_like(start_features)
    right_change[..., 16:] = 1
    assert float(metric.projections(start_features + right_change).abs().max()) == 0


def test_the_jacobian_of_fixed_areas_equals_finite_differences(image: Image) -> None:
    start = image.features(image.coordinates).whole_map
    metric = FixedAreaMetric.of(start, torch.ones(1, 128, 128, dtype=torch.float64))
    positions = image.positions()
    jacobian = metric.jacobian(positions.features.whole_map, positions.coordinates)
    direction = torch.from_numpy(np.random.default_rng(0).standard_normal(jacobian.shape[2]))
    step = 1e-5
    ahead = metric.projections(image.features(image.coordinates + step * direction).whole_map)
    assert torch.allclose((jacobian @ direction[:, None])[..., 0], ahead / step, rtol=1e-3, atol=1e-3)
