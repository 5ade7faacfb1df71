"""A generator of either family: a mapping network and a synthesis network."""

from __future__ import annotations

import torch
from torch import nn

from .config import GeneratorConfig, StyleGAN2Config
from .mapping import MappingNetwork
from .stylegan2 import StyleGAN2Synthesis
from .stylegan3 import StyleGAN3Synthesis
from .synthesis import SynthesisNetwork


class Generator(nn.Module):
    """z → ws by `mapping`, ws → image and features by `synthesis`."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config)
        self.synthesis: SynthesisNetwork = (
            StyleGAN2Synthesis(config) if isinstance(config, StyleGAN2Config) else StyleGAN3Synthesis(config)
        )

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.config.image_shape

    @property
    def num_ws(self) -> int:
        """Rows of a latent `[N, num_ws, w_dim]`."""
        return self.config.num_ws

    @property
    def device(self) -> torch.device:
        """The device that the parameters are on."""
        return self.mapping.w_avg.device
