"""Measure how well a generator draws the scenes, and make sheets of its images."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from draggan_engine.critters.scene.animal_parameters import animal_parameters, z_of_seed
from draggan_engine.critters.scene.render import render_scene
from draggan_engine.critters.scene.scene import Scene, scene_from_parameters
from draggan_engine.evaluation.image_grid import image_grid
from draggan_engine.evaluation.landmark_detector import detect_landmarks
from draggan_engine.evaluation.statistics import frechet_distance
from draggan_engine.networks.generate import to_uint8
from draggan_engine.networks.generator import Generator

from .losses import face_part_weights
from .training_data import combine_rows

HELD_OUT_SEEDS = range(64)
"""Seeds as the editor counts them. Training never draws from their random stream."""
METRIC_BATCH = 16
SHEET_COLUMNS = 8


class SceneErrors(NamedTuple):
    """How far generated images are from the scenes that they should show.

    Attributes:
        whole: mean absolute error (range −1…1) over whole images.
        parts: the same within discs around eyes, nose and mouth.
        frechet: Fréchet distance between both sets of images in the landmark detector's features.
    """

    whole: float
    parts: float
    frechet: float


@torch.no_grad()
def generate_scene_images(
    generator: Generator, seeds: Sequence[int], resolution: int, colouring: Sequence[int] | None = None
) -> Tensor:
    """Return the images of seeds, `[N, 3, H, H]` on the CPU.

    Args:
        colouring: the seeds of the rows of ws that a drag does not change; None: the same seeds.
    """
    image_batches = []
    z_batches, colouring_batches = (
        torch.split(_latents(batch_seeds), METRIC_BATCH) for batch_seeds in (seeds, colouring or seeds)
    )
    for z, colouring_z in zip(z_batches, colouring_batches, strict=True):
        shaping_ws, colouring_ws = (
            generator.mapping(latents.float().to(generator.device)) for latents in (z, colouring_z)
        )
        image_batch = generator.synthesis(combine_rows(shaping_ws, colouring_ws), image=resolution).image
        assert image_batch is not None
        image_batches.append(image_batch.cpu())
    return torch.cat(image_batches)


def _latents(seeds: Sequence[int]) -> Tensor:
    """Return `[N, Z_DIM]`, float64."""
    return torch.from_numpy(np.concatenate([z_of_seed(seed) for seed in seeds]))


def scenes_of_seeds(seeds: Sequence[int], colouring: Sequence[int] | None = None) -> Scene:
    """Return the scenes that `generate_scene_images` should show."""
    return scene_from_parameters(
        *(animal_parameters(_latents(scene_seeds).numpy()) for scene_seeds in (seeds, colouring or seeds))
    )


def measure_errors(
    generator: Generator, resolution: int, seeds: Sequence[int] = HELD_OUT_SEEDS, colouring: Sequence[int] | None = None
) -> SceneErrors:
    """Compare generated images of seeds with their scenes, which are drawn with 4×4 samples per pixel."""
    scene = scenes_of_seeds(seeds, colouring)
    true_images = torch.from_numpy(render_scene(scene, resolution, 4))
    generated_images = generate_scene_images(generator, seeds, resolution, colouring)
    pixel_errors = (generated_images - true_images).abs().mean(dim=1, keepdim=True)
    in_parts = face_part_weights(scene, resolution) > 1
    true_features, generated_features = (
        detect_landmarks(x.clamp(-1, 1)).features for x in (true_images, generated_images)
    )
    frechet = frechet_distance(true_features, generated_features)
    return SceneErrors(float(pixel_errors.mean()), float(pixel_errors[in_parts].mean()), frechet)


@torch.no_grad()
def interpolate_seeds(
    generator: Generator, resolution: int, seeds: Sequence[int], step_count: int = SHEET_COLUMNS
) -> list[Tensor]:
    """Return a row of images `[step_count, 3, H, H]` from each seed to the next, along straight lines in W."""
    ws = generator.mapping(_latents(seeds).float().to(generator.device))
    position_shares = torch.linspace(0, 1, step_count, device=ws.device)[:, None, None]
    image_rows = []
    for first_ws, next_ws in itertools.pairwise(ws):
        image_batch = generator.synthesis(first_ws.lerp(next_ws, position_shares), image=resolution).image
        assert image_batch is not None
        image_rows.append(image_batch.cpu())
    return image_rows


def save_sample_sheet(
    generator: Generator, resolution: int, sheet_path: Path, seeds: Sequence[int] = range(32)
) -> None:
    """Write rows of scenes, each above a row of the generator's images of the same seeds."""
    true_images = torch.from_numpy(render_scene(scenes_of_seeds(seeds), resolution, 4))
    generated_images = generate_scene_images(generator, seeds, resolution)
    row_pairs = zip(torch.split(true_images, SHEET_COLUMNS), torch.split(generated_images, SHEET_COLUMNS), strict=True)
    tensor_grid([image_row for row_pair in row_pairs for image_row in row_pair]).save(sheet_path)


def tensor_grid(image_rows: Sequence[Tensor]) -> Image.Image:
    """Return a grid of rows of images `[N, 3, H, H]` in [−1, 1]."""
    return image_grid(
        [[Image.fromarray(to_uint8(row_image[None])) for row_image in image_row] for image_row in image_rows]
    )
