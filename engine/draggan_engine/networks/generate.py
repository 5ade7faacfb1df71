"""From a seed to a latent, and from a latent to an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .generator import Generator


@torch.no_grad()
def latent_of_seed(generator: Generator, seed: int, psi: float, label: int = 0) -> Tensor:
    """Return the latent of a seed, ws `[1, num_ws, w_dim]`.

    z is numpy's `RandomState(seed).randn`, as in other StyleGAN tools, so that the same seed gives the same image.

    Args:
        psi: truncation ψ; 1 = none.
        label: the class of a conditional model; other models ignore it.
    """
    z = np.random.RandomState(seed).randn(1, generator.config.z_dim).astype(np.float32)
    one_hot = None
    if generator.config.c_dim:
        one_hot = torch.zeros(1, generator.config.c_dim, device=generator.device)
        one_hot[0, label] = 1
    ws: Tensor = generator.mapping(torch.from_numpy(z).to(generator.device), one_hot, psi=psi)
    return ws


def to_uint8(image: Tensor) -> NDArray[np.uint8]:
    """Convert an image `[1, C, H, W]` in [−1, 1] to RGB, `uint8 [H, W, 3]`; C is 1, 3 or 4, and alpha is dropped."""
    pixels = (image[0, :3] * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    rgb: NDArray[np.uint8] = pixels.cpu().numpy()
    return np.ascontiguousarray(np.broadcast_to(rgb, (*rgb.shape[:2], 3)))


@torch.no_grad()
def generate_images(generator: Generator, latents: Sequence[Tensor], batch_size: int = 16) -> Tensor:
    """Return the images of latents `[1, num_ws, w_dim]`, `[N, 3, H, W]` in −1…1 on the CPU; of no latents, an empty tensor."""
    if not latents:
        return torch.empty(0)
    ws = torch.cat(list(latents)).to(generator.device)
    images = [generator.synthesis(ws_batch).image.cpu() for ws_batch in torch.split(ws, batch_size)]
    return torch.cat(images)[:, :3].clamp(-1, 1)


@torch.no_grad()
def generate_image(generator: Generator, ws: Tensor, height: int | None = None) -> NDArray[np.uint8]:
    """Return the image of `ws` `[1, num_ws, w_dim]`, `uint8 [H, W, 3]`.

    Args:
        height: one of the network's `image_heights`; None = full height. A smaller image may look different: see
            `preview_fidelity`.
    """
    return to_uint8(generator.synthesis(ws, image=height).image)
