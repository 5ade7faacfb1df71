"""The StyleGAN2 discriminator (Karras et al. 2020), `resnet` architecture, with NVIDIA's parameter names."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import DiscriminatorConfig
from .mapping import normalize_rms
from .ops import EPSILON, SQRT2, DenseLayer, fir_filter, low_pass_kernel, random_weight, scaled_leaky_relu


class EqualizedConv(nn.Module):
    """Convolution with the weight scaled by 1/√(in·k²).

    Args:
        channels_in, channels_out: widths.
        kernel_size: k.
        down: halve height and width, with the FIR filter first.
        bias: add a bias and apply leaky ReLU; without it the layer is linear.
        clamp: limit of the result's magnitude at a gain of 1; None = no limit.
    """

    resample_filter: Tensor

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel_size: int,
        *,
        down: bool = False,
        bias: bool = True,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(random_weight(channels_out, channels_in, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None
        self.register_buffer("resample_filter", low_pass_kernel())
        self.down = down
        self.clamp = clamp
        self.weight_scale = 1 / math.sqrt(channels_in * kernel_size**2)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """x `[N, I, H, W]` → `[N, O, H, W]`, half as high and wide with `down`, times `gain`."""
        kernel_size = self.weight.shape[2]
        weight = self.weight * self.weight_scale
        if not self.down:
            x = F.conv2d(x, weight, padding=kernel_size // 2)
        elif kernel_size == 1:
            x = F.conv2d(fir_filter(x, self.resample_filter, 1, stride=2), weight)
        else:
            x = F.conv2d(fir_filter(x, self.resample_filter, 2), weight, stride=2)
        if self.bias is None:
            return x * gain
        return scaled_leaky_relu(x + self.bias[:, None, None], self.clamp, SQRT2 * gain)


class DiscriminatorBlock(nn.Module):
    """One resolution: fromrgb (in the first block only), conv0 and conv1, beside them a linear skip; both halve the size."""

    resample_filter: Tensor  # files contain it here too, though only other architectures use it

    def __init__(self, config: DiscriminatorConfig, resolution: int) -> None:
        super().__init__()
        channels, channels_below = config.block_channels(resolution), config.block_channels(resolution // 2)
        clamp = config.conv_clamp
        if resolution == config.resolution:
            self.fromrgb = EqualizedConv(config.img_channels, channels, 1, clamp=clamp)
        self.conv0 = EqualizedConv(channels, channels, 3, clamp=clamp)
        self.conv1 = EqualizedConv(channels, channels_below, 3, down=True, clamp=clamp)
        self.skip = EqualizedConv(channels, channels_below, 1, down=True, bias=False)
        self.register_buffer("resample_filter", low_pass_kernel())

    def forward(self, x: Tensor) -> Tensor:
        """x `[N, C, H, W]` (the image, in the first block) → `[N, C′, H/2, W/2]`."""
        if hasattr(self, "fromrgb"):
            x = self.fromrgb(x)
        skipped = self.skip(x, gain=math.sqrt(0.5))
        return skipped + self.conv1(self.conv0(x), gain=math.sqrt(0.5))  # type: ignore[no-any-return]


def append_minibatch_stddev(x: Tensor, group_size: int, stddev_channels: int) -> Tensor:
    """Append maps of the standard deviation over a group of samples (Karras et al. 2018, section 3).

    Args:
        x: `[N, C, H, W]`.
        group_size: samples in a group; N must be a multiple of it, or smaller.
        stddev_channels: how many maps; the deviations are averaged over C/stddev_channels channels and all pixels.

    Returns:
        `[N, C + stddev_channels, H, W]`.
    """
    batch, channels, height, width = x.shape
    group = min(group_size, batch)
    grouped = x.reshape(group, -1, stddev_channels, channels // stddev_channels, height, width)
    stddev = (grouped.var(dim=0, unbiased=False) + EPSILON).sqrt().mean(dim=(2, 3, 4))  # [N / group, stddev_channels]
    return torch.cat([x, stddev[:, :, None, None].repeat(group, 1, height, width)], dim=1)


class DiscriminatorEpilogue(nn.Module):
    """The last layers, at 4 px: minibatch standard deviation, a convolution and two dense layers.

    Args:
        label_features: width of a mapped label; 0 of an unconditional network.
    """

    def __init__(self, config: DiscriminatorConfig, label_features: int) -> None:
        super().__init__()
        channels = config.channels[0]
        self.group_size, self.mbstd_channels = config.mbstd_group_size, config.mbstd_channels
        self.label_features = label_features
        self.conv = EqualizedConv(channels + config.mbstd_channels, channels, 3, clamp=config.conv_clamp)
        self.fc = DenseLayer(channels * 16, channels, activation="lrelu")
        self.out = DenseLayer(channels, label_features or 1)

    def forward(self, x: Tensor, mapped_label: Tensor | None) -> Tensor:
        """x `[N, C, 4, 4]`, the mapped label `[N, label_features]` or None → logits `[N, 1]`."""
        if self.mbstd_channels:
            x = append_minibatch_stddev(x, self.group_size, self.mbstd_channels)
        y: Tensor = self.out(self.fc(self.conv(x).flatten(1)))
        if mapped_label is None:
            return y
        return (y * mapped_label).sum(dim=1, keepdim=True) / math.sqrt(self.label_features)


class LabelMapping(nn.Module):
    """Class label `[N, c_dim]` → the vector `[N, width]` that the epilogue's output is multiplied with."""

    def __init__(self, c_dim: int, width: int, num_layers: int) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.embed = DenseLayer(c_dim, width)
        for i in range(num_layers):
            self.add_module(f"fc{i}", DenseLayer(width, width, lr_multiplier=0.01, activation="lrelu"))

    def forward(self, c: Tensor) -> Tensor:
        x = normalize_rms(self.embed(c))
        for i in range(self.num_layers):
            x = self.get_submodule(f"fc{i}")(x)
        return x


class Discriminator(nn.Module):
    """Image → logit."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.resolutions = config.block_resolutions[:0:-1]
        label_features = config.channels[0] if config.c_dim else 0
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", DiscriminatorBlock(config, resolution))
        if config.c_dim:
            self.mapping = LabelMapping(config.c_dim, label_features, config.mapping_layers)
        self.b4 = DiscriminatorEpilogue(config, label_features)

    def forward(self, image: Tensor, c: Tensor | None = None) -> Tensor:
        """Return logits `[N, 1]` of images `[N, C, H, W]` in [−1, 1]; c `[N, c_dim]` for a conditional network."""
        x = image
        for resolution in self.resolutions:
            x = self.get_submodule(f"b{resolution}")(x)
        mapped_label: Tensor | None = self.mapping(c) if self.config.c_dim else None
        return self.b4(x, mapped_label)  # type: ignore[no-any-return]
