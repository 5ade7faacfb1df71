"""Motion supervision against its definition: both terms of eq. 1 and their gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from draggan_engine.core.geometry import Point, Size
from draggan_engine.dragging.drag_task import PairBatch
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.dragging.motion_supervision import (
    AveragedMaskLoss,
    ExactMaskLoss,
    MaskLoss,
    motion_loss,
    shift_towards,
    supervision_loss,
)

DISC_RADIUS = 3
DISC_OFFSETS = [(x, y) for x in range(-3, 4) for y in range(-3, 4) if x * x + y * y < DISC_RADIUS**2]


def pair_batch(*pairs: tuple[Point, Point]) -> PairBatch:
    """Return the pairs of one drag on an image of 32×32 pixels."""
    handles, targets = torch.tensor([pairs], dtype=torch.float32).unbind(dim=2)
    return PairBatch(handles, targets, torch.ones(1, len(pairs), dtype=torch.bool), Size(32, 32))


def test_a_shift_has_the_length_of_the_distance_but_at_most_1() -> None:
    handles = torch.tensor([[0.0, 0.0], [0.0, 0.0], [5.0, 5.0]])
    targets = torch.tensor([[10.0, 0.0], [0.0, 0.25], [5.0, 5.0]])
    assert torch.allclose(shift_towards(handles, targets), torch.tensor([[1.0, 0.0], [0.0, 0.25], [0.0, 0.0]]))


def test_motion_loss_is_the_first_term_of_eq_1_with_means() -> None:
    torch.manual_seed(2)
    features = torch.randn(1, 4, 32, 32)
    expected_loss = 0.0
    for x, y, shift_x, shift_y in ((10, 12, 1, 0), (20, 20, 0, -1)):
        differences = [
            features[0, :, y + j + shift_y, x + i + shift_x] - features[0, :, y + j, x + i] for i, j in DISC_OFFSETS
        ]
        expected_loss += float(torch.stack(differences).abs().mean())
    loss = motion_loss(features, pair_batch(((10, 12), (15, 12)), ((20, 20), (20, 10))), DISC_RADIUS)
    assert float(loss) == pytest.approx(expected_loss, rel=1e-5)


def test_pairs_that_do_not_exist_add_nothing() -> None:
    torch.manual_seed(2)
    features = torch.randn(1, 4, 32, 32)
    pair = ((10.0, 12.0), (15.0, 12.0))
    two_pairs = pair_batch(pair, ((20, 20), (20, 10)))
    two_pairs.exists[0, 1] = False
    assert motion_loss(features, two_pairs, DISC_RADIUS) == motion_loss(features, pair_batch(pair), DISC_RADIUS)


def test_there_is_no_gradient_through_the_features_at_the_handle() -> None:
    """Only F(q + d) has a gradient, so a pixel that no q + d touches has none, even though q lies there."""
    features = torch.randn(1, 2, 32, 32, requires_grad=True)
    motion_loss(features, pair_batch(((8, 8), (20, 8))), 1).sum().backward()
    assert features.grad is not None
    has_gradient = features.grad.abs().sum(dim=1)[0] > 1e-9
    assert has_gradient[8, 9]
    assert not has_gradient[8, 8]


def test_pixels_outside_the_image_do_not_count() -> None:
    features = torch.randn(1, 3, 32, 32)
    inside = [(x, y) for x, y in DISC_OFFSETS if x >= 0 and y >= 0]
    expected_loss = torch.stack([features[0, :, y, x + 1] - features[0, :, y, x] for x, y in inside]).abs().mean()
    loss = motion_loss(features, pair_batch(((0, 0), (10, 0))), DISC_RADIUS)
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-5)


def test_eq_1_is_the_sum_of_both_terms() -> None:
    torch.manual_seed(3)
    start_features, features = torch.randn(1, 4, 32, 32), torch.randn(1, 4, 32, 32)
    pairs, mask_loss = pair_batch(((10, 12), (15, 12))), AveragedMaskLoss(start_features, torch.ones(1, 32, 32))
    first_term, second_term = motion_loss(features, pairs, DISC_RADIUS), mask_loss(features)
    windows = FeatureWindows.of(features)
    assert torch.equal(supervision_loss(windows, pairs, DISC_RADIUS, None, 20), first_term)
    assert torch.equal(supervision_loss(windows, pairs, DISC_RADIUS, mask_loss, 20), first_term + 20 * second_term)


@pytest.mark.parametrize("ratio", [1, 2, 2.5])
def test_the_exact_mask_loss_is_the_mean_change_where_nothing_may_move(ratio: float) -> None:
    torch.manual_seed(3)
    features, start_features = torch.randn(2, 19, 16, 12), torch.randn(2, 19, 16, 12)
    image_shape = (int(16 * ratio), int(12 * ratio))
    fixed_areas = (torch.rand(2, *image_shape) > 0.5).float()
    features.requires_grad_()
    change = F.interpolate(features - start_features, size=image_shape, mode="bilinear", align_corners=False)
    expected_loss = (change.abs() * fixed_areas[:, None]).mean(dim=(1, 2, 3))
    loss = ExactMaskLoss(start_features, fixed_areas)(features)
    assert torch.allclose(loss, expected_loss, rtol=1e-5)
    (expected_gradient,) = torch.autograd.grad(expected_loss.sum(), features)
    (gradient,) = torch.autograd.grad(loss.sum(), features)
    assert torch.allclose(gradient, expected_gradient, rtol=0, atol=1e-8)


@given(st.integers(0, 2**16), st.sampled_from([(16, 16), (24, 16), (37, 41)]), st.integers(1, 8))
def test_the_averaged_mask_loss_is_at_least_the_exact_one(
    seed: int, image_shape: tuple[int, int], divisor: int
) -> None:
    """The two are equal where the change has the same sign everywhere."""
    noise = torch.Generator().manual_seed(seed)
    start_features, change = (torch.randn(2, 3, 8, 8, generator=noise, dtype=torch.float64) for _ in range(2))
    fixed_areas = (torch.rand(2, *image_shape, generator=noise) > 0.3).float()
    fixed_areas[:, : image_shape[0] // divisor] = 1
    averaged, exact = AveragedMaskLoss(start_features, fixed_areas), ExactMaskLoss(start_features, fixed_areas)
    assert bool((averaged(start_features + change) >= exact(start_features + change) - 1e-12).all())
    positive_change = start_features + change.abs()
    assert torch.allclose(averaged(positive_change), exact(positive_change), rtol=1e-12)


@pytest.mark.parametrize("mask_loss_type", [AveragedMaskLoss, ExactMaskLoss])
def test_a_mask_loss_continues_with_the_selected_drags(mask_loss_type: type[AveragedMaskLoss | ExactMaskLoss]) -> None:
    start_features, features = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    mask_loss: MaskLoss = mask_loss_type(start_features, (torch.rand(3, 8, 8) > 0.5).float())
    loss_of_all = mask_loss(features)
    kept = torch.tensor([True, False, True])
    mask_loss.select(kept)
    assert torch.equal(mask_loss(features[kept]), loss_of_all[kept])
