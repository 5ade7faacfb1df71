"""What the loss of an inversion compares."""

from __future__ import annotations

import pytest
import torch

from draggan_engine.inversion.in_domain import search_weights
from draggan_engine.inversion.losses import ImageLoss, RandomFilters


@pytest.fixture
def target() -> torch.Tensor:
    return torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) - 0.5


def test_the_target_itself_has_no_loss_and_each_image_has_its_own(target: torch.Tensor) -> None:
    images = torch.cat([target, 0.9 * target, -target])
    losses = ImageLoss(target)(images)
    assert float(losses[0]) == pytest.approx(0, abs=1e-6)
    assert float(losses[0]) < float(losses[1]) < float(losses[2])


def test_random_filters_get_images_of_at_most_128_rows() -> None:
    for height, filtered_height in ((32, 16), (256, 128), (1024, 128)):
        images = torch.zeros(1, 3, height, 8)
        assert RandomFilters(images)(images)[0].shape[2] == filtered_height


def test_a_search_for_a_photograph_that_is_tuned_later_looks_at_the_middle(target: torch.Tensor) -> None:
    loss, weights = ImageLoss(target), search_weights(target)
    middle, border = target.clone(), target.clone()
    middle[..., 28:36, 28:36] = 0.5
    border[..., :8, :8] = 0.5
    plain_ratio = float(loss(middle) / loss(border))
    assert float(loss.weighted(middle, weights) / loss.weighted(border, weights)) > 3 * plain_ratio
    assert torch.equal(loss.weighted(border, None), loss(border))
