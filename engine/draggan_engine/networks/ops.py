"""The few operations that StyleGAN networks are made of, in plain torch.

Images and feature maps are float `[N, C, H, W]`. Padding, gains and the phase of the FIR filter are those of the
published StyleGAN2 networks, so that their weights give the same images here.
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


def random_weight(*shape: int, std: float = 1.0) -> Tensor:
    """Return normally distributed initial values for a weight.

    Under `torch.device("meta")` there are no values to scale, and doing arithmetic there would make torch import its
    meta kernels, which takes a second and 80 MB.
    """
    weight = torch.empty(*shape)
    return weight if weight.is_meta else weight.normal_().mul_(std)


def low_pass_kernel() -> Tensor:
    """Return the FIR filter [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 64, float32 `[4, 4]` with sum 1, on the CPU."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device="cpu")
    return torch.outer(taps, taps) / 64


def scaled_leaky_relu(x: Tensor, clamp: float | None = None, gain: float = SQRT2) -> Tensor:
    """Return leaky ReLU of slope 0.2 times `gain`, limited to ±`clamp`·gain/√2."""
    y = F.leaky_relu(x, 0.2) * gain
    return y if clamp is None else y.clamp(-clamp * gain / SQRT2, clamp * gain / SQRT2)


def fir_filter(x: Tensor, kernel: Tensor, padding: int, stride: int = 1) -> Tensor:
    """Filter each channel with the same kernel.

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
    """Double height and width: insert zeros, then apply the FIR filter; symmetric about pixel centres.

    Of the filter's 16 products only four are with a pixel that is not an inserted zero. Which four they are depends on
    whether the row and the column are odd, so one 2×2 convolution with four output channels computes all results.

    Args:
        x: `[N, C, H, W]`.
        kernel: `[4, 4]`.

    Returns:
        `[N, C, 2H, 2W]`.
    """
    batch, channels, height, width = x.shape
    phase_kernels = (4 * kernel).to(x.dtype).reshape(2, 2, 2, 2).permute(1, 3, 0, 2).flip(0, 1)
    phases = F.conv2d(x.reshape(batch * channels, 1, height, width), phase_kernels.reshape(4, 1, 2, 2), padding=1)
    return F.pixel_shuffle(phases, 2)[:, 0, 1:-1, 1:-1].reshape(batch, channels, 2 * height, 2 * width)


class ConvolutionKernel(NamedTuple):
    """What a modulated convolution computes from its weight alone; can be kept while the weight does not change.

    Attributes:
        weight: `[O, I, k, k]`, k odd, in the number type of the convolution; `[I, O, k, k]` of an up layer.
        energy: the sum of squares over the k × k pixels, `[O, I]`, for the demodulation; None = no demodulation.
        packed: the same weight in oneDNN's order, where this is faster; there is then no gradient for the weight.
    """

    weight: Tensor
    energy: Tensor | None
    packed: PackedKernel | None = None


def convolution_kernel(
    weight: Tensor, dtype: torch.dtype, *, up: bool = False, demodulate: bool = True
) -> ConvolutionKernel:
    """Return the kernel of a stored weight `[O, I, k, k]`, for inputs of this number type."""
    if dtype == torch.float16 and demodulate:  # neither the kernel nor the style may leave float16's range
        weight = weight / (weight.abs().amax(dim=(1, 2, 3), keepdim=True) * math.sqrt(weight[0].numel()))
    energy = weight.square().sum(dim=(2, 3)) if demodulate else None
    # The transposed convolution would otherwise copy the weight into this order at each use, forwards and backwards.
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
    """Convolve each sample with its own kernel W·s, and add the bias (Karras et al. 2020, section 2.2).

    The input is scaled by s, convolved with the constant W, and the output is scaled by the demodulation factors. This
    gives the same numbers with one convolution for the whole batch, and needs no gradient through a kernel for each
    sample. All constant factors are part of the output scale, because each would be another pass over the map.

    Args:
        x: `[N, I, H, W]`, in the kernel's number type; the result has the same type.
        kernel: if it has an energy, each output channel is divided by √(Σ(W·s)² + 1e-8).
        style: s, `[N, I]`, in the number type of the stored weight.
        bias: `[O, 1, 1]`, in the kernel's number type.
        gain: factor on the convolution, not on the bias; must be 1 without demodulation.
        up_kernel: FIR kernel of an up layer, which doubles height and width and always demodulates; else None.
        padding: the padding of a `windows.LayerInput` where x is a window of a map; None for a whole map.

    Returns:
        `[N, O, H, W]`, or `[N, O, 2H, 2W]` of an up layer.
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
    """The equalised dense layer y = act(x·(W·g)ᵀ + b·m), g = m/√fan_in.

    Args:
        features_in, features_out: widths.
        lr_multiplier: m; the initial weight is 1/m times larger.
        activation: "lrelu" or "linear".
        bias_init: initial value of b·m.
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
        self.weight = nn.Parameter(random_weight(features_out, features_in, std=1 / lr_multiplier))
        self.bias = nn.Parameter(torch.full((features_out,), bias_init / lr_multiplier))
        self.lr_multiplier = lr_multiplier
        self.gain = lr_multiplier / math.sqrt(features_in)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """x `[N, features_in]` → `[N, features_out]`."""
        y = torch.addmm(self.bias, x, self.weight.t(), beta=self.lr_multiplier, alpha=self.gain)
        return scaled_leaky_relu(y) if self.activation == "lrelu" else y
