"""How wide W is. A network gives the same pictures whatever its scale, but steps in it are of fixed sizes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from draggan_engine.networks.generator import Generator
from draggan_engine.networks.ops import Dense


def last_layer(generator: Generator) -> Dense:
    """Of the mapping: it makes w."""
    last = generator.mapping.get_submodule(f"fc{generator.config.mapping_layers - 1}")
    assert isinstance(last, Dense)
    return last


@torch.no_grad()
def scale_w(generator: Generator, factors: Tensor) -> None:
    """Makes the components of all w larger by those factors `[w_dim]`, > 0; no picture changes.

    The last mapping layer is positively homogeneous (leaky ReLU), so scaling its weight and bias scales w, and each
    style layer takes it back.
    """
    last = last_layer(generator)
    last.weight.mul_(factors[:, None])
    last.bias.mul_(factors)
    generator.mapping.w_avg.mul_(factors)
    for name, module in generator.synthesis.named_modules():
        if name.endswith("affine"):
            assert isinstance(module, Dense)
            module.weight.div_(factors)


@torch.no_grad()
def unit_spread(generator: Generator, samples: int = 10_000) -> None:
    """Scales W so that each component has a standard deviation of 1, and sets `w_avg`; no picture changes.

    A drag takes steps of about the same size along all components: where they spread unequally, it soon moves the narrow
    ones out of what the generator was ever taught.
    """
    z = torch.from_numpy(np.random.RandomState(0).randn(samples, generator.config.z_dim).astype(np.float32))
    scale_w(generator, 1 / generator.mapping(z)[:, 0].std(dim=0))
    generator.mapping.w_avg.copy_(generator.mapping(z)[:, 0].mean(dim=0))
