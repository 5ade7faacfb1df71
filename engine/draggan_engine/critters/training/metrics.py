"""How well a generator draws the scenes: numbers, and sheets to look at."""

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
from draggan_engine.networks.generate import to_uint8
from draggan_engine.networks.generator import Generator

from .losses import face_part_weights
from .training_data import combine_rows

HELD_OUT_SEEDS = range(64)  # seeds as the product counts them; training never draws from that stream
METRIC_BATCH = 16
SHEET_COLUMNS = 8  # pictures in a row of a sheet


class SceneErrors(NamedTuple):
    """Mean absolute error (range −1…1) over the pictures, and inside the discs round eyes, nose and mouth; and the Fréchet
    distance between both sets of pictures in the landmark detector's features."""

    whole: float
    parts: float
    frechet: float


@torch.no_grad()
def generate_images(
    generator: Generator, seeds: Sequence[int], resolution: int, colouring: Sequence[int] | None = None
) -> Tensor:
    """`[N, 3, H, H]` on the CPU; `colouring`: other seeds, of the rows that a drag leaves as they are."""
    made = []
    for z, other in zip(
        *(torch.split(_latents(some), METRIC_BATCH) for some in (seeds, colouring or seeds)), strict=True
    ):
        shaping, rest = (generator.mapping(some.float().to(generator.device)) for some in (z, other))
        image = generator.synthesis(combine_rows(shaping, rest), image=resolution).image
        assert image is not None
        made.append(image.cpu())
    return torch.cat(made)


def _latents(seeds: Sequence[int]) -> Tensor:
    """`[N, Z_DIM]`, float64."""
    return torch.from_numpy(np.concatenate([z_of_seed(seed) for seed in seeds]))


def scenes_of_seeds(seeds: Sequence[int], colouring: Sequence[int] | None = None) -> Scene:
    """The scenes that those pictures are to show."""
    return scene_from_parameters(*(animal_parameters(_latents(some).numpy()) for some in (seeds, colouring or seeds)))


def measure_errors(
    generator: Generator, resolution: int, seeds: Sequence[int] = HELD_OUT_SEEDS, colouring: Sequence[int] | None = None
) -> SceneErrors:
    """On held-out scenes, drawn with 4×4 samples a pixel."""
    from draggan_engine.evaluation.landmark_detector import detect_landmarks
    from draggan_engine.evaluation.statistics import frechet_distance

    scene = scenes_of_seeds(seeds, colouring)
    truth = torch.from_numpy(render_scene(scene, resolution, 4))
    made = generate_images(generator, seeds, resolution, colouring)
    error = (made - truth).abs().mean(dim=1, keepdim=True)
    inside = face_part_weights(scene, resolution) > 1
    apart = frechet_distance(*(detect_landmarks(some.clamp(-1, 1)).features for some in (truth, made)))
    return SceneErrors(float(error.mean()), float(error[inside].mean()), apart)


def save_sample_sheet(generator: Generator, resolution: int, path: Path, seeds: Sequence[int] = range(32)) -> None:
    """Rows of scenes and, below each, the generator's pictures."""
    truth = torch.from_numpy(render_scene(scenes_of_seeds(seeds), resolution, 4))
    made = generate_images(generator, seeds, resolution)
    rows = [
        row
        for pair in zip(torch.split(truth, SHEET_COLUMNS), torch.split(made, SHEET_COLUMNS), strict=True)
        for row in pair
    ]
    tensor_sheet(rows).save(path)


@torch.no_grad()
def interpolate_seeds(
    generator: Generator, resolution: int, seeds: Sequence[int], steps: int = SHEET_COLUMNS
) -> list[Tensor]:
    """A row `[steps, 3, H, H]` from each seed to the next, straight in W."""
    ws = generator.mapping(_latents(seeds).float().to(generator.device))
    share = torch.linspace(0, 1, steps, device=ws.device)[:, None, None]
    rows = []
    for first, last in itertools.pairwise(ws):
        image = generator.synthesis(first.lerp(last, share), image=resolution).image
        assert image is not None
        rows.append(image.cpu())
    return rows


def tensor_sheet(rows: Sequence[Tensor]) -> Image.Image:
    """Rows of pictures `[N, 3, H, H]` in [−1, 1]."""
    size, columns = rows[0].shape[3], max(map(len, rows))
    image = Image.new("RGB", (columns * size, len(rows) * size))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            image.paste(Image.fromarray(to_uint8(picture[None])), (x * size, y * size))
    return image
