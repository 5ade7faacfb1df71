"""Tunings of small generators with random numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from draggan_engine.networks.feature_blend import BlendTensors
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.generator_tuning import GeneratorTuning, choose_blend_block, own_features


def left_half(generator: Generator) -> Tensor:
    """Return an area `[1, 1, H, W]` that is 1 in the left half of the image and 0 in the right one."""
    height, width = generator.image_shape
    area = torch.zeros(1, 1, height, width, dtype=generator.mapping.w_avg.dtype)
    area[..., : width // 2] = 1
    return area


def random_tuning(generator: Generator, ws: Tensor) -> GeneratorTuning:
    """Return a tuning that changes the first convolution, and has random features in the right half of the image."""
    random_numbers = torch.Generator().manual_seed(0)

    def noise_like(tensor: Tensor) -> Tensor:
        return torch.randn(tensor.shape, generator=random_numbers).to(tensor)

    names = [name for name, parameter in generator.synthesis.named_parameters() if parameter.ndim == 4]
    changes = {name: 0.1 * noise_like(generator.synthesis.get_parameter(name)) for name in names[:2]}
    block_name = choose_blend_block(generator.synthesis)
    own = own_features(generator.synthesis, block_name, ws, left_half(generator))
    image = None if own.image is None else noise_like(own.image)
    return GeneratorTuning(changes, BlendTensors(block_name, own.mask, noise_like(own.features), image))
