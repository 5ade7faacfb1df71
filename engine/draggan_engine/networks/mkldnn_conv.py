"""Convolutions on a CPU whose kernels stay in oneDNN's own order.

torch brings a kernel into that order at each convolution, forwards and backwards; for windows of a few pixels that is a
good part of the time. A kernel that stays as it is can be brought into it once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .bfloat16 import supports_bfloat16

_OPS = torch.ops.mkldnn
MKLDNN_AVAILABLE = torch._C._has_mkldnn and all(
    hasattr(_OPS, name)
    for name in (
        "_convolution_pointwise",
        "_convolution_transpose_pointwise",
        "_reorder_convolution_weight",
        "_reorder_convolution_transpose_weight",
    )
)
"""torch's compiler is built on these operations; a torch without them convolves as ever."""

TYPICAL_INPUT_SIZE = 10  # px: the input for which the order is chosen; others are served too


class PackedKernel:
    """A kernel `[A, B, k, k]` in the two orders in which it is needed.

    Attributes:
        down: for B → A channels, of a convolution.
        up: for A → B channels, of a transposed one; each is the other's backward pass.
    """

    def __init__(self, weight: Tensor, stride: int) -> None:
        self.stride = stride
        weight = weight.contiguous()
        a, b = weight.shape[:2]
        one = [1, 1]
        self.down = _OPS._reorder_convolution_weight(
            weight, [0, 0], [stride, stride], one, 1, [1, b, TYPICAL_INPUT_SIZE, TYPICAL_INPUT_SIZE]
        )
        self.up = _OPS._reorder_convolution_transpose_weight(
            weight, [0, 0], [0, 0], [stride, stride], one, 1, [1, a, TYPICAL_INPUT_SIZE, TYPICAL_INPUT_SIZE]
        )

    @staticmethod
    def serves(weight: Tensor) -> bool:
        """Whether there can be one of that weight, and it is the quicker one.

        Measured on a window of 10 px, both ways: 512 channels 1.45 times as quick, 256 channels 1.3 times, 128 and 64
        channels not with one thread; 48 and 96 channels, which are no whole vectors of that order, several times slower.
        """
        channels = weight.shape[:2]
        return (
            MKLDNN_AVAILABLE
            and weight.device.type == "cpu"
            and _has_kernels(weight.dtype)
            and min(channels) >= 256
            and all(count % 64 == 0 for count in channels)
        )

    def conv(self, x: Tensor, padding: int) -> Tensor:
        """`F.conv2d` of `[N, B, H, W]`."""
        stride = [self.stride, self.stride]
        y: Tensor = _OPS._convolution_pointwise(
            x, self.down, None, [padding, padding], stride, [1, 1], 1, "none", [], ""
        )
        return y

    def conv_transpose(self, x: Tensor, padding: int) -> Tensor:
        """`F.conv_transpose2d` of `[N, A, H, W]`."""
        stride = [self.stride, self.stride]
        y: Tensor = _OPS._convolution_transpose_pointwise(
            x, self.up, None, [padding, padding], [0, 0], stride, [1, 1], 1, "none", [], ""
        )
        return y


def _has_kernels(dtype: torch.dtype) -> bool:
    """oneDNN refuses to pack bfloat16 kernels for a processor without AVX-512."""
    return dtype == torch.float32 or (dtype == torch.bfloat16 and supports_bfloat16(torch.device("cpu")))


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: PackedKernel, padding: int, transposed: bool) -> Tensor:
        ctx.kernel, ctx.padding, ctx.transposed = kernel, padding, transposed
        x = x.contiguous(memory_format=torch.channels_last)
        return kernel.conv_transpose(x, padding) if transposed else kernel.conv(x, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        kernel, padding = ctx.kernel, ctx.padding
        back = kernel.conv(gradient, padding) if ctx.transposed else kernel.conv_transpose(gradient, padding)
        return back, None, None, None


def packed_conv2d(x: Tensor, kernel: PackedKernel, padding: int = 0) -> Tensor:
    """`F.conv2d(x, weight, stride, padding)`, with a gradient for x."""
    y: Tensor = _Convolution.apply(x, kernel, padding, False)  # type: ignore[no-untyped-call]
    return y


def packed_conv_transpose2d(x: Tensor, kernel: PackedKernel) -> Tensor:
    """`F.conv_transpose2d(x, weight, stride)`, with a gradient for x."""
    y: Tensor = _Convolution.apply(x, kernel, 0, True)  # type: ignore[no-untyped-call]
    return y
