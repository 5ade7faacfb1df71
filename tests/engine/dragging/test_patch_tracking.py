"""Handles are found between pixels, by their patches of features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from draggan_engine.core.geometry import Point, Size
from draggan_engine.dragging.drag_task import PairBatch
from draggan_engine.dragging.feature_patches import PatchGradients, PatchShape, sample_patches
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.dragging.patch_tracking import PatchTracker
from draggan_engine.networks.windows import MapWindow

MAP_SIZE, SPACING = 32, 4.0
IMAGE_SIZE = Size(128, 128)
SHAPE = PatchShape(1.5, SPACING)


def moved_features(motion: Point, channel_count: int = 24) -> FeatureWindows:
    """Return smooth random features whose content has moved by so many image pixels."""
    random = torch.Generator().manual_seed(3)
    frequencies = torch.rand(channel_count, 2, generator=random) * 0.5
    phases = torch.rand(channel_count, 1, 1, generator=random) * 6.28
    axis = torch.arange(MAP_SIZE, dtype=torch.float64)
    x, y = axis - motion[0] / SPACING, axis[:, None] - motion[1] / SPACING
    waves = torch.sin(frequencies[:, :1, None] * x + frequencies[:, 1:, None] * y + phases)
    return FeatureWindows.of(waves[None])


def pairs_at(*handles: Point) -> PairBatch:
    points = torch.tensor([handles], dtype=torch.float64)
    return PairBatch(points, points.clone(), torch.ones(1, len(handles), dtype=torch.bool), IMAGE_SIZE)


@pytest.mark.parametrize("motion", [(0.0, 0.0), (1.3, -0.7), (-4.6, 5.2), (5.9, 5.9)])
def test_content_is_found_between_pixels(motion: Point) -> None:
    handles = pairs_at((60.25, 50.5), (30, 88))
    tracker = PatchTracker(moved_features((0, 0)), handles, SHAPE)
    positions = tracker.track(handles.handles, torch.empty(0), moved_features(motion))
    assert torch.allclose(positions - handles.handles, torch.tensor(motion, dtype=torch.float64), atol=0.1)


def test_content_beyond_the_search_is_not_found_without_a_prediction_of_its_position() -> None:
    handles, motion = pairs_at((60, 50)), torch.tensor([20.0, -16.0], dtype=torch.float64)
    tracker = PatchTracker(moved_features((0, 0)), handles, SHAPE)
    features = moved_features((20, -16))
    assert float((tracker.track(handles.handles, torch.empty(0), features) - handles.handles - motion).norm()) > 10
    predicted_handles = handles.handles + motion + 2
    positions = tracker.track(predicted_handles, torch.empty(0), features)
    assert torch.allclose(positions - handles.handles, motion, atol=0.1)


def test_a_patch_differs_from_its_template_only_where_the_content_is_not() -> None:
    handles = pairs_at((60, 50))
    tracker = PatchTracker(moved_features((0, 0)), handles, SHAPE)
    features = moved_features((8, 4))
    moved = handles.handles + torch.tensor([8.0, 4.0], dtype=torch.float64)
    assert float(tracker.differences(moved, features)) < 1e-6
    assert float(tracker.differences(handles.handles, features)) > 0.05


def test_a_handle_is_not_found_outside_the_image() -> None:
    handles = pairs_at((1, 1), (126, 127))
    tracker = PatchTracker(moved_features((0, 0)), handles, SHAPE)
    positions = tracker.track(handles.handles, torch.empty(0), moved_features((-40, 33)))
    assert torch.isfinite(positions).all()
    assert (positions > -4).all() and (positions < 132).all()


def test_windows_that_contain_the_search_give_the_result_of_the_whole_map() -> None:
    handles = pairs_at((60, 50))
    tracker = PatchTracker(moved_features((0, 0)), handles, SHAPE)
    whole = moved_features((3.1, 2.2))
    window_radius = int(tracker.search_radius / SPACING) + 2
    left, top = 15 - window_radius, 12 - window_radius
    right, bottom = 16 + window_radius, 13 + window_radius
    window = MapWindow(left, top, right, bottom)
    part = FeatureWindows([whole.whole_map[..., top:bottom, left:right]], [window], whole.map_size)
    whole_position, part_position = (tracker.track(handles.handles, torch.empty(0), f) for f in (whole, part))
    assert torch.allclose(whole_position, part_position)


def test_the_sensitivity_of_a_patch_gives_the_motion_of_its_content() -> None:
    handles = pairs_at((60, 50), (33.3, 71.8)).handles
    before, after = moved_features((0, 0)), moved_features((0.2, -0.1))
    gradients = PatchGradients.at(before, handles, SHAPE, IMAGE_SIZE)
    changes = sample_patches(after, handles, SHAPE, IMAGE_SIZE) - gradients.patches
    expected_motion: Tensor = torch.tensor([0.2, -0.1], dtype=torch.float64)
    assert torch.allclose(gradients.motion(changes), expected_motion.expand(1, 2, 2), atol=0.02)


def test_features_without_texture_have_no_motion() -> None:
    flat = FeatureWindows.of(torch.ones(1, 4, MAP_SIZE, MAP_SIZE, dtype=torch.float64))
    gradients = PatchGradients.at(flat, pairs_at((60, 50)).handles, SHAPE, IMAGE_SIZE)
    assert torch.equal(gradients.motion(gradients.patches), torch.zeros(1, 1, 2, dtype=torch.float64))
