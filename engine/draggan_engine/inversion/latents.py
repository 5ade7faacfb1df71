"""The latents of seeds, of classes and of the average image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from draggan_engine.networks.generator import Generator


def z_of_seeds(generator: Generator, seeds: Sequence[int]) -> Tensor:
    """Return the z of seeds, `[N, z_dim]`, on the generator's device."""
    z_dim = generator.config.z_dim
    z = np.concatenate([np.random.RandomState(seed).randn(1, z_dim) for seed in seeds]).astype(np.float32)
    return torch.from_numpy(z).to(generator.device)


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
