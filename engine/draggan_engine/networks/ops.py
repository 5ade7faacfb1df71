"""The few operations that StyleGAN networks are made of, in plain torch.

Pictures and feature maps are float `[N, C, H, W]`. Padding, gains and the FIR phase follow the
published StyleGAN2 networks, so that their weights give their pictures.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .mkldnn_conv import PackedKernel, packed_conv2d, packed_conv_transpose2d

SQRT2 = math.sqrt(2.0)
EPSILON = 1e-8


def random_weight(*shape: int, scale: float = 1.0) -> Tensor:
    """Random numbers for a weight: normal, of that standard deviation. Under `torch.device("meta")` only the shape:
    arithmetic there costs torch a second of imports and 80 MB, once."""
    weight = torch.empty(*shape)
    return weight if weight.is_meta else weight.normal_().mul_(scale)


def low_pass_kernel() -> Tensor:
    """The 4×4 low-pass filter [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 64, float32 (sums to 1), on the CPU."""
    tap = torch.tensor([1.0, 3.0, 3.0, 1.0], device="cpu")
    return torch.outer(tap, tap) / 64


def scaled_leaky_relu(x: Tensor, clamp: float | None = None, gain: float = SQRT2) -> Tensor:
    """Leaky ReLU of slope 0.2 times `gain`, then clamped to ±`clamp` (scaled as the gain is scaled)."""
    y = F.leaky_relu(x, 0.2) * gain
    return y if clamp is None else y.clamp(-clamp * gain / SQRT2, clamp * gain / SQRT2)


def fir_filter(x: Tensor, kernel: Tensor, padding: int, stride: int = 1) -> Tensor:
    """Filters each channel on its own.

    Args:
        x: `[N, C, H, W]`.
        kernel: `[k, k]`, symmetric.
        padding: zeros on each side.
        stride: keep every stride-th pixel.
    """
    channels = x.shape[1]
    weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
    return F.conv2d(x, weight, stride=stride, padding=padding, groups=channels)


def upsample_2x(x: Tensor, kernel: Tensor) -> Tensor:
    """Twice the height and width: zero insertion, then the 4×4 FIR filter; symmetric about pixel centres.

    Of the 16 products four are not with an inserted zero. Which four depends on whether row and column are odd, so each
    pair of neighbours gives two results per axis: the odd one left of its middle and the even one right of it.
    """
    n, c, h, w = x.shape
    phases = (4 * kernel).to(x.dtype).reshape(2, 2, 2, 2).permute(1, 3, 0, 2).flip(0, 1)
    y = F.conv2d(x.reshape(n * c, 1, h, w), phases.reshape(4, 1, 2, 2), padding=1)
    return F.pixel_shuffle(y, 2)[:, 0, 1:-1, 1:-1].reshape(n, c, 2 * h, 2 * w)


class ConvolutionKernel(NamedTuple):
    """What a modulated convolution needs of its weight; worth keeping where the weight stays as it is.

    Attributes:
        weight: `[O, I, k, k]`, k odd, in the type that the convolution is computed in; `[I, O, k, k]` of an up layer.
        energy: Σ over the kernel of its squares, `[O, I]`, for the demodulation; None = no demodulation.
        packed: the weight once more, where that is quicker; then there is no gradient for the weight.
    """

    weight: Tensor
    energy: Tensor | None
    packed: PackedKernel | None = None


def convolution_kernel(
    weight: Tensor, dtype: torch.dtype, *, up: bool = False, demodulate: bool = True
) -> ConvolutionKernel:
    """The kernel for inputs of that type, from the stored weight `[O, I, k, k]`."""
    if dtype == torch.float16 and demodulate:  # neither the kernel nor the style may leave float16's range
        weight = weight / (weight.abs().amax(dim=(1, 2, 3), keepdim=True) * math.sqrt(weight[0].numel()))
    energy = weight.square().sum(dim=(2, 3)) if demodulate else None
    # In the order in which it is read: the transposed convolution would copy it at each use, forwards and backwards.
    return ConvolutionKernel(weight.to(dtype).transpose(0, 1).contiguous() if up else weight.to(dtype), energy)


def modulated_conv2d(
    x: Tensor,
    kernel: ConvolutionKernel,
    style: Tensor,
    bias: Tensor,
    *,
    gain: float = 1.0,
    up_kernel: Tensor | None = None,
    padding: tuple[int, int, int, int] | None = None,
) -> Tensor:
    """Convolution with the kernel W·s of each sample (StyleGAN2, section 2.2), plus the bias.

    Computed as "scale the input by s, convolve with the constant W, scale the output": the same
    numbers, one plain convolution for the whole batch, and no gradient through a per-sample kernel.
    All constant factors go into that last scale: each is a pass over the map less.

    Args:
        x: `[N, I, H, W]`, of the kernel's type; the result has the same.
        kernel: with its energy, each output channel is divided by √(Σ(W·s)² + 1e-8).
        style: `[N, I]`, of the stored weight's type.
        bias: `[O, 1, 1]`, of the kernel's type.
        gain: factor on the convolution, not on the bias; 1 without demodulation.
        up_kernel: the FIR kernel of an up layer (the result is then twice as large), else None; an up layer demodulates.
        padding: where x is a part of a map, that of `windows.Cut`.
    """
    if x.dtype == torch.float16 and kernel.energy is not None:
        style = style / style.abs().amax(dim=1, keepdim=True)
    y = x * style[:, :, None, None].to(x.dtype)
    if up_kernel is not None:
        if kernel.packed is not None:
            y = packed_conv_transpose2d(y, kernel.packed)
        else:
            y = F.conv_transpose2d(y, kernel.weight, stride=2)
        y = fir_filter(y, up_kernel, 1) if padding is None else fir_filter(F.pad(y, padding), up_kernel, 0)
    else:
        border = kernel.weight.shape[2] // 2 if padding is None else 0
        y = y if padding is None else F.pad(y, padding)
        if kernel.packed is not None:
            y = packed_conv2d(y, kernel.packed, border)
        else:
            y = F.conv2d(y, kernel.weight, padding=border)
    if kernel.energy is None:
        return y + bias
    scale = torch.rsqrt(style.square() @ kernel.energy.t() + EPSILON) * (gain if up_kernel is None else 4 * gain)
    return torch.addcmul(bias, y, scale[:, :, None, None].to(y.dtype))


class DenseLayer(nn.Module):
    """y = act(x·(W·g)ᵀ + b·m) with g = m/√fan_in: the equalised dense layer.

    Args:
        features_in, features_out: widths.
        lr_multiplier: m; the stored weight is 1/m times larger at the start.
        activation: "lrelu" or "linear".
        bias_init: start value of b·m.
    """

    def __init__(
        self,
        features_in: int,
        features_out: int,
        *,
        lr_multiplier: float = 1.0,
        activation: str = "linear",
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(random_weight(features_out, features_in, scale=1 / lr_multiplier))
        self.bias = nn.Parameter(torch.full((features_out,), bias_init / lr_multiplier))
        self.lr_multiplier = lr_multiplier
        self.gain = lr_multiplier / math.sqrt(features_in)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        y = torch.addmm(self.bias, x, self.weight.t(), beta=self.lr_multiplier, alpha=self.gain)
        return scaled_leaky_relu(y) if self.activation == "lrelu" else y
