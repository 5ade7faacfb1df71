"""The 68 landmarks: named points of the animal, where the picture shows them, known to be hidden where they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draggan_engine.critters import landmarks_of_seed
from draggan_engine.critters.landmarks import LANDMARKS, Ellipsoids
from draggan_engine.critters.render import render
from draggan_engine.critters.scene import Scene, build_scene, latent_of_seed, numbers_of, scene_of, to_pixels


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(np.concatenate([latent_of_seed(seed) for seed in range(50)]))


def at(scene: Scene, name: str) -> np.ndarray:
    return to_pixels(scene.landmarks.points[:, LANDMARKS.index(name)], 128)


def straight(**changes: float) -> Scene:
    """An animal of average numbers that looks at the viewer."""
    numbers = numbers_of(np.zeros((1, 32)) + 1e-12)
    looking = dict.fromkeys(("yaw", "pitch", "roll", "gaze_x", "gaze_y"), 0.0)
    return scene_of({name: np.array([{**looking, **changes}.get(name, float(v[0]))]) for name, v in numbers.items()})


def test_there_are_68_of_all_parts() -> None:
    assert len(set(LANDMARKS)) == 68
    for part, count in (("outline", 16), ("ear", 14), ("eye", 14), ("iris", 4), ("nose", 5), ("mouth", 8), ("lip", 2)):
        assert sum(name.startswith(part) for name in LANDMARKS) == count, part


def test_they_are_on_the_picture_and_on_their_sides() -> None:
    for seed in range(50):
        marks = landmarks_of_seed(seed, 128)
        assert tuple(marks) == LANDMARKS
        assert all(-8 < x < 136 and -8 < y < 136 for x, y in marks.values())
        for part in ("eye", "ear_tip", "mouth", "muzzle", "nose"):
            assert marks[f"{part}_left"][0] < marks[f"{part}_right"][0], part
        heights = [marks[name][1] for name in ("ear_tip_left", "eye_left", "nose_tip", "mouth_top", "mouth_bottom")]
        assert heights == sorted(heights)
        assert marks["mouth_bottom"][1] < marks["chin"][1]


def test_they_need_numpy_only() -> None:
    code = "import sys; from draggan_engine.critters import landmarks_of_seed; landmarks_of_seed(1, 128); assert not {'torch', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2] / "engine")


def test_the_drawn_nose_is_dark_where_the_landmark_says(scene: Scene) -> None:
    for picture, (x, y) in zip(render(scene, 128, 2), at(scene, "nose_tip"), strict=True):
        column, row = round(x), round(y)
        around = picture[:, row - 3 : row + 4, column - 3 : column + 4].mean(axis=0)
        assert np.median(around) < -0.35


def test_an_eyes_rim_is_where_the_drawn_white_ends() -> None:
    """Outwards of it there is fur, inwards the white."""
    scene = straight(gaze_x=0.0, eye_size=0.16)
    picture = render(scene, 512, 2)[0].min(axis=0)
    centre = to_pixels(scene.landmarks.points[0, LANDMARKS.index("eye_left")], 512)
    for i in range(6):
        rim = to_pixels(scene.landmarks.points[0, LANDMARKS.index(f"eyelid_left_{i}")], 512)
        way = (rim - centre) / np.linalg.norm(rim - centre)
        inner, outer = (picture[tuple(np.round(rim + step * way).astype(int)[::-1])] for step in (-5, 5))
        assert inner > outer + 0.15, i


def test_a_mirrored_animal_has_mirrored_landmarks() -> None:
    left, right = straight(yaw=0.4).landmarks, straight(yaw=-0.4).landmarks
    mirrored = {name: name.replace("left", "@").replace("right", "left").replace("@", "right") for name in LANDMARKS}
    for name in (
        "eye_left",
        "ear_tip_right",
        "muzzle_left",
        "mouth_right",
        "nose_left",
        "lip_right",
        "ear_outer_low_left",
    ):
        a, b = LANDMARKS.index(name), LANDMARKS.index(mirrored[name])
        assert np.allclose(left.points[0, a] * (-1, 1), right.points[0, b], atol=1e-6), name
        assert left.visible[0, a] == right.visible[0, b], name


def test_what_a_turned_head_hides_is_known_to_be_hidden() -> None:
    turned = straight(yaw=0.7).landmarks  # to the right: the muzzle's far side is behind it
    front = straight().landmarks
    seen = dict(zip(LANDMARKS, turned.visible[0], strict=True))
    assert front.visible[0, LANDMARKS.index("muzzle_right")] and not seen["muzzle_right"]
    assert seen["muzzle_left"] and seen["nose_tip"] and seen["eye_left"]


def test_most_are_visible(scene: Scene) -> None:
    assert 55 < scene.landmarks.visible.sum(axis=1).mean() < 68
    assert scene.landmarks.visible.mean(axis=0).min() > 0.4


UNIT = st.floats(-1.5, 1.5)


@given(st.tuples(UNIT, UNIT, UNIT), st.integers(0, 359))
def test_a_hidden_point_has_the_ellipsoid_before_it(point: tuple[float, float, float], around: int) -> None:
    ball = Ellipsoids(("ball",), np.zeros((1, 1, 3)), np.eye(3)[None, None], np.array([[[0.9, 0.5, 0.7]]]))
    x, y, z = point
    inside = (x / 0.9) ** 2 + (y / 0.5) ** 2
    front = 0.7 * np.sqrt(max(1 - inside, 0))
    expected = inside < 1 and front > z + 0.03
    if abs(inside - 1) > 1e-6 and abs(front - z - 0.03) > 1e-6:
        assert bool(ball.hides("ball", np.array([point]))[0]) == expected
    farthest = ball.silhouette("ball", around)[0]
    direction = np.array([np.cos(np.radians(around)), np.sin(np.radians(around))])
    angles = np.linspace(0, 2 * np.pi, 721)
    rim = np.stack([0.9 * np.cos(angles), 0.5 * np.sin(angles)], axis=1)
    assert farthest[:2] @ direction == pytest.approx((rim @ direction).max(), abs=1e-4)
