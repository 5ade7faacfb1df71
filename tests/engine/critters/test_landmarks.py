"""The 68 landmarks: their positions in the image and their visibility."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draggan_engine.critters import landmarks_of_seed
from draggan_engine.critters.scene.anatomy import build_anatomy
from draggan_engine.critters.scene.animal_parameters import Z_DIM, animal_parameters, z_of_seed
from draggan_engine.critters.scene.ellipsoids import Ellipsoids
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.critters.scene.render import nearest_parts
from draggan_engine.critters.scene.scene import Scene, build_scene, scene_from_parameters, to_pixels
from draggan_engine.critters.scene.species import animal_traits
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(np.concatenate([z_of_seed(seed) for seed in range(50)]))


def at(scene: Scene, name: str) -> np.ndarray:
    return to_pixels(scene.landmarks.points[:, LANDMARKS.index(name)], 128)


def straight(**changes: float) -> Scene:
    """Return an animal with average parameters that looks at the viewer."""
    numbers = animal_parameters(np.zeros((1, Z_DIM)) + 1e-12)
    looking = dict.fromkeys(("yaw", "pitch", "roll", "gaze_x", "gaze_y", "bear", "fox", "rabbit"), 0.0) | {"cat": 1.5}
    return scene_from_parameters(
        {name: np.array([{**looking, **changes}.get(name, float(v[0]))]) for name, v in numbers.items()}
    )


def test_there_are_68_landmarks_on_all_parts() -> None:
    assert len(set(LANDMARKS)) == 68
    for part, count in (("outline", 16), ("ear", 14), ("eye", 14), ("iris", 4), ("nose", 5), ("mouth", 8), ("lip", 2)):
        assert sum(name.startswith(part) for name in LANDMARKS) == count, part


def test_landmarks_are_in_the_image_and_on_their_sides() -> None:
    for seed in range(50):
        marks = landmarks_of_seed(seed, 128)
        assert tuple(marks) == LANDMARKS
        assert all(-8 < x < 136 and -8 < y < 136 for x, y in marks.values())
        for part in ("eye", "ear_tip", "mouth", "muzzle", "nose"):
            assert marks[f"{part}_left"][0] < marks[f"{part}_right"][0], part
        heights = [marks[name][1] for name in ("ear_tip_left", "eye_left", "nose_tip", "mouth_top", "mouth_bottom")]
        assert heights == sorted(heights)
        assert marks["mouth_bottom"][1] < marks["chin"][1]


def test_landmarks_need_numpy_only() -> None:
    code = "import sys; from draggan_engine.critters import landmarks_of_seed; landmarks_of_seed(1, 128); assert not {'torch', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "engine")


def test_the_nose_is_drawn_at_its_landmark(scene: Scene) -> None:
    part_indices = nearest_parts(scene, scene.landmarks.points[:, [LANDMARKS.index("nose_tip")]])
    assert (part_indices == scene_names().index("nose")).all()


def scene_names() -> tuple[str, ...]:
    numbers = animal_parameters(np.zeros((1, Z_DIM)))
    return build_anatomy(numbers, animal_traits(numbers)).ellipsoids.names


def test_visible_landmarks_are_drawn() -> None:
    """The nearest part at a visible landmark is one of its own; at a hidden landmark it is another part.

    Landmarks near a rim, where neighbours at a distance of 0.01 are on other parts, are left out because of rounding.
    """
    scene = build_scene(np.concatenate([z_of_seed(seed) for seed in range(40)]))
    names = scene_names()
    own = {
        "eye_left": {"eye_left"}, "eye_right": {"eye_right"}, "iris_left_right": {"eye_left"}, "iris_right_left": {"eye_right"},
        "ear_tip_left": {"ear_left"}, "ear_hollow_right_tip": {"ear_right"}, "nose_tip": {"nose"},
        "mouth_top": {"lobe_left", "lobe_right", "snout", "jaw"}, "mouth_bottom": {"lobe_left", "lobe_right", "jaw"},
        "cleft": {"lobe_left", "lobe_right", "snout"}, "tongue": {"jaw", "lobe_left", "lobe_right"},
    }  # fmt: skip
    eyes = ("eye_left", "eye_right", "iris_left_right", "iris_right_left")
    around = 0.01 * np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)])
    checked = 0
    for name, parts in own.items():
        i = LANDMARKS.index(name)
        places = scene.landmarks.points[:, i, None] + around
        for part_indices, visible in zip(nearest_parts(scene, places), scene.landmarks.visible[:, i], strict=True):
            is_own = {names[k] in parts for k in part_indices}
            if len(is_own) == 1 and (visible or name in eyes):
                assert is_own == {visible}, name
                checked += 1
    assert checked > 200


def test_the_drawn_eye_ends_at_its_rim() -> None:
    """The eye is inside the rim; a lid or fur is outside."""
    names = scene_names()
    for lid_open in (0.15, 0.4, 0.8):
        scene = straight(lid_open=lid_open)
        rim = np.stack([scene.landmarks.points[0, LANDMARKS.index(f"eyelid_left_{i}")] for i in range(6)])
        centre = rim.mean(axis=0)
        way = (rim - centre) / np.linalg.norm(rim - centre, axis=1, keepdims=True)
        inner, outer = (nearest_parts(scene, (rim + step * way)[None])[0] for step in (-0.02, 0.02))
        # The corners, where the lids meet, are too narrow to test.
        assert [names[k] for k in inner[[1, 2, 4, 5]]] == ["eye_left"] * 4
        assert "eye_left" not in [names[k] for k in outer]


def test_a_lid_moves_the_rim_and_covers_the_iris() -> None:
    scenes = [straight(lid_open=x) for x in (0.0, 0.2, 0.5, 1.0)]
    upper, lower, iris = (LANDMARKS.index(name) for name in ("eyelid_left_1", "eyelid_left_5", "eye_left"))
    heights = [scene.landmarks.points[0, upper, 1] - scene.landmarks.points[0, lower, 1] for scene in scenes]
    assert 0 < heights[0] < heights[1] < heights[2] < heights[3]
    assert heights[0] < 0.06
    assert heights[3] > 0.15
    assert [bool(scene.landmarks.visible[0, iris]) for scene in scenes] == [False, True, True, True]
    around = np.stack(np.meshgrid(np.linspace(-0.2, 0.2, 41), np.linspace(-0.2, 0.2, 41)), axis=-1).reshape(-1, 2)
    eye = scene_names().index("eye_left")
    drawn = [(nearest_parts(scene, scene.landmarks.points[:, [iris]] + around) == eye).sum() for scene in scenes]
    assert 0 < drawn[0] < drawn[1] < drawn[2] < drawn[3]
    apart = straight(lid_open=0.3, lid_difference=0.2).landmarks.points[0]
    left, right = (
        apart[LANDMARKS.index(f"eyelid_{side}_1"), 1] - apart[LANDMARKS.index(f"eyelid_{side}_5"), 1]
        for side in ("left", "right")
    )
    assert left < right - 0.01


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


def test_a_turned_head_hides_landmarks() -> None:
    turned = straight(yaw=0.7).landmarks  # to the right: the muzzle's far side is behind it
    front = straight().landmarks
    visible = dict(zip(LANDMARKS, turned.visible[0], strict=True))
    assert front.visible[0, LANDMARKS.index("muzzle_right")] and not visible["muzzle_right"]
    assert visible["muzzle_left"] and visible["nose_tip"] and visible["eye_left"]


def test_most_landmarks_are_visible(scene: Scene) -> None:
    assert 55 < scene.landmarks.visible.sum(axis=1).mean() < 68
    assert scene.landmarks.visible.mean(axis=0).min() > 0.4


UNIT = st.floats(-1.5, 1.5)


def leaf(apart: float) -> Ellipsoids:
    """Return one upright part: two ellipsoids of radii 0.9, 0.5, 0.7, each `apart` x radii from the centre."""
    uncut = np.array([[[0.0, 0.0, 0.0, 1.0]]])
    radii = np.array([[[0.9, 0.5, 0.7]]])
    return Ellipsoids(("leaf",), np.zeros((1, 1, 3)), np.eye(3)[None, None], radii, np.array([[apart]]), uncut)


@given(st.tuples(UNIT, UNIT, UNIT), st.floats(0, 0.7))
def test_a_hidden_point_is_behind_or_inside_a_part(point: tuple[float, float, float], apart: float) -> None:
    x, y, z = point
    flat = (abs(x) / 0.9 + apart) ** 2 + (y / 0.5) ** 2
    front = 0.7 * np.sqrt(max(1 - flat, 0))
    within = flat + (z / 0.7) ** 2
    near = min(abs(flat - 1), abs(front - z - 0.03), abs(within - 0.9))
    if near > 1e-6:
        expected = (flat < 1 and front > z + 0.03) or within < 0.9
        assert bool(leaf(apart).hides(np.array([[point]]), np.array([0.03]))[0, 0, 0]) == expected


@given(st.floats(0, 2 * np.pi))
def test_silhouette_points_are_at_the_end_of_the_silhouette(around: float) -> None:
    x, y, z = leaf(0.0).silhouette_points([0], np.array([around]))[0, 0]
    assert (x / 0.9) ** 2 + (y / 0.5) ** 2 == pytest.approx(1)
    assert np.hypot(x, y) * np.array([np.cos(around), np.sin(around)]) == pytest.approx(np.array([x, y]))
    assert z == pytest.approx(0)
