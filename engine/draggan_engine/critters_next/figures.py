"""How well a generator draws the scenes: numbers, and sheets to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from draggan_engine.networks.generator import Generator

from .losses import part_weights
from .numbers import latent_of_seed
from .render import render
from .scene import Scene, build_scene

HELD_OUT = range(64)  # seeds as the product counts them; training never draws from that stream
AT_ONCE = 16


class Errors(NamedTuple):
    """Mean absolute error (range −1…1) over the pictures, and inside the discs round eyes, nose and mouth; and the Fréchet
    distance between both sets of pictures in the landmark detector's features."""

    whole: float
    parts: float
    frechet: float


@torch.no_grad()
def pictures_of(generator: Generator, seeds: Sequence[int], resolution: int) -> Tensor:
    """`[N, 3, H, H]` on the CPU."""
    z = torch.from_numpy(np.concatenate([latent_of_seed(seed) for seed in seeds]).astype(np.float32))
    made = []
    for some in torch.split(z.to(generator.device), AT_ONCE):
        image = generator.synthesis(generator.mapping(some), image=resolution).image
        assert image is not None
        made.append(image.cpu())
    return torch.cat(made)


def scenes_of(seeds: Sequence[int]) -> Scene:
    """The scenes that those pictures are to show."""
    return build_scene(np.concatenate([latent_of_seed(seed) for seed in seeds]))


def errors(generator: Generator, resolution: int, seeds: Sequence[int] = HELD_OUT) -> Errors:
    """On held-out scenes, drawn with 4×4 samples a pixel."""
    from draggan_engine.evaluation.detector import detect
    from draggan_engine.evaluation.statistics import frechet_distance

    scene = scenes_of(seeds)
    truth = torch.from_numpy(render(scene, resolution, 4))
    made = pictures_of(generator, seeds, resolution)
    error = (made - truth).abs().mean(dim=1, keepdim=True)
    inside = part_weights(scene, resolution) > 1
    apart = frechet_distance(*(detect(some.clamp(-1, 1)).features for some in (truth, made)))
    return Errors(float(error.mean()), float(error[inside].mean()), apart)


def sample_sheet(generator: Generator, resolution: int, path: Path, seeds: range = range(32), columns: int = 8) -> None:
    """Rows of scenes and, below each, the generator's pictures."""
    truth = render(scenes_of(seeds), resolution, 4)
    made = pictures_of(generator, seeds, resolution).numpy()
    sheet = Image.new("RGB", (columns * resolution, 2 * len(seeds) // columns * resolution))
    for i in range(len(seeds)):
        for row, source in ((0, truth), (1, made)):
            pixels = np.clip((source[i].transpose(1, 2, 0) + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)
            sheet.paste(Image.fromarray(pixels), (i % columns * resolution, (i // columns * 2 + row) * resolution))
    sheet.save(path)
