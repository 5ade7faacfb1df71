"""Point tracking finds the content under each handle again, within its search radius."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from draggan_engine.core.geometry import Size
from draggan_engine.dragging.feature_sampling import sample_features
from draggan_engine.dragging.point_tracking import track_points

IMAGE_SIZE = Size(32, 32)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_tracking_finds_content_that_has_moved(norm: Literal["l1", "l2"]) -> None:
    torch.manual_seed(4)
    features_before = torch.randn(1, 8, 32, 32)
    features_after = torch.roll(features_before, shifts=(2, -3), dims=(2, 3))  # 2 down, 3 left
    handles = torch.tensor([[[15.0, 15.0], [20.0, 9.0]]])
    references = sample_features(features_before, handles, IMAGE_SIZE)
    new_handles = track_points(features_after, references, handles, 6, norm, IMAGE_SIZE)
    assert torch.equal(new_handles, handles + torch.tensor([-3.0, 2.0]))


def test_tracking_stays_within_its_search_radius() -> None:
    torch.manual_seed(5)
    features_before = torch.randn(1, 8, 32, 32)
    features_after = torch.roll(features_before, shifts=6, dims=3)
    handles = torch.tensor([[[15.0, 15.0]]])
    references = sample_features(features_before, handles, IMAGE_SIZE)
    new_handles = track_points(features_after, references, handles, 6, "l1", IMAGE_SIZE)
    assert (new_handles - handles).abs().max() < 6


def test_a_handle_far_outside_the_image_stays() -> None:
    features, handles = torch.randn(1, 8, 32, 32), torch.tensor([[[-20.0, 15.0]]])
    references = sample_features(features, handles, IMAGE_SIZE)
    assert torch.equal(track_points(features, references, handles, 6, "l1", IMAGE_SIZE), handles)
