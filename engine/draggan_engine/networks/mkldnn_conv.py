"""Convolutions on a CPU whose kernels stay in oneDNN's own memory order.

torch reorders a kernel for oneDNN at each convolution, forwards and backwards. For windows of a few pixels this is a
large part of the time; a kernel that does not change needs to be reordered only once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .bfloat16 import supports_bfloat16

_OPS = torch.ops.mkldnn
MKLDNN_AVAILABLE = torch._C._has_mkldnn and all(
    hasattr(_OPS, operation)
    for operation in (
        "_convolution_pointwise",
        "_convolution_transpose_pointwise",
        "_reorder_convolution_weight",
        "_reorder_convolution_transpose_weight",
    )
)
"""Whether torch has these operations, which its compiler is built on. Without them torch's own convolutions are used."""

TYPICAL_INPUT_SIZE = 10  # pixels of the input that oneDNN chooses the order for; inputs of other sizes work too
MIN_PACKED_CHANNELS = 256  # with fewer channels the packed convolutions are not faster
CHANNEL_MULTIPLE = 64  # other channel counts would be padded, which is several times slower


class PackedKernel:
    """A kernel `[A, B, k, k]` in oneDNN's order, for the convolution and for the transposed convolution.

    Each of the two computes the other's gradient.

    Args:
        weight: `[A, B, k, k]` on a CPU, for which `is_faster_for` holds.
        stride: of both convolutions.
    """

    def __init__(self, weight: Tensor, stride: int) -> None:
        self.stride = stride
        weight = weight.contiguous()
        channels_a, channels_b = weight.shape[:2]
        strides, dilation, no_padding = [stride, stride], [1, 1], [0, 0]
        input_shape = [1, channels_b, TYPICAL_INPUT_SIZE, TYPICAL_INPUT_SIZE]
        self._conv_weight = _OPS._reorder_convolution_weight(weight, no_padding, strides, dilation, 1, input_shape)
        input_shape = [1, channels_a, TYPICAL_INPUT_SIZE, TYPICAL_INPUT_SIZE]
        self._transposed_weight = _OPS._reorder_convolution_transpose_weight(
            weight, no_padding, no_padding, strides, dilation, 1, input_shape
        )

    @staticmethod
    def is_faster_for(weight: Tensor) -> bool:
        """Return whether this weight can be packed, and packed convolutions are faster than torch's own."""
        channels = weight.shape[:2]
        return (
            MKLDNN_AVAILABLE
            and weight.device.type == "cpu"
            and _has_kernels(weight.dtype)
            and min(channels) >= MIN_PACKED_CHANNELS
            and all(count % CHANNEL_MULTIPLE == 0 for count in channels)
        )

    def conv2d(self, x: Tensor, padding: int) -> Tensor:
        """Return `F.conv2d` of `[N, B, H, W]`, without a gradient."""
        strides = [self.stride, self.stride]
        y: Tensor = _OPS._convolution_pointwise(
            x, self._conv_weight, None, [padding, padding], strides, [1, 1], 1, "none", [], ""
        )
        return y

    def conv_transpose2d(self, x: Tensor, padding: int) -> Tensor:
        """Return `F.conv_transpose2d` of `[N, A, H, W]`, without a gradient."""
        strides = [self.stride, self.stride]
        y: Tensor = _OPS._convolution_transpose_pointwise(
            x, self._transposed_weight, None, [padding, padding], [0, 0], strides, [1, 1], 1, "none", [], ""
        )
        return y


def _has_kernels(dtype: torch.dtype) -> bool:
    """Return whether oneDNN packs this number type: bfloat16 only where the processor has instructions for it."""
    return dtype == torch.float32 or (dtype == torch.bfloat16 and supports_bfloat16(torch.device("cpu")))


class _PackedConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: PackedKernel, padding: int, transposed: bool) -> Tensor:
        ctx.kernel, ctx.padding, ctx.transposed = kernel, padding, transposed
        x = x.contiguous(memory_format=torch.channels_last)
        return kernel.conv_transpose2d(x, padding) if transposed else kernel.conv2d(x, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        kernel, padding = ctx.kernel, ctx.padding
        input_gradient = (
            kernel.conv2d(gradient, padding) if ctx.transposed else kernel.conv_transpose2d(gradient, padding)
        )
        return input_gradient, None, None, None


def packed_conv2d(x: Tensor, kernel: PackedKernel, padding: int = 0) -> Tensor:
    """Return `F.conv2d(x, weight, stride, padding)` of `x` `[N, B, H, W]`, with a gradient for `x` only."""
    y: Tensor = _PackedConvolution.apply(x, kernel, padding, False)  # type: ignore[no-untyped-call]
    return y


def packed_conv_transpose2d(x: Tensor, kernel: PackedKernel) -> Tensor:
    """Return `F.conv_transpose2d(x, weight, stride)` of `x` `[N, A, H, W]`, with a gradient for `x` only."""
    y: Tensor = _PackedConvolution.apply(x, kernel, 0, True)  # type: ignore[no-untyped-call]
    return y
