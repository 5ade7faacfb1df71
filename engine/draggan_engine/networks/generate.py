"""From a seed to a latent, and from a latent to a picture."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .generator import Generator


@torch.no_grad()
def latent_of_seed(generator: Generator, seed: int, psi: float, label: int = 0) -> Tensor:
    """ws `[1, num_ws, w_dim]`: z is numpy's RandomState(seed).randn, as the users' other StyleGAN tools draw it.

    Args:
        label: the class, of a conditional model; 0 for others.
    """
    z = np.random.RandomState(seed).randn(1, generator.config.z_dim).astype(np.float32)
    c = None
    if generator.config.c_dim:
        c = torch.zeros(1, generator.config.c_dim, device=generator.device)
        c[0, label] = 1
    ws: Tensor = generator.mapping(torch.from_numpy(z).to(generator.device), c, psi=psi)
    return ws


def to_uint8(image: Tensor) -> NDArray[np.uint8]:
    """`[1, 3 or 1, H, W]` in [−1, 1] → `uint8 [H, W, 3]`."""
    pixels = (image[0, :3] * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    array: NDArray[np.uint8] = pixels.cpu().numpy()
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


@torch.no_grad()
def generate_image(generator: Generator, ws: Tensor, height: int | None = None) -> NDArray[np.uint8]:
    """Return the image of `ws` `[1, num_ws, w_dim]`, `uint8 [H, W, 3]`.

    Args:
        height: one of the network's `image_heights`; None = full resolution. A smaller image may look different: see
            `preview_fidelity`.
    """
    return to_uint8(generator.synthesis(ws, image=height).image)
