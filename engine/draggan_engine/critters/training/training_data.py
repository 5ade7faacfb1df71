"""Scenes to learn from, drawn while the last ones are learned."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from draggan_engine.critters.scene.animal_parameters import Z_DIM, animal_parameters
from draggan_engine.critters.scene.render import render_scene, render_windows
from draggan_engine.critters.scene.scene import scene_from_parameters

from . import face_crops
from .face_crops import WindowCorners
from .losses import face_part_weights

SHAPING_ROWS = 6
"""Of ws, from the first: those that a drag moves (`DragSettings.layers`). They are taught to decide shapes alone, so that a
drag changes no colours: in half of the pictures the other rows, with the colours, are another animal's."""
MIN_RECOLORED_HEIGHT = 32
"""The smallest height, px, of pictures that have more rows than those."""
BATCH_REPETITIONS, REPETITION_DISTANCE = 2, 16
"""A lesson is learned so many times, with so many newer ones begun in between: drawing a picture at 256 px takes a CPU a third as
long as learning from it. More looks teach the lessons' own pictures: with six, 4,000 steps of 16 pictures left faces that had been
seen 7 % nearer to the drawings than the model before, and new ones no nearer."""


def combine_rows(shaping: Tensor, colouring: Tensor) -> Tensor:
    """The first rows of some ws with the other rows of others; all `[N, num_ws, w_dim]`."""
    return torch.cat([shaping[:, :SHAPING_ROWS], colouring[:, SHAPING_ROWS:]], dim=1)


class TrainingBatch(NamedTuple):
    """What to draw.

    Attributes:
        z: `[N, Z_DIM]`, of the shapes and the first `SHAPING_ROWS` rows.
        colouring: `[N, Z_DIM]`, z of the colours and the other rows; `z` itself in half of the pictures or more.
        pictures: `[N, 3, H, H]` in [−1, 1].
        weight: `[N, 1, H, H]`, how much their pixels count.
    """

    z: Tensor
    colouring: Tensor
    pictures: Tensor
    weight: Tensor
    corners: WindowCorners | None = None

    def to(self, device: torch.device) -> TrainingBatch:
        z, colouring, pictures, weight = (part.to(device) for part in self[:4])
        return TrainingBatch(z, colouring, pictures, weight, self.corners)


def draw_batch(
    seed: tuple[int, ...], number: int, count: int, resolution: int, crop_faces: bool = False
) -> TrainingBatch:
    """That of a number: a resumed run goes on with the same. `crop_faces`: of windows of the pictures."""
    rng = np.random.default_rng([*seed, number])
    z, colouring = rng.standard_normal((2, count, Z_DIM))
    recolour = count // 2 if resolution >= MIN_RECOLORED_HEIGHT else 0
    colouring[recolour:] = z[recolour:]
    scene = scene_from_parameters(animal_parameters(z), animal_parameters(colouring))
    of_shapes, of_colours = (torch.from_numpy(some.astype(np.float32)) for some in (z, colouring))
    weight = face_part_weights(scene, resolution)
    if not crop_faces:
        return TrainingBatch(of_shapes, of_colours, torch.from_numpy(render_scene(scene, resolution)), weight)
    corners, anywhere = face_crops.choose_windows(scene, resolution, rng)
    size = face_crops.window_size(resolution)
    weight = face_crops.crop_windows(weight, corners, size)
    weight[anywhere] = weight[anywhere].clamp_min(face_crops.RANDOM_WINDOW_WEIGHT)
    pictures = torch.from_numpy(render_windows(scene, resolution, corners, size))
    return TrainingBatch(of_shapes, of_colours, pictures, weight, corners)


def batch_number(step: int) -> int:
    """Number of the lesson that a step learns from: each `LOOKS`-th is a new one."""
    newer, look = divmod(step, BATCH_REPETITIONS)
    return newer + (BATCH_REPETITIONS - 1 - look) * REPETITION_DISTANCE


def training_batches(
    seed: tuple[int, ...], count: int, steps: Sequence[tuple[int, int, bool]]
) -> Iterator[TrainingBatch]:
    """Those of (step, resolution, close-up), drawn in another thread while others are learned, and kept until they have been
    learned `LOOKS` times."""
    wanted = [(batch_number(step), resolution, crop_faces) for step, resolution, crop_faces in steps]
    drawn: OrderedDict[tuple[int, int, bool], Future[TrainingBatch]] = OrderedDict()
    with ThreadPoolExecutor(max_workers=1) as pool:
        for i, now in enumerate(wanted):
            for one in wanted[i : i + 2 * BATCH_REPETITIONS]:
                if one not in drawn:
                    number, resolution, crop_faces = one
                    drawn[one] = pool.submit(draw_batch, seed, number, count, resolution, crop_faces)
                drawn.move_to_end(one)
            while len(drawn) > BATCH_REPETITIONS * (
                REPETITION_DISTANCE + 2
            ):  # a lesson comes again after LOOKS * APART steps
                drawn.popitem(last=False)
            yield drawn[now].result()
