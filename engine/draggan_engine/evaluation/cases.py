"""The cases of each experiment. They are the same for every method, and each depends only on its number."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from draggan_engine.checkpoints.loader import Model
from draggan_engine.checkpoints.registry import bundled_models
from draggan_engine.core.errors import InputError
from draggan_engine.core.geometry import Point
from draggan_engine.critters.scene.anatomy import SIDES
from draggan_engine.critters.scene.animal_parameters import PARAMETERS, Z_DIM, z_of_seed
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.critters.scene.scene import build_scene, to_pixels
from draggan_engine.critters.scene.species import MARKINGS, SPECIES
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.networks.generate import generate_image, latent_of_seed

from .baselines.optical_flow import dis_flow, sample_flow

MIN_LANDMARK_DISTANCE = 4.0
"""Pairs of seeds whose landmarks are nearer to each other than this are left out, px of an image 128 px high."""
ONE_LANDMARK = ("nose_tip",)
FIVE_LANDMARKS = ("eye_left", "eye_right", "nose_tip", "mouth_left", "mouth_right")
TRACKED_LANDMARKS = ("nose_tip", "eye_left", "mouth_right", "ear_tip_left", "cleft")
"""The tracking cases use these in turn."""
PAIRED_POINTS = 32
PAIRED_CHANGE = 0.5
"""Paired reconstruction: σ of what is added to the shape components of z, or to w in units of its own σ."""
COLOR_WORDS = ("hue", "tone", "value", "light")
SHAPE_COMPONENTS = [
    i
    for i, name in enumerate(PARAMETERS)
    if name not in (*SPECIES, *MARKINGS) and not any(word in name for word in COLOR_WORDS)
]
"""The components of z that decide shapes, not colours, markings or the species."""


@dataclass(frozen=True)
class EvaluationCase:
    """One edit.

    Attributes:
        number: from 0.
        landmark_names: the landmarks of the pairs; empty if the model's landmarks are not known.
        goal: the latent `[1, num_ws, w_dim]` of the image that the edit should reach; None: there is no such image.
        skipped_images: how many images were left out before this case because no face was detected in them.
    """

    number: int
    drag: DragTask
    landmark_names: tuple[str, ...] = ()
    goal: Tensor | None = None
    skipped_images: int = 0


def require_known_landmarks(model: Model, experiment_name: str) -> None:
    """Check that an experiment that needs landmarks can be run on a model.

    Raises:
        InputError: the landmarks of the model's images are not known.
    """
    if not has_known_landmarks(model):
        raise InputError(
            f"the experiment {experiment_name} needs images whose landmarks are known, "
            f"and those of {model.name!r} are not; "
            "run the experiments paired and tracking, use a bundled model, or for a model of faces the detector dlib"
        )


def has_known_landmarks(model: Model) -> bool:
    """Return whether the scene of each seed is known. It is for the bundled models, at ψ = 1."""
    return model.path in bundled_models().values() and model.generator.config.z_dim == Z_DIM


def landmark_cases(model: Model, points: int, *, masked: bool = False) -> Iterator[EvaluationCase]:
    """Drag landmarks of one seed to where another seed has them. The iterator has no end.

    Args:
        points: 1: the tip of the nose; 5: eyes, nose and corners of the mouth; 68: all that are visible in both images.
        masked: only the head, and the area where it should move to, may change.
    """
    landmark_names = {1: ONE_LANDMARK, 5: FIVE_LANDMARKS, 68: LANDMARKS}[points]
    yield from _scene_cases(model, lambda _: landmark_names, masked)


def tracking_cases(model: Model) -> Iterator[EvaluationCase]:
    """Drag one point: a landmark or, if landmarks are not known, an image corner. The iterator has no end."""
    if has_known_landmarks(model):
        yield from _scene_cases(
            model, lambda case_number: (TRACKED_LANDMARKS[case_number % len(TRACKED_LANDMARKS)],), False
        )
    else:
        yield from _corner_cases(model)


def paired_cases(model: Model) -> Iterator[EvaluationCase]:
    """Drag 32 points of an image towards a second image whose latent is near. The iterator has no end.

    How far each point moves is known from the scene, or else measured by optical flow.
    """
    for case_number in itertools.count():
        yield (
            _paired_scene_case(model, case_number)
            if has_known_landmarks(model)
            else _paired_flow_case(model, case_number)
        )


@cache
def _pair_of_scenes(case_number: int) -> tuple[int, NDArray[np.float64], NDArray[np.bool_]]:
    """Return the first of two seeds, and of both the landmarks `[2, 68, 2]`, px at 128, and their visibility `[2, 68]`."""
    first_seed, second_seed = (int(seed) for seed in np.random.default_rng([1, case_number]).integers(1000, 2**31, 2))
    landmarks = build_scene(np.concatenate([z_of_seed(first_seed), z_of_seed(second_seed)])).landmarks
    return first_seed, to_pixels(landmarks.points, 128), landmarks.visible


def _scene_cases(model: Model, names_of: Callable[[int], Sequence[str]], masked: bool) -> Iterator[EvaluationCase]:
    case_count, image_height = 0, model.generator.image_shape[0]
    pixel_scale = image_height / 128
    for case_number in itertools.count():
        seed, points, is_visible = _pair_of_scenes(case_number)
        landmark_indices = [i for i in map(LANDMARKS.index, names_of(case_count)) if is_visible[:, i].all()]
        if not landmark_indices:
            continue
        if (
            np.linalg.norm(points[0, landmark_indices] - points[1, landmark_indices], axis=1).mean()
            < MIN_LANDMARK_DISTANCE
        ):
            continue
        handles, targets = (points[:, landmark_indices] + 0.5) * pixel_scale - 0.5
        mask = head_mask(points, image_height) if masked else None
        drag_task = DragTask(_latent(model, seed), point_pairs(handles, targets), mask)
        yield EvaluationCase(case_count, drag_task, tuple(LANDMARKS[i] for i in landmark_indices))
        case_count += 1


def head_mask(points: NDArray[np.float64], image_height: int) -> NDArray[np.uint8]:
    """Return a mask of the heads with landmarks `[N, 68, 2]` (px at 128), and of 4 px around them.

    Returns:
        `uint8 [H, H]`, 1 = may move.
    """
    mask_image = Image.new("L", (image_height, image_height))
    mask_draw = ImageDraw.Draw(mask_image)
    for head_points in (points + 0.5) * (image_height / 128) - 0.5:
        positions_by_name = {
            landmark_name: _point(landmark_point)
            for landmark_name, landmark_point in zip(LANDMARKS, head_points, strict=True)
        }
        polygons = [
            [positions_by_name[landmark_name] for landmark_name in LANDMARKS if landmark_name.startswith("outline")]
        ]
        for ear_side in SIDES:
            ear_names = ("ear_inner_low", "ear_inner_high", "ear_tip", "ear_outer_high", "ear_outer_low")
            polygons.append([positions_by_name[f"{landmark_name}_{ear_side}"] for landmark_name in ear_names])
        polygons.append(
            [positions_by_name[landmark_name] for landmark_name in ("muzzle_left", "chin", "muzzle_right", "nose_top")]
        )
        for polygon_points in polygons:
            mask_draw.polygon(polygon_points, fill=1)
    margin_size = 2 * round(4 * image_height / 128) + 1
    return np.asarray(mask_image.filter(ImageFilter.MaxFilter(margin_size)), dtype=np.uint8)


def _paired_scene_case(model: Model, case_number: int) -> EvaluationCase:
    """Change the shape components of z only, so that the colours stay the same."""
    rng = np.random.default_rng([2, case_number])
    z = rng.standard_normal((1, Z_DIM))
    goal_z = z.copy()
    goal_z[:, SHAPE_COMPONENTS] += PAIRED_CHANGE * rng.standard_normal(len(SHAPE_COMPONENTS))
    # The mapping normalises z, so a longer shape part would change the colours too.
    goal_z[:, SHAPE_COMPONENTS] *= np.linalg.norm(z[:, SHAPE_COMPONENTS]) / np.linalg.norm(goal_z[:, SHAPE_COMPONENTS])
    landmarks = build_scene(np.concatenate([z, goal_z])).landmarks
    visible_in_both = np.flatnonzero(landmarks.visible.all(axis=0))
    landmark_indices = np.sort(rng.choice(visible_in_both, PAIRED_POINTS, replace=False))
    handles, targets = to_pixels(landmarks.points, model.generator.image_shape[0])[:, landmark_indices]
    ws, goal_ws = (
        model.generator.mapping(torch.from_numpy(one_z.astype(np.float32)).to(model.generator.device))
        for one_z in (z, goal_z)
    )
    drag_task = DragTask(ws, point_pairs(handles, targets))
    return EvaluationCase(case_number, drag_task, tuple(LANDMARKS[i] for i in landmark_indices), goal_ws)


def _paired_flow_case(model: Model, case_number: int) -> EvaluationCase:
    """Add noise to w, and measure by optical flow where the points of the image move."""
    rng = np.random.default_rng([2, case_number])
    generator = model.generator
    ws = _latent(model, int(rng.integers(1000, 2**31)))
    w_noise = torch.from_numpy(rng.standard_normal((1, 1, ws.shape[2])).astype(np.float32)).to(ws)
    goal_ws = ws + PAIRED_CHANGE * _w_deviation(model) * w_noise
    image_before, image_after = generate_image(generator, ws), generate_image(generator, goal_ws)
    flow, reverse_flow = dis_flow()(image_before, image_after), dis_flow()(image_after, image_before)
    image_height, image_width = image_before.shape[:2]
    y, x = np.mgrid[0:image_height, 0:image_width]
    pixel_grid = np.stack([x, y], axis=-1).astype(np.float32)
    # The flow is wrong where the flow back leads elsewhere, or where it leaves the image.
    is_unreliable = np.linalg.norm(flow + sample_flow(reverse_flow, pixel_grid + flow), axis=2) > 1
    is_unreliable |= ((pixel_grid + flow < 0) | (pixel_grid + flow > (image_width - 1, image_height - 1))).any(axis=2)
    flow_lengths = np.where(is_unreliable, -1, np.linalg.norm(flow, axis=2)).ravel()
    # Of the right points, take the quarter that moves farthest: the backdrop does not move.
    farthest_pixels = np.argsort(-flow_lengths, kind="stable")[: max(PAIRED_POINTS, (flow_lengths >= 0).sum() // 4)]
    pixel_indices = np.sort(rng.choice(farthest_pixels, PAIRED_POINTS, replace=False))
    handles = pixel_grid.reshape(-1, 2)[pixel_indices]
    targets = handles + flow.reshape(-1, 2)[pixel_indices]
    return EvaluationCase(case_number, DragTask(ws, point_pairs(handles, targets)), (), goal_ws)


def _corner_cases(model: Model) -> Iterator[EvaluationCase]:
    """Drag a corner (Shi and Tomasi 1994) in a random direction by a twelfth of the image height."""
    import cv2

    image_height, image_width = model.generator.image_shape
    for case_number in itertools.count():
        rng = np.random.default_rng([3, case_number])
        ws = _latent(model, int(rng.integers(1000, 2**31)))
        grey_image = cv2.cvtColor(generate_image(model.generator, ws), cv2.COLOR_RGB2GRAY)
        border_width = image_height // 8
        inner_area = np.zeros_like(grey_image)
        inner_area[border_width : image_height - border_width, border_width : image_width - border_width] = 255
        image_corners = cv2.goodFeaturesToTrack(grey_image, 20, 0.01, image_height / 32, mask=inner_area)
        handle = (
            (image_width / 2, image_height / 2)
            if image_corners is None
            else _point(image_corners[rng.integers(len(image_corners)), 0])
        )
        drag_angle = rng.uniform(0, 2 * np.pi)
        target = (
            handle[0] + image_height / 12 * float(np.cos(drag_angle)),
            handle[1] + image_height / 12 * float(np.sin(drag_angle)),
        )
        yield EvaluationCase(case_number, DragTask(ws, [(handle, target)]))


def _latent(model: Model, seed: int) -> Tensor:
    return latent_of_seed(model.generator, seed, model.info.psi)


@cache
def _w_deviation(model: Model) -> float:
    """Return the mean standard deviation of the components of w."""
    z = torch.from_numpy(np.random.RandomState(0).randn(1000, model.generator.config.z_dim).astype(np.float32))
    class_labels = torch.zeros(1000, model.generator.config.c_dim) if model.generator.config.c_dim else None
    with torch.no_grad():
        ws = model.generator.mapping(z.to(model.generator.device), class_labels, psi=model.info.psi)
        return float(ws[:, 0].std(dim=0).mean())


def point_pairs(handles: NDArray[np.floating], targets: NDArray[np.floating]) -> list[tuple[Point, Point]]:
    """Return points `[P, 2]` as pairs of handle and target."""
    return [(_point(handle), _point(target)) for handle, target in zip(handles, targets, strict=True)]


def _point(xy: NDArray[np.floating]) -> Point:
    return float(xy[0]), float(xy[1])
