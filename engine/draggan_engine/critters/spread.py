"""How wide W is. A network gives the same pictures whatever its scale, but steps in it are of fixed sizes."""

from __future__ import annotations

import numpy as np
import torch

from draggan_engine.networks.generator import Generator
from draggan_engine.networks.ops import Dense


def last_layer(generator: Generator) -> Dense:
    """Of the mapping: it makes w."""
    last = generator.mapping.get_submodule(f"fc{generator.config.mapping_layers - 1}")
    assert isinstance(last, Dense)
    return last


@torch.no_grad()
def scale_w(generator: Generator, factor: float) -> None:
    """Makes all w that factor larger; no picture changes.

    The last mapping layer is positively homogeneous (leaky ReLU), so scaling its weight and bias scales w, and each
    style layer takes it back.
    """
    last = last_layer(generator)
    last.weight.mul_(factor)
    last.bias.mul_(factor)
    generator.mapping.w_avg.mul_(factor)
    for name, module in generator.synthesis.named_modules():
        if name.endswith("affine"):
            assert isinstance(module, Dense)
            module.weight.div_(factor)


@torch.no_grad()
def unit_spread(generator: Generator, samples: int = 10_000) -> None:
    """Scales W so that its components have a standard deviation of 1, and sets `w_avg`; no picture changes. A drag's step
    size then means the same for every training run."""
    z = torch.from_numpy(np.random.RandomState(0).randn(samples, generator.config.z_dim).astype(np.float32))
    scale_w(generator, 1 / float(generator.mapping(z)[:, 0].std(dim=0).mean()))
    generator.mapping.w_avg.copy_(generator.mapping(z)[:, 0].mean(dim=0))
