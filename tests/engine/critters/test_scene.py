"""The scenes of the bundled models: continuous in z, the same for each seed, with four species and independent parts."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draggan_engine.critters.scene.anatomy import build_anatomy
from draggan_engine.critters.scene.animal_parameters import PARAMETERS, Z_DIM, animal_parameters, z_of_seed
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.critters.scene.render import render_scene
from draggan_engine.critters.scene.scene import MARKING_PARAMETERS, Scene, build_scene, scene_from_parameters, to_pixels
from draggan_engine.critters.scene.shading import PART_COUNT
from draggan_engine.critters.scene.species import SPECIES, animal_traits, species_shares

FACING = dict.fromkeys(("yaw", "pitch", "roll", "gaze_x", "gaze_y"), 0.0)


def animal(species: str, **changes: float) -> Scene:
    """Return an animal with average parameters that looks at the viewer."""
    return scene_from_parameters(average_parameters(species, **changes))


def average_parameters(species: str, **changes: float) -> dict[str, np.ndarray]:
    kind = {name: 2.0 if name == species else 0.0 for name in SPECIES}
    average = animal_parameters(np.zeros((1, Z_DIM)))
    return {name: np.array([{**FACING, **kind, **changes}.get(name, float(v[0]))]) for name, v in average.items()}


def point(scene: Scene, name: str) -> np.ndarray:
    return scene.landmarks.points[0, LANDMARKS.index(name)]


def test_each_component_of_z_is_one_parameter() -> None:
    assert len(PARAMETERS) == Z_DIM <= 64
    z = np.random.default_rng(0).standard_normal((2, Z_DIM))
    z[1] = z[0]
    z[1, 7], z[1, 8] = z[0, 8], z[0, 7]  # keeps the length of z
    before, after = (animal_parameters(z[i : i + 1]) for i in range(2))
    assert [name for name in PARAMETERS if before[name] != after[name]] == list(PARAMETERS)[7:9]


def test_a_seed_gives_the_same_image() -> None:
    once, again = (render_scene(build_scene(z_of_seed(7)), 64, 2) for _ in range(2))
    assert np.array_equal(once, again)
    assert np.abs(once - render_scene(build_scene(z_of_seed(8)), 64, 2)).mean() > 0.05


def test_drawing_does_not_depend_on_the_resolution() -> None:
    scene = build_scene(np.concatenate([z_of_seed(seed) for seed in range(3)]))
    large = render_scene(scene, 128, 2).reshape(3, 3, 32, 4, 32, 4).mean(axis=(3, 5))
    assert np.abs(large - render_scene(scene, 32, 8)).max() < 1 / 255


def test_the_scale_of_z_does_not_matter() -> None:
    """The generator normalises z too."""
    z = z_of_seed(5)
    assert np.allclose(build_scene(z).landmarks.points, build_scene(3 * z).landmarks.points)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, Z_DIM - 1))
def test_a_small_step_in_z_changes_the_image_little(seed: int, component: int) -> None:
    """Steps of σ/100 along single components find jumps."""
    z = np.repeat(z_of_seed(seed), 2, axis=0)
    z[1, component] += 0.01
    scene = build_scene(z)
    one, other = render_scene(scene, 128, 2)
    assert np.abs(one - other).mean() < 0.012
    # A landmark moves far only if its rim changes from one part to another.
    moved = np.linalg.norm(scene.landmarks.points[0] - scene.landmarks.points[1], axis=1)
    assert np.median(moved) < 0.005


def test_colouring_moves_no_landmark() -> None:
    shape, colours = (animal_parameters(np.concatenate([z_of_seed(s) for s in some])) for some in ((1, 2), (3, 4)))
    own, others, both = (
        scene_from_parameters(shape),
        scene_from_parameters(colours),
        scene_from_parameters(shape, colours),
    )
    assert np.array_equal(own.landmarks.points, both.landmarks.points)
    assert np.array_equal(own.quadric, both.quadric)
    assert np.array_equal(others.colours, both.colours)
    assert np.array_equal(others.light, both.light)
    marks = [MARKING_PARAMETERS.index(name) for name in ("stripes", "pale_muzzle", "gape", "whiskers")]
    assert np.array_equal(both.markings[:, marks[:2]], others.markings[:, marks[:2]])
    assert np.array_equal(both.markings[:, marks[2:]], own.markings[:, marks[2:]])


def test_most_animals_are_of_one_species_and_all_species_occur() -> None:
    share = species_shares(animal_parameters(np.random.default_rng(1).standard_normal((2000, Z_DIM))))
    assert np.allclose(share.sum(axis=1), 1)
    assert (share.max(axis=1) > 0.9).mean() > 0.65
    assert (share.max(axis=1) < 0.7).mean() > 0.03
    assert np.bincount(share.argmax(axis=1), minlength=4).min() > 400


def test_the_species_differ() -> None:
    cat, bear, fox, rabbit = (animal_traits(average_parameters(name)) for name in SPECIES)
    assert rabbit["ear_length"] > fox["ear_length"] > cat["ear_length"] > 1.5 * bear["ear_length"]
    assert min(cat["ear_point"], fox["ear_point"]) > 0.5
    assert bear["ear_point"] < 0.05
    assert fox["muzzle_length"] > 1.5 * bear["muzzle_length"] > 1.5 * cat["muzzle_length"]
    assert cat["slit"] > 0.8 > fox["slit"] > rabbit["slit"]
    assert cat["stripes"] > 0.5 > max(bear["stripes"], fox["stripes"], rabbit["stripes"])
    assert fox["mask"] > 0.9 > bear["mask"]
    assert bear["patches"] > 0.5 > rabbit["patches"]
    assert rabbit["spots"] > 0.5 > fox["spots"]
    rendered_images = render_scene(
        scene_from_parameters({k: np.concatenate([average_parameters(s)[k] for s in SPECIES]) for k in PARAMETERS}),
        64,
        2,
    )
    for i in range(4):
        for j in range(i):
            assert np.abs(rendered_images[i] - rendered_images[j]).mean() > 0.05


@pytest.mark.parametrize("species", SPECIES)
def test_parts_move_independently(species: str) -> None:
    """A parameter moves the landmarks of its part and no others."""
    plain = animal(species)
    for change, moved, still in (
        ({"ear_tilt_left": 0.9}, "ear_tip_left", "ear_tip_right"),
        ({"ear_tilt_right": 0.9}, "ear_tip_right", "ear_tip_left"),
        ({"ear_length": 0.9}, "ear_tip_left", "nose_tip"),
        ({"smile": 1.0}, "mouth_left", "mouth_top"),
        ({"mouth_open": 0.9}, "mouth_bottom", "mouth_top"),
        ({"mouth_width": 0.9}, "mouth_right", "nose_tip"),
        ({"nose_height": 0.9}, "nose_tip", "mouth_left"),
        ({"lid_open": 0.1}, "eyelid_left_1", "nose_tip"),
        ({"gaze_x": 0.3}, "eye_left", "eyelid_left_0"),
        ({"eye_size": 0.9}, "eyelid_right_1", "nose_tip"),
    ):
        changed = animal(species, **change)
        assert np.linalg.norm(point(changed, moved) - point(plain, moved)) > 0.01, (change, moved)
        assert np.linalg.norm(point(changed, still) - point(plain, still)) < 0.005, (change, still)


def _tooth_pixels(scene: Scene) -> int:
    rendered_image = render_scene(scene, 256, 2)[0]
    top, bottom, left, right = (point(scene, f"mouth_{name}") for name in ("top", "bottom", "left", "right"))
    first, last = (round(float(to_pixels(p, 256)[0])) for p in (left, right))
    high, low = (round(float(to_pixels(p, 256)[1])) for p in (top, bottom))
    region = rendered_image[:, high : low + 3, first:last]
    dark_furred = region.min(axis=0) > 0.55  # near white, on an animal with a dark muzzle
    return int(dark_furred.sum())


@pytest.mark.parametrize("species", ["cat", "fox", "rabbit"])
def test_an_open_mouth_shows_teeth_and_tongue(species: str) -> None:
    look = {"fur_tone": 0.0, "mask": -1.0, "tongue_out": 0.0}
    wide = animal(species, mouth_open=0.95, **look)
    with_teeth, without = (
        _tooth_pixels(
            scene_from_parameters(
                average_parameters(species, mouth_open=0.95, **look) | {"tooth_length": np.array([length])}
            )
        )
        for length in (1.0, -2.5)
    )
    assert with_teeth > without + 8
    assert wide.landmarks.visible[0, LANDMARKS.index("tongue")]
    assert not animal(species, mouth_open=0.1).landmarks.visible[0, LANDMARKS.index("tongue")]


def test_scene_and_drawing_agree_on_the_order_of_parts() -> None:
    p = average_parameters("cat")
    names = build_anatomy(p, animal_traits(p)).ellipsoids.names
    assert len(names) == PART_COUNT
    assert names[0] == "body"
    assert names[4:6] == ("ear_left", "ear_right")
    assert [names[k] for k in (6, 9, 16)] == ["eye_left", "eye_right", "nose"]
    assert names[12:16] == ("snout", "lobe_left", "lobe_right", "jaw")
    assert build_scene(z_of_seed(0)).markings.shape == (1, len(MARKING_PARAMETERS))


def test_extreme_animals_have_valid_images() -> None:
    """Every parameter is at one of its ends."""
    rng = np.random.default_rng(3)
    ends = {}
    for name, (law, a, b) in PARAMETERS.items():
        low, high = (a - 2.2 * b, a + 2.2 * b) if law == "normal" else (a, b)
        ends[name] = np.where(rng.random(60) < 0.5, low, high)
    scene = scene_from_parameters(ends)
    rendered_images = render_scene(scene, 64, 2)
    assert np.isfinite(rendered_images).all()
    assert np.abs(rendered_images).max() <= 1
    assert np.isfinite(scene.landmarks.points).all()
    assert np.abs(scene.landmarks.points).max() < 1.25


def test_the_first_drawing_of_a_process_leaves_the_number_of_torchs_threads() -> None:
    program = """
import torch
from draggan_engine.critters.scene.animal_parameters import z_of_seed
from draggan_engine.critters.scene.render import render_scene
from draggan_engine.critters.scene.scene import build_scene

torch.set_num_threads(1)
count_before = torch.get_num_threads()
render_scene(build_scene(z_of_seed(0)), 16)
print(count_before, torch.get_num_threads())
"""
    drawing = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert drawing.stdout == "1 1\n"
