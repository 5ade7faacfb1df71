"""Features at points of the image: what sampling is, and that grids and windows give the same values."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from draggan_engine.core.geometry import Point, Size
from draggan_engine.dragging.feature_sampling import sample_features, sample_grids, square_offsets, window_around
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.networks.windows import merge_windows

IMAGE_SIZE = Size(32, 32)


def gradient_of(values: Tensor, leaf: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(values.square().sum(), leaf)
    return gradient


def test_at_pixels_sampling_equals_the_resized_map() -> None:
    torch.manual_seed(1)
    features = torch.randn(1, 5, 16, 16)
    points = torch.tensor([[3.0, 4.0], [0.0, 31.0], [17.0, 9.0]])
    resized = F.interpolate(features, size=(32, 32), mode="bilinear", align_corners=False)
    expected = resized[0, :, points[:, 1].long(), points[:, 0].long()].t()
    assert torch.allclose(sample_features(features, points[None], IMAGE_SIZE)[0], expected, atol=1e-5)


def test_between_and_beyond_the_pixels_sampling_equals_grid_sample() -> None:
    torch.manual_seed(7)
    features = torch.randn(1, 5, 16, 16, requires_grad=True)
    points = torch.rand(50, 2) * 40 - 4
    grid = ((points + 0.5) * 2 / 32 - 1)[None, None]
    expected = F.grid_sample(features, grid, padding_mode="border", align_corners=False)[0, :, 0].t()
    sampled = sample_features(features, points[None], IMAGE_SIZE)[0]
    assert torch.allclose(sampled, expected, atol=1e-5)
    assert torch.allclose(gradient_of(sampled, features), gradient_of(expected, features), atol=1e-4)


@given(
    st.sampled_from([(8, 8), (16, 16), (32, 32), (16, 8), (64, 64)]),
    st.tuples(st.floats(-12, 36), st.floats(-12, 36)),
    st.integers(1, 13),
)
def test_grids_equal_their_points_sampled_one_by_one(map_shape: tuple[int, int], corner: Point, side: int) -> None:
    torch.manual_seed(6)
    image_size = Size(32 * map_shape[1] // map_shape[0], 32)
    features = torch.randn(2, 3, *map_shape, dtype=torch.float64, requires_grad=True)
    first_points = torch.tensor([[corner, (3.5, 4.25)], [(0.0, 0.0), corner]], dtype=torch.float64)
    steps = torch.arange(side, dtype=torch.float64)
    points = first_points[:, :, None, None] + torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=2)
    grids = sample_grids(features, first_points, side, image_size)
    expected = sample_features(features, points, image_size)
    assert torch.allclose(grids, expected, atol=1e-12)
    assert torch.allclose(gradient_of(grids, features), gradient_of(expected, features), atol=1e-10)


@given(
    st.lists(st.tuples(st.floats(-2, 66), st.floats(-2, 34)), min_size=1, max_size=4),
    st.sampled_from([Size(64, 32), Size(32, 16), Size(16, 8), Size(128, 64)]),
    st.integers(1, 6),
)
def test_grids_of_windows_equal_those_of_the_whole_map(points: list[Point], map_size: Size, radius: int) -> None:
    image_size = Size(64, 32)
    torch.manual_seed(8)
    whole_map = torch.randn(2, 3, map_size.height, map_size.width, dtype=torch.float64)
    needed_windows = [window_around(point, radius, image_size, map_size) for point in points]
    windows = merge_windows(needed_windows, lambda window: window.area)
    patches = [whole_map[..., window.top : window.bottom, window.left : window.right] for window in windows]
    features = FeatureWindows(patches, windows, map_size)
    first_points, side = torch.tensor(points).expand(2, -1, -1) - radius, 2 * radius + 1
    grids = sample_grids(features, first_points, side, image_size)
    assert torch.allclose(grids, sample_grids(whole_map, first_points, side, image_size), rtol=0, atol=1e-12)
    centres = sample_grids(features, first_points + radius, 1, image_size)[:, :, 0, 0]
    expected_centres = sample_features(whole_map, first_points + radius, image_size)
    assert torch.allclose(centres, expected_centres, rtol=0, atol=1e-4)  # coordinates are float32


@pytest.mark.parametrize(("half_side", "largest_offset"), [(12, 11), (2.5, 2)])
def test_square_offsets_are_the_integers_below_half_a_side(half_side: float, largest_offset: int) -> None:
    offsets = square_offsets(half_side, torch.device("cpu"))
    side = 2 * largest_offset + 1
    assert offsets.shape == (side, side, 2)
    assert offsets[0, -1].tolist() == [largest_offset, -largest_offset]
