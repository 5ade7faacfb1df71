"""Where an inversion starts: at the average w, and at the images of random or given seeds that are most like the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.networks.generator import Generator

from .losses import ImageLoss, rgb_images

CANDIDATE_COUNT, MIN_CANDIDATE_COUNT = 200, 8
START_HEIGHT = 64
SEEDS_PER_BATCH = 8


@torch.no_grad()
def choose_starts(
    generator: Generator,
    target: Tensor,
    start_count: int,
    seed: int,
    label: int = 0,
    near_seeds: Sequence[int] = (),
) -> Tensor:
    """Return the average w and those of the best seeds, `[start_count, w_dim]`; fewer if some have no finite image.

    Args:
        target: `[1, 3, H, W]` in −1…1.
        seed: of the random images.
        label: class of a conditional model.
        near_seeds: seeds whose images resemble the target; they take the place of the random images.
    """
    if near_seeds:
        candidates = map_to_ws(generator, z_of_seeds(generator, near_seeds), label)[:, 0]
        w = torch.cat([average_w(generator, label)[None], candidates])
        losses = _losses_of_whole_images(generator, target, w)
    else:
        w, losses = _random_candidates(generator, target, seed, label)
    losses = losses.nan_to_num(nan=torch.inf)
    chosen = torch.cat([losses.new_zeros(1, dtype=torch.long), 1 + losses[1:].argsort()[: start_count - 1]])
    has_image = losses[chosen].isfinite()
    return w[chosen[has_image]] if bool(has_image.any()) else w[:1]


def _random_candidates(generator: Generator, target: Tensor, seed: int, label: int) -> tuple[Tensor, Tensor]:
    """Return the average w and those of random images, `[N, w_dim]`, and their losses, `[N]`.

    Images are compared at about 64 pixels. A network that renders only large images is tried with fewer of them.
    """
    heights = generator.synthesis.image_heights
    height = min((height for height in heights if height >= START_HEIGHT), default=heights[-1])
    width = height * target.shape[3] // target.shape[2]
    loss_of = ImageLoss(F.adaptive_avg_pool2d(target, (height, width)))
    affordable_count = CANDIDATE_COUNT * START_HEIGHT**2 // (height * width)
    candidate_count = min(max(affordable_count, MIN_CANDIDATE_COUNT), CANDIDATE_COUNT)
    z = np.random.RandomState(seed).randn(candidate_count, generator.config.z_dim).astype(np.float32)
    ws = map_to_ws(generator, torch.from_numpy(z).to(generator.device), label)
    w = torch.cat([average_w(generator, label)[None], ws[:, 0]])
    losses = [
        loss_of(rgb_images(generator.synthesis(_repeat_rows(generator, w_batch), image=height).image))
        for w_batch in torch.split(w, SEEDS_PER_BATCH)
    ]
    return w, torch.cat(losses)


def _losses_of_whole_images(generator: Generator, target: Tensor, w: Tensor) -> Tensor:
    """Return the losses `[N]` of the images of w `[N, w_dim]`, averaged down to at most 64 rows."""
    height = min(START_HEIGHT, target.shape[2])
    small_size = (height, height * target.shape[3] // target.shape[2])
    loss_of = ImageLoss(F.adaptive_avg_pool2d(target, small_size))
    losses = []
    for w_of_image in torch.split(w, 1):
        image = rgb_images(generator.synthesis(_repeat_rows(generator, w_of_image)).image)
        losses.append(loss_of(F.adaptive_avg_pool2d(image, small_size)))
    return torch.cat(losses)


def z_of_seeds(generator: Generator, seeds: Sequence[int]) -> Tensor:
    """Return the z of seeds, `[N, z_dim]`, on the generator's device."""
    z_dim = generator.config.z_dim
    z = np.concatenate([np.random.RandomState(seed).randn(1, z_dim) for seed in seeds]).astype(np.float32)
    return torch.from_numpy(z).to(generator.device)


def _repeat_rows(generator: Generator, w: Tensor) -> Tensor:
    return w[:, None].expand(-1, generator.num_ws, -1)


def average_w(generator: Generator, label: int = 0) -> Tensor:
    """Return the average w, `[w_dim]`, of the class if classes have averages of their own."""
    z = torch.zeros(1, generator.config.z_dim, device=generator.device)
    return map_to_ws(generator, z, label, psi=0)[0, 0]


@torch.no_grad()
def map_to_ws(generator: Generator, z: Tensor, label: int, psi: float = 1.0) -> Tensor:
    """Map `z` `[N, z_dim]` to latents of a class, `[N, num_ws, w_dim]`."""
    one_hot = None
    if generator.config.c_dim:
        one_hot = torch.zeros(len(z), generator.config.c_dim, device=z.device)
        one_hot[:, label] = 1
    ws: Tensor = generator.mapping(z, one_hot, psi=psi)
    return ws
