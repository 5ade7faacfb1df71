"""Which points of an image are proposed as handles."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from draggan_engine.core.geometry import Size
from draggan_tui.editor.flatness import is_flat
from draggan_tui.editor.handle_proposals import (
    LANDMARK_DISTANCE,
    MAX_PROPOSALS,
    MIN_DISTANCE,
    propose_handles,
    texture_scores,
)
from draggan_tui.editor.viewport import Viewport

IMAGE_SIZE = Size(128, 128)
RADIUS = 6.0


def noise(seed: int, size: Size) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 255, (size.height, size.width, 3), np.uint8)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 100),
    size=st.builds(Size, st.integers(8, 140), st.integers(8, 140)),
    room=st.builds(Size, st.integers(2, 100), st.integers(1, 40).map(lambda rows: 2 * rows)),
    zoom_steps=st.integers(0, 8),
)
def test_proposals_are_apart_in_view_not_flat_and_always_the_same(
    seed: int, size: Size, room: Size, zoom_steps: int
) -> None:
    rgb, view = noise(seed, size), Viewport(IMAGE_SIZE, room).zoomed(zoom_steps, (40, 90))
    points = propose_handles(rgb, view, RADIUS)
    assert len(points) <= MAX_PROPOSALS
    assert points == propose_handles(rgb.copy(), view, RADIUS)
    for x, y in points:
        column, row = view.pixel((x, y))
        assert view.window.left <= column < view.window.right
        assert view.window.top <= row < view.window.bottom
        assert not is_flat(rgb, (x, y), RADIUS, IMAGE_SIZE)
    for pixel, other in combinations(map(view.pixel, points), 2):
        assert max(abs(pixel[0] - other[0]), abs(pixel[1] - other[1])) >= MIN_DISTANCE


def test_corners_are_proposed_and_edges_and_plain_areas_are_not() -> None:
    rgb = np.full((128, 128, 3), 40, np.uint8)
    rgb[40:90, 30:80] = 200
    corners = {(30, 40), (80, 40), (30, 90), (80, 90)}
    points = propose_handles(rgb, Viewport(IMAGE_SIZE, Size(64, 64)), RADIUS)
    nearest = [min(max(abs(x - cx), abs(y - cy)) for cx, cy in corners) for x, y in points]
    assert len(points) == 4
    assert max(nearest) <= 3


@settings(deadline=None, max_examples=40)
@given(
    landmarks=st.lists(st.tuples(st.floats(0, 127), st.floats(0, 127)), max_size=40),
    zoom_steps=st.integers(0, 8),
)
def test_landmarks_come_first(landmarks: list[tuple[float, float]], zoom_steps: int) -> None:
    view = Viewport(IMAGE_SIZE, Size(64, 64)).zoomed(zoom_steps, (40, 90))
    points = propose_handles(noise(1, IMAGE_SIZE), view, RADIUS, landmarks)
    assert len(points) <= MAX_PROPOSALS
    shown_landmarks = [point for point in landmarks if view.nearest_shown(point) == point]
    assert not shown_landmarks or points[0] == shown_landmarks[0]
    is_landmark = [point in landmarks for point in points]
    assert is_landmark == sorted(is_landmark, reverse=True)
    for point, other_point in combinations(points, 2):
        pixel, other = view.pixel(point), view.pixel(other_point)
        distance = max(abs(pixel[0] - other[0]), abs(pixel[1] - other[1]))
        assert distance >= (LANDMARK_DISTANCE if other_point in landmarks else MIN_DISTANCE)


def test_nothing_is_proposed_in_an_image_without_texture() -> None:
    ramp = np.repeat(np.arange(128, dtype=np.uint8)[None, :, None], 128, axis=0).repeat(3, axis=2)
    assert propose_handles(ramp, Viewport(IMAGE_SIZE, Size(64, 64)), RADIUS) == ()


def test_scores_are_the_smaller_eigenvalues_of_the_structure_tensor() -> None:
    rgb = noise(3, Size(20, 16))
    slope_y, slope_x = np.gradient(np.pad(rgb.mean(axis=2) / 255, 1, mode="edge"))
    slopes = np.stack([slope_x, slope_y])[:, 1:-1, 1:-1][:, 5:10, 7:12].reshape(2, -1)
    expected = np.linalg.eigvalsh(slopes @ slopes.T / 25)[0]
    assert np.isclose(texture_scores(rgb, 2)[7, 9], expected)
