"""z and a class label → ws: the mapping network of StyleGAN2 and StyleGAN3 (Karras et al. 2019, section 2)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from .config import GeneratorConfig
from .ops import EPSILON, DenseLayer

AVERAGE_SAMPLE_COUNT = 10_000
AVERAGE_BATCH_SIZE = 1_000  # bounds the memory, since a file may define very wide layers


class MappingNetwork(nn.Module):
    """A stack of dense layers; the parameter names are NVIDIA's.

    Attributes:
        w_avg: mean of w, `[w_dim]`, or of each class, `[c_dim, w_dim]`, if classes have embeddings; NaN if the file does not contain it. It is then estimated when a truncation first
            needs it.
    """

    w_avg: Tensor
    embed: nn.Embedding | DenseLayer

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.num_ws = config.num_ws
        self.num_layers = config.mapping_layers
        self.z_dim = config.z_dim
        self.c_dim = config.c_dim
        self.has_class_embedding = config.class_embedding is not None
        features_in = config.z_dim
        if config.class_embedding is not None:
            self.embed = nn.Embedding(*config.class_embedding)
            self.embed_proj = DenseLayer(config.class_embedding[1], config.z_dim, activation="lrelu")
            features_in += config.z_dim
        elif config.c_dim:
            embed_features = config.embed_features or config.w_dim
            self.embed = DenseLayer(config.c_dim, embed_features)
            features_in += embed_features
        for i, features_out in enumerate(config.mapping_widths):
            layer = DenseLayer(
                features_in, features_out, lr_multiplier=config.mapping_lr_multiplier, activation="lrelu"
            )
            self.add_module(f"fc{i}", layer)
            features_in = features_out
        class_count = (config.c_dim,) if self.has_class_embedding else ()
        self.register_buffer("w_avg", torch.zeros(*class_count, config.w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None, *, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """Map to W and truncate towards the average.

        Args:
            z: `[N, z_dim]`, standard normal.
            c: one-hot labels `[N, c_dim]` of a conditional model (None = all zero); ignored by other models.
            psi: truncation ψ; 1 = none.
            cutoff: how many rows, from the first, are truncated; None = all.

        Returns:
            ws `[N, num_ws, w_dim]`.
        """
        ws = self._map_to_w(z, c).unsqueeze(1).repeat(1, self.num_ws, 1)
        if psi != 1:
            truncated_rows = ws.shape[1] if cutoff is None else cutoff
            ws = torch.cat([self._average_w(c).lerp(ws[:, :cutoff], psi), ws[:, truncated_rows:]], dim=1)
        return ws

    @property
    def lacks_w_average(self) -> bool:
        """Whether the average w is still to be estimated."""
        return bool(self.w_avg.isnan().any())

    def _map_to_w(self, z: Tensor, c: Tensor | None) -> Tensor:
        x = normalize_rms(z)
        if self.c_dim:
            labels = torch.zeros(len(z), self.c_dim, dtype=z.dtype, device=z.device) if c is None else c
            y = self.embed_proj(self.embed(labels.argmax(dim=1))) if self.has_class_embedding else self.embed(labels)
            x = torch.cat([x, normalize_rms(y)], dim=1)
        for i in range(self.num_layers):
            x = self.get_submodule(f"fc{i}")(x)
        return x

    @torch.no_grad()
    def _average_w(self, c: Tensor | None) -> Tensor:
        """Return what truncation goes towards: the mean of w, `[w_dim]`, or those of the labels' classes, `[N, 1, w_dim]`."""
        if self.lacks_w_average:
            random_state = np.random.RandomState(0)
            w_sum = torch.zeros_like(self.w_avg)
            for _ in range(AVERAGE_SAMPLE_COUNT // AVERAGE_BATCH_SIZE):
                z = random_state.randn(AVERAGE_BATCH_SIZE, self.z_dim).astype(np.float32)
                w_sum += self._map_to_w(torch.from_numpy(z).to(w_sum.device), None).sum(dim=0)
            self.w_avg.copy_(w_sum / AVERAGE_SAMPLE_COUNT)
        if self.has_class_embedding:
            return self.w_avg[:1, None] if c is None else self.w_avg[c.argmax(dim=1), None]
        return self.w_avg


def normalize_rms(x: Tensor) -> Tensor:
    """Divide each row of `x` `[N, features]` by its root mean square."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)
