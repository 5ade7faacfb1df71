"""Models that load at once: their pictures are noise."""

from __future__ import annotations

from pathlib import Path

import torch

from draggan_engine.checkpoints.formats.native import save_native
from draggan_engine.checkpoints.formats.native_header import NativeInfo
from draggan_engine.checkpoints.model_parts import GeneratorPart
from draggan_engine.core.edit import DragSettings
from draggan_engine.networks.config import StyleGAN2Config, pyramid_channels
from draggan_engine.networks.generator import Generator

NUM_WS, W_DIM = 8, 4


def save_tiny(path: Path, classes: int = 0, settings: DragSettings | None = None) -> Path:
    """A model of 32×32 pixels, called as the file is."""
    config = StyleGAN2Config(
        resolution=32, z_dim=4, c_dim=classes, w_dim=W_DIM, mapping_layers=1, channels=pyramid_channels(32, 32, 4)
    )
    save_native(
        path,
        GeneratorPart.from_network(Generator(config)),
        None,
        NativeInfo(name=path.stem, psi=0.7, settings=settings),
    )
    return path


def random_generator() -> Generator:
    """Of 32×32 pixels; the same one every time."""
    torch.manual_seed(0)
    config = StyleGAN2Config(resolution=32, z_dim=16, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 16))
    return Generator(config).eval().requires_grad_(False)
