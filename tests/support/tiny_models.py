"""Small models that load at once; their images are noise."""

from __future__ import annotations

from pathlib import Path

import torch

from draggan_engine.checkpoints.formats.native import save_native
from draggan_engine.checkpoints.formats.native_header import NativeInfo
from draggan_engine.checkpoints.model_parts import GeneratorPart
from draggan_engine.core.edit import DragSettings
from draggan_engine.networks.config import StyleGAN2Config, StyleGAN3Config, pyramid_channels
from draggan_engine.networks.generator import Generator

NUM_WS, W_DIM = 8, 4


def save_tiny(path: Path, classes: int = 0, settings: DragSettings | None = None) -> Path:
    """Save a model of 32×32 pixels that is named after its file, and return the path."""
    config = StyleGAN2Config(
        resolution=32, z_dim=4, c_dim=classes, w_dim=W_DIM, mapping_layers=1, channels=pyramid_channels(32, 32, 4)
    )
    return save_generator(path, Generator(config), settings)


def save_generator(path: Path, generator: Generator, settings: DragSettings | None = None) -> Path:
    """Save a generator as a model that is named after its file, and return the path."""
    info = NativeInfo(name=path.stem, psi=0.7, settings=settings)
    save_native(path, GeneratorPart.from_network(generator), None, info)
    return path


def random_generator(classes: int = 0) -> Generator:
    """Return a StyleGAN2 generator of 32×32 pixels, the same one every time."""
    torch.manual_seed(0)
    config = StyleGAN2Config(
        resolution=32, z_dim=16, c_dim=classes, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 16)
    )
    return Generator(config).eval().requires_grad_(False)


def random_stylegan3() -> Generator:
    """Return a StyleGAN3 generator of 32×32 pixels."""
    config = StyleGAN3Config(
        resolution=32, z_dim=8, w_dim=8, mapping_layers=1, num_layers=4, channel_base=256, channel_max=8
    )
    return Generator(config).eval().requires_grad_(False)


def noisy_generator(resolution: int, const_width: int = 4, dtype: torch.dtype = torch.float64) -> Generator:
    """Return a StyleGAN2 generator with noise, biases and clamps, so that a mistake in any of them shows.

    Args:
        resolution: height of the image in pixels, at most 64.
        const_width: width of b4's constant; 4 gives square images.
        dtype: number type of the parameters.
    """
    torch.manual_seed(resolution + const_width)
    channels = (8, 12, 8, 6, 5)[: resolution.bit_length() - 2]
    config = StyleGAN2Config(
        resolution=resolution, z_dim=8, w_dim=8, mapping_layers=1, channels=channels, const_size=(4, const_width),
        conv_clamp=4.0,
    )  # fmt: skip
    generator = Generator(config).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith(("noise_strength", "bias")):
            parameter.copy_(torch.randn(parameter.shape) * 0.3 + 0.1)
    return generator.to(dtype)
