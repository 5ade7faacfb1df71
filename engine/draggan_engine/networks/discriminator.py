"""The StyleGAN2 discriminator, `resnet` architecture, in NVIDIA's parameter names."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import DiscriminatorConfig
from .ops import EPSILON, SQRT2, DenseLayer, fir_filter, low_pass_kernel, random_weight, scaled_leaky_relu


class EqualizedConv(nn.Module):
    """Equalised convolution, W scaled by 1/√(in·k²); `down` halves the size with the FIR filter first."""

    resample_filter: Tensor

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        down: bool = False,
        bias: bool = True,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(random_weight(channels_out, channels_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None
        self.register_buffer("resample_filter", low_pass_kernel())
        self.down = down
        self.clamp = clamp
        self.scale = 1 / math.sqrt(channels_in * kernel**2)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """With a bias: lrelu of gain √2·`gain`; without: linear of gain `gain`."""
        kernel = self.weight.shape[2]
        weight = self.weight * self.scale
        if not self.down:
            x = F.conv2d(x, weight, padding=kernel // 2)
        elif kernel == 1:
            x = F.conv2d(fir_filter(x, self.resample_filter, 1, stride=2), weight)
        else:
            x = F.conv2d(fir_filter(x, self.resample_filter, 2), weight, stride=2)
        if self.bias is None:
            return x * gain
        return scaled_leaky_relu(x + self.bias[:, None, None], self.clamp, SQRT2 * gain)


class DiscriminatorBlock(nn.Module):
    """One resolution: (fromrgb,) conv0, conv1 down, skip down; sum."""

    resample_filter: Tensor  # the files have it here too; only other architectures use it

    def __init__(self, config: DiscriminatorConfig, resolution: int) -> None:
        super().__init__()
        channels, below = config.channels_of(resolution), config.channels_of(resolution // 2)
        clamp = config.conv_clamp
        if resolution == config.resolution:
            self.fromrgb = EqualizedConv(config.img_channels, channels, 1, clamp=clamp)
        self.conv0 = EqualizedConv(channels, channels, 3, clamp=clamp)
        self.conv1 = EqualizedConv(channels, below, 3, down=True, clamp=clamp)
        self.skip = EqualizedConv(channels, below, 1, down=True, bias=False)
        self.register_buffer("resample_filter", low_pass_kernel())

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "fromrgb"):
            x = self.fromrgb(x)
        short = self.skip(x, gain=math.sqrt(0.5))
        return short + self.conv1(self.conv0(x), gain=math.sqrt(0.5))  # type: ignore[no-any-return]


def minibatch_stddev(x: Tensor, group_size: int, channels: int) -> Tensor:
    """`x` `[N, C, h, w]` with `channels` maps more: the standard deviation over a group of samples,
    averaged over channels and pixels (Karras et al. 2018, section 3). N must divide into the groups."""
    n, c, h, w = x.shape
    group = min(group_size, n)
    y = x.reshape(group, -1, channels, c // channels, h, w)
    y = (y.var(dim=0, unbiased=False) + EPSILON).sqrt().mean(dim=(2, 3, 4))  # [N / group, channels]
    return torch.cat([x, y[:, :, None, None].repeat(group, 1, h, w)], dim=1)


class DiscriminatorEpilogue(nn.Module):
    def __init__(self, config: DiscriminatorConfig, cmap_dim: int) -> None:
        super().__init__()
        channels = config.channels[0]
        self.group_size, self.mbstd_channels, self.cmap_dim = config.mbstd_group_size, config.mbstd_channels, cmap_dim
        self.conv = EqualizedConv(channels + config.mbstd_channels, channels, 3, clamp=config.conv_clamp)
        self.fc = DenseLayer(channels * 16, channels, activation="lrelu")
        self.out = DenseLayer(channels, cmap_dim or 1)

    def forward(self, x: Tensor, cmap: Tensor | None) -> Tensor:
        if self.mbstd_channels:
            x = minibatch_stddev(x, self.group_size, self.mbstd_channels)
        y: Tensor = self.out(self.fc(self.conv(x).flatten(1)))
        return y if cmap is None else (y * cmap).sum(dim=1, keepdim=True) / math.sqrt(self.cmap_dim)


class LabelMapping(nn.Module):
    """Class label → the vector that the epilogue's output is multiplied with."""

    def __init__(self, c_dim: int, width: int, num_layers: int) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.embed = DenseLayer(c_dim, width)
        for i in range(num_layers):
            self.add_module(f"fc{i}", DenseLayer(width, width, lr_multiplier=0.01, activation="lrelu"))

    def forward(self, c: Tensor) -> Tensor:
        x: Tensor = self.embed(c)
        x = x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)
        for i in range(self.num_layers):
            x = self.get_submodule(f"fc{i}")(x)
        return x


class Discriminator(nn.Module):
    """Picture → logit."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.resolutions = config.block_resolutions[:0:-1]
        cmap_dim = config.channels[0] if config.c_dim else 0
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", DiscriminatorBlock(config, resolution))
        if config.c_dim:
            self.mapping = LabelMapping(config.c_dim, cmap_dim, config.mapping_layers)
        self.b4 = DiscriminatorEpilogue(config, cmap_dim)

    def forward(self, image: Tensor, c: Tensor | None = None) -> Tensor:
        """Logits `[N, 1]` of pictures `[N, C, H, W]` in [−1, 1]; `c` `[N, c_dim]` for a conditional network."""
        x = image
        for resolution in self.resolutions:
            x = self.get_submodule(f"b{resolution}")(x)
        cmap: Tensor | None = self.mapping(c) if self.config.c_dim else None
        return self.b4(x, cmap)  # type: ignore[no-any-return]
