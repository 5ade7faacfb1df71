"""Handles are found between pixels, by their patches of features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from draggan_engine.core.geometry import Point, Size
from draggan_engine.dragging.drag_task import PairBatch
from draggan_engine.dragging.feature_patches import PatchGradients, PatchShape, sample_patches
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.dragging.patch_tracking import MAX_REFINEMENT, REFINEMENT_STEPS, PatchTracker
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


def track(tracker: PatchTracker, handles: PairBatch, prediction: Point, motion: Point) -> Tensor:
    """Return how far the tracker moves each handle when the content has moved."""
    predicted_motion = torch.tensor(prediction, dtype=torch.float64).expand_as(handles.handles)
    return tracker.track(handles.handles, predicted_motion, moved_features(motion)) - handles.handles


@pytest.mark.parametrize(
    ("motion", "prediction"),
    [
        ((0.0, 0.0), (0.0, 0.0)), ((1.3, -0.7), (0.0, 0.0)), ((-4.6, 5.2), (-6.0, 4.0)), ((5.9, 5.9), (8.0, 8.0)),
        ((20.0, -16.0), (22.0, -14.0)),
    ],
)  # fmt: skip
def test_content_is_found_between_pixels(motion: Point, prediction: Point) -> None:
    handles = pairs_at((60.25, 50.5), (30, 88))
    tracker = PatchTracker(moved_features((0, 0)), handles, SHAPE)
    tracked_motion = track(tracker, handles, prediction, motion)
    assert torch.allclose(tracked_motion, torch.tensor(motion, dtype=torch.float64), atol=0.1)


def test_content_beyond_the_search_is_not_found() -> None:
    handles = pairs_at((60, 50))
    tracker = PatchTracker(moved_features((0, 0)), handles, SHAPE)
    assert float(track(tracker, handles, (0, 0), (20, -16)).norm()) < 6


@pytest.mark.parametrize(("prediction", "radius"), [((0.0, 0.0), 2.0), ((4.0, 0.0), 4.0), ((6.0, 8.0), 7.0)])
def test_a_handle_does_not_move_much_farther_than_predicted(prediction: Point, radius: float) -> None:
    handles = pairs_at((60, 50))
    tracker = PatchTracker(moved_features((0, 0)), handles, SHAPE)
    max_refinement = REFINEMENT_STEPS * MAX_REFINEMENT * SPACING
    for motion in [(9.0, 0.0), (-5.0, 7.0), (3.0, -12.0), (14.0, 14.0)]:
        deviation = track(tracker, handles, prediction, motion) - torch.tensor(prediction, dtype=torch.float64)
        assert float(deviation.norm()) <= radius + max_refinement


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
    for motion in [(-40.0, 33.0), (-1.5, 1.2), (0.0, 0.0)]:
        for prediction in [(0.0, 0.0), (-9.0, -9.0), (14.0, 14.0)]:
            positions = handles.handles + track(tracker, handles, prediction, motion)
            assert (positions >= 0).all() and (positions <= 127).all()


def test_windows_that_contain_the_search_give_the_result_of_the_whole_map() -> None:
    handles = pairs_at((60, 50))
    tracker = PatchTracker(moved_features((0, 0)), handles, SHAPE)
    whole = moved_features((3.1, 2.2))
    window_radius = int(tracker.search_radius / SPACING) + 2
    left, top = 16 - window_radius, 12 - window_radius
    right, bottom = 17 + window_radius, 14 + window_radius
    window = MapWindow(left, top, right, bottom)
    part = FeatureWindows([whole.whole_map[..., top:bottom, left:right]], [window], whole.map_size)
    predicted_motion = torch.tensor([[[4.0, 1.0]]], dtype=torch.float64)
    whole_position, part_position = (tracker.track(handles.handles, predicted_motion, f) for f in (whole, part))
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
