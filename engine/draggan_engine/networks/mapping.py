"""z (and a class label) → ws: the mapping network of StyleGAN2 and StyleGAN3."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from .config import GeneratorConfig
from .ops import EPSILON, DenseLayer

AVERAGE_SAMPLE_COUNT = 10_000
AVERAGE_BATCH_SIZE = 1_000


class MappingNetwork(nn.Module):
    """A stack of dense layers; parameter names are NVIDIA's.

    `w_avg` is NaN where a file does not tell it: it is then estimated when a truncation first needs it.
    """

    w_avg: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.num_ws = config.num_ws
        self.num_layers = config.mapping_layers
        self.z_dim = config.z_dim
        self.c_dim = config.c_dim
        width = config.z_dim
        if config.c_dim:
            self.embed = DenseLayer(config.c_dim, config.w_dim)
            width += config.w_dim
        for i, features in enumerate(config.mapping_widths):
            layer = DenseLayer(width, features, lr_multiplier=config.mapping_lr_multiplier, activation="lrelu")
            self.add_module(f"fc{i}", layer)
            width = features
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None, *, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """Maps to W and truncates towards the average.

        Args:
            z: `[N, z_dim]`, standard normal.
            c: `[N, c_dim]` one-hot labels of a conditional model (None: all zero), else None.
            psi: truncation ψ; 1 = none.
            cutoff: truncate the first so many rows only; None = all.

        Returns:
            ws `[N, num_ws, w_dim]`.
        """
        ws = self._w(z, c).unsqueeze(1).repeat(1, self.num_ws, 1)
        if psi != 1:
            rest = ws.shape[1] if cutoff is None else cutoff
            ws = torch.cat([self._average().lerp(ws[:, :cutoff], psi), ws[:, rest:]], dim=1)
        return ws

    def _w(self, z: Tensor, c: Tensor | None) -> Tensor:
        x = normalize_rms(z)
        if self.c_dim:
            label = torch.zeros(len(z), self.c_dim, dtype=z.dtype, device=z.device) if c is None else c
            x = torch.cat([x, normalize_rms(self.embed(label))], dim=1)
        for i in range(self.num_layers):
            x = self.get_submodule(f"fc{i}")(x)
        return x

    @torch.no_grad()
    def _average(self) -> Tensor:
        if bool(self.w_avg.isnan().any()):
            random = np.random.RandomState(0)
            total = torch.zeros_like(self.w_avg)
            for _ in range(AVERAGE_SAMPLE_COUNT // AVERAGE_BATCH_SIZE):  # a file may ask for very wide vectors
                z = random.randn(AVERAGE_BATCH_SIZE, self.z_dim).astype(np.float32)
                total += self._w(torch.from_numpy(z).to(total.device), None).sum(dim=0)
            self.w_avg.copy_(total / AVERAGE_SAMPLE_COUNT)
        return self.w_avg


def normalize_rms(x: Tensor) -> Tensor:
    """Each row divided by its root mean square."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)
