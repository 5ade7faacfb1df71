"""The cases of each experiment: the same for every method, and each a function of its number alone."""

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
from draggan_engine.networks.generate import generate_image
from draggan_engine.networks.generate import latent_of_seed as latent_in

from .baselines import optical_flow as flows

MIN_LANDMARK_DISTANCE = 4.0
"""Px at 128: pairs of seeds whose landmarks lie nearer together are left out; there is nothing to measure."""
ONE_LANDMARK = ("nose_tip",)
FIVE_LANDMARKS = ("eye_left", "eye_right", "nose_tip", "mouth_left", "mouth_right")
TRACKED_LANDMARKS = ("nose_tip", "eye_left", "mouth_right", "ear_tip_left", "cleft")
"""One for each case in turn."""
PAIRED_POINTS = 32  # of the paired reconstruction
PAIRED_CHANGE = (
    0.5  # of the paired reconstruction: σ of what is added to the shape's components of z, or to w in its own spread
)
COLOR_WORDS = ("hue", "tone", "value", "light")
SHAPE_COMPONENTS = [
    i
    for i, name in enumerate(PARAMETERS)
    if name not in (*SPECIES, *MARKINGS) and not any(word in name for word in COLOR_WORDS)
]


@dataclass(frozen=True)
class EvaluationCase:
    """One edit to be made.

    Attributes:
        number: from 0.
        start: latent, pairs, mask.
        names: the pairs' landmarks; empty for a model without a scene.
        goal: the latent `[1, num_ws, w_dim]` whose picture is to be reached, if there is one.
    """

    number: int
    start: DragTask
    names: tuple[str, ...] = ()
    goal: Tensor | None = None


def require_known_landmarks(model: Model, what: str) -> None:
    """
    Raises:
        InputError: the model's pictures have no landmarks that are known.
    """
    if not has_known_landmarks(model):
        raise InputError(
            f"{what}: it needs images whose landmarks are known, and of {model.name!r} nobody knows them; "
            "run paired and tracking, or use the bundled model"
        )


def has_known_landmarks(model: Model) -> bool:
    """Whether a seed's scene is known: that of the bundled models, at ψ = 1."""
    return model.path in bundled_models().values() and model.generator.config.z_dim == Z_DIM


@cache
def _pair_of_scenes(number: int) -> tuple[tuple[int, int], NDArray[np.float64], NDArray[np.bool_]]:
    """Two seeds, and of both their landmarks `[2, 68, 2]` (px at 128) and their visibility `[2, 68]`."""
    first, second = (int(seed) for seed in np.random.default_rng([1, number]).integers(1000, 2**31, 2))
    marks = build_scene(np.concatenate([z_of_seed(first), z_of_seed(second)])).landmarks
    return (first, second), to_pixels(marks.points, 128), marks.visible


def landmark_cases(model: Model, points: int, *, masked: bool = False) -> Iterator[EvaluationCase]:
    """Landmarks of one seed are dragged to those of another: the nose's tip, five, or all 68 that both show. Without end.

    Args:
        masked: the head and where it shall be may move, the rest not.
    """
    names = {1: ONE_LANDMARK, 5: FIVE_LANDMARKS, 68: LANDMARKS}[points]
    yield from _scene_cases(model, lambda _: names, masked)


def tracking_cases(model: Model) -> Iterator[EvaluationCase]:
    """One landmark, in turn one of `TRACKED`; without a scene a point that stands out. Without end."""
    if has_known_landmarks(model):
        yield from _scene_cases(model, lambda number: (TRACKED_LANDMARKS[number % len(TRACKED_LANDMARKS)],), False)
    else:
        yield from _corner_cases(model)


def _scene_cases(model: Model, names_of: Callable[[int], Sequence[str]], masked: bool) -> Iterator[EvaluationCase]:
    count, scale = 0, model.generator.image_shape[0] / 128
    for number in itertools.count():
        (seed, _), marks, visible = _pair_of_scenes(number)
        chosen = [i for i in map(LANDMARKS.index, names_of(count)) if visible[:, i].all()]
        if not chosen or np.linalg.norm(marks[0, chosen] - marks[1, chosen], axis=1).mean() < MIN_LANDMARK_DISTANCE:
            continue
        places = (marks[:, chosen] + 0.5) * scale - 0.5
        pairs = [(_point(a), _point(b)) for a, b in zip(*places, strict=True)]
        mask = head_mask(marks, model.generator.image_shape[0]) if masked else None
        yield EvaluationCase(count, DragTask(_latent(model, seed), pairs, mask), tuple(LANDMARKS[i] for i in chosen))
        count += 1


def head_mask(marks: NDArray[np.float64], height: int) -> NDArray[np.uint8]:
    """The heads of landmarks `[N, 68, 2]` (px at 128) and 4 px round them: `uint8 [height, height]`, 1 = may move."""
    canvas = Image.new("L", (height, height))
    draw = ImageDraw.Draw(canvas)
    for points in (marks + 0.5) * (height / 128) - 0.5:
        at = {name: _point(point) for name, point in zip(LANDMARKS, points, strict=True)}
        rings = [[at[name] for name in LANDMARKS if name.startswith("outline")]]
        for side in SIDES:
            names = ("ear_inner_low", "ear_inner_high", "ear_tip", "ear_outer_high", "ear_outer_low")
            rings.append([at[f"{name}_{side}"] for name in names])
        rings.append([at[name] for name in ("muzzle_left", "chin", "muzzle_right", "nose_top")])
        for ring in rings:
            draw.polygon(ring, fill=1)
    reach = 2 * round(4 * height / 128) + 1
    return np.asarray(canvas.filter(ImageFilter.MaxFilter(reach)), dtype=np.uint8)


def paired_cases(model: Model) -> Iterator[EvaluationCase]:
    """A picture is to become another one whose latent lies near by, by 32 of the points whose way is known: from the
    scene, or else by optical flow. Without end."""
    for number in itertools.count():
        yield _paired_scene(model, number) if has_known_landmarks(model) else _paired_flow(model, number)


def _paired_scene(model: Model, number: int) -> EvaluationCase:
    """The second z differs in the components of the shape; colours are the same."""
    rng = np.random.default_rng([2, number])
    z = rng.standard_normal((1, Z_DIM))
    other = z.copy()
    other[:, SHAPE_COMPONENTS] += PAIRED_CHANGE * rng.standard_normal(len(SHAPE_COMPONENTS))
    # The mapping looks at z by its length, so that a longer shape would change the colours too.
    other[:, SHAPE_COMPONENTS] *= np.linalg.norm(z[:, SHAPE_COMPONENTS]) / np.linalg.norm(other[:, SHAPE_COMPONENTS])
    scene = build_scene(np.concatenate([z, other])).landmarks
    both = np.flatnonzero(scene.visible.all(axis=0))
    chosen = np.sort(rng.choice(both, PAIRED_POINTS, replace=False))
    places = to_pixels(scene.points, model.generator.image_shape[0])[:, chosen]
    pairs = [(_point(a), _point(b)) for a, b in zip(*places, strict=True)]
    ws, goal = (
        model.generator.mapping(torch.from_numpy(v.astype(np.float32)).to(model.generator.device)) for v in (z, other)
    )
    return EvaluationCase(number, DragTask(ws, pairs), tuple(LANDMARKS[i] for i in chosen), goal)


def _paired_flow(model: Model, number: int) -> EvaluationCase:
    rng = np.random.default_rng([2, number])
    generator = model.generator
    ws = _latent(model, int(rng.integers(1000, 2**31)))
    change = torch.from_numpy(rng.standard_normal((1, 1, ws.shape[2])).astype(np.float32)).to(ws)
    goal = ws + PAIRED_CHANGE * _spread(model) * change
    before, after = generate_image(generator, ws), generate_image(generator, goal)
    there, back = flows.dis_flow()(before, after), flows.dis_flow()(after, before)
    height, width = before.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    grid = np.stack([x, y], axis=-1).astype(np.float32)
    # A point whose way there and back ends elsewhere has been mistaken.
    mistaken = np.linalg.norm(there + flows.sample_flow(back, grid + there), axis=2) > 1
    mistaken |= ((grid + there < 0) | (grid + there > (width - 1, height - 1))).any(axis=2)
    length = np.where(mistaken, -1, np.linalg.norm(there, axis=2)).ravel()
    # Of those that are right the quarter that has gone farthest: the backdrop stays where it is.
    farthest = np.argsort(-length, kind="stable")[: max(PAIRED_POINTS, (length >= 0).sum() // 4)]
    chosen = np.sort(rng.choice(farthest, PAIRED_POINTS, replace=False))
    handles = grid.reshape(-1, 2)[chosen]
    targets = handles + there.reshape(-1, 2)[chosen]
    pairs = [(_point(a), _point(b)) for a, b in zip(handles, targets, strict=True)]
    return EvaluationCase(number, DragTask(ws, pairs), (), goal)


def _corner_cases(model: Model) -> Iterator[EvaluationCase]:
    """From a point that stands out, in a random direction, by a twelfth of the height."""
    import cv2

    height, width = model.generator.image_shape
    for number in itertools.count():
        rng = np.random.default_rng([3, number])
        ws = _latent(model, int(rng.integers(1000, 2**31)))
        grey = cv2.cvtColor(generate_image(model.generator, ws), cv2.COLOR_RGB2GRAY)
        margin = height // 8
        inner = np.zeros_like(grey)
        inner[margin : height - margin, margin : width - margin] = 255
        corners = cv2.goodFeaturesToTrack(grey, 20, 0.01, height / 32, mask=inner)
        handle = (width / 2, height / 2) if corners is None else _point(corners[rng.integers(len(corners)), 0])
        angle = rng.uniform(0, 2 * np.pi)
        target = (handle[0] + height / 12 * float(np.cos(angle)), handle[1] + height / 12 * float(np.sin(angle)))
        yield EvaluationCase(number, DragTask(ws, [(handle, target)]))


def _latent(model: Model, seed: int) -> Tensor:
    return latent_in(model.generator, seed, model.info.psi)


@cache
def _spread(model: Model) -> float:
    """Standard deviation of w's components, averaged."""
    z = torch.from_numpy(np.random.RandomState(0).randn(1000, model.generator.config.z_dim).astype(np.float32))
    c = torch.zeros(1000, model.generator.config.c_dim) if model.generator.config.c_dim else None
    with torch.no_grad():
        return float(
            model.generator.mapping(z.to(model.generator.device), c, psi=model.info.psi)[:, 0].std(dim=0).mean()
        )


def _point(xy: NDArray[np.floating]) -> Point:
    return float(xy[0]), float(xy[1])
