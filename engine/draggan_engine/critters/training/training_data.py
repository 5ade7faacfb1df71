"""Batches of drawn scenes. They are drawn in a thread while the trainer learns from earlier ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
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
"""The first rows of ws: those that a drag changes (`DragSettings.layers`).

They are taught to decide shapes only, so that a drag changes no colours: in half of the images the other rows, which have
the colours, come from another animal."""
MIN_RECOLORED_HEIGHT = 32
"""The smallest height of images that have more rows than those, px."""


@dataclass(frozen=True)
class RepetitionSchedule:
    """How often each batch is used.

    Drawing an image at 256 px takes a CPU a third as long as learning from it.

    Attributes:
        repetitions: how many steps learn from each batch.
        distance: how many newer batches begin between two uses of a batch.
    """

    repetitions: int = 2
    distance: int = 16

    def batch_number(self, step: int) -> int:
        """Return the number of the batch that a step learns from."""
        newest_batch, use_index = divmod(step, self.repetitions)
        return newest_batch + (self.repetitions - 1 - use_index) * self.distance


SCHEDULE = RepetitionSchedule()


def combine_rows(shaping: Tensor, colouring: Tensor) -> Tensor:
    """Return the first rows of some ws with the other rows of others; all `[N, num_ws, w_dim]`."""
    return torch.cat([shaping[:, :SHAPING_ROWS], colouring[:, SHAPING_ROWS:]], dim=1)


class TrainingBatch(NamedTuple):
    """Images to learn, and their latents.

    Attributes:
        z: `[N, Z_DIM]`, decides the shapes and the first `SHAPING_ROWS` rows.
        colouring: `[N, Z_DIM]`, decides the colours and the other rows; equal to `z` in at least half of the images.
        images: `[N, 3, h, w]` in [−1, 1].
        weight: `[N, 1, h, w]`, how much each pixel counts.
        corners: where in the whole images the windows are; None: the images are whole.
    """

    z: Tensor
    colouring: Tensor
    images: Tensor
    weight: Tensor
    corners: WindowCorners | None = None

    def to(self, device: torch.device) -> TrainingBatch:
        z, colouring, images, weight = (batch_tensor.to(device) for batch_tensor in self[:4])
        return TrainingBatch(z, colouring, images, weight, self.corners)


BatchFunction = Callable[[tuple[int, ...], int, int, int, bool], TrainingBatch]


def draw_batch(
    seed: tuple[int, ...], batch_number: int, image_count: int, resolution: int, crop_faces: bool = False
) -> TrainingBatch:
    """Draw the batch with a number. The same arguments give the same batch, so that a run can be resumed.

    Args:
        seed: of the run and the worker.
        image_count: how many images.
        crop_faces: whether to draw windows of the images, most of them around faces.
    """
    rng = np.random.default_rng([*seed, batch_number])
    z, colouring = rng.standard_normal((2, image_count, Z_DIM))
    recolored_count = image_count // 2 if resolution >= MIN_RECOLORED_HEIGHT else 0
    colouring[recolored_count:] = z[recolored_count:]
    scene = scene_from_parameters(animal_parameters(z), animal_parameters(colouring))
    shape_latents, color_latents = (torch.from_numpy(latents.astype(np.float32)) for latents in (z, colouring))
    weight = face_part_weights(scene, resolution)
    if not crop_faces:
        images = torch.from_numpy(render_scene(scene, resolution))
        return TrainingBatch(shape_latents, color_latents, images, weight)
    corners, is_random = face_crops.choose_windows(scene, resolution, rng)
    window_size = face_crops.window_size(resolution)
    weight = face_crops.crop_windows(weight, corners, window_size)
    weight[is_random] = weight[is_random].clamp_min(face_crops.RANDOM_WINDOW_WEIGHT)
    images = torch.from_numpy(render_windows(scene, resolution, corners, window_size))
    return TrainingBatch(shape_latents, color_latents, images, weight, corners)


def training_batches(
    seed: tuple[int, ...],
    image_count: int,
    batch_steps: Sequence[tuple[int, int, bool]],
    schedule: RepetitionSchedule = SCHEDULE,
    draw: BatchFunction = draw_batch,
) -> Iterator[TrainingBatch]:
    """Return the batches of steps in their order. Each is drawn once, ahead of its first use, and kept for the others.

    Args:
        batch_steps: (step, resolution, crop_faces).
    """
    batch_keys = [(schedule.batch_number(step), resolution, crop_faces) for step, resolution, crop_faces in batch_steps]
    drawn_batches: OrderedDict[tuple[int, int, bool], Future[TrainingBatch]] = OrderedDict()
    with ThreadPoolExecutor(max_workers=1) as pool:
        for i, batch_key in enumerate(batch_keys):
            for next_key in batch_keys[i : i + 2 * schedule.repetitions]:
                if next_key not in drawn_batches:
                    batch_number, resolution, crop_faces = next_key
                    drawn_batches[next_key] = pool.submit(draw, seed, batch_number, image_count, resolution, crop_faces)
                drawn_batches.move_to_end(next_key)
            while len(drawn_batches) > schedule.repetitions * (schedule.distance + 2):
                drawn_batches.popitem(last=False)
            yield drawn_batches[batch_key].result()
