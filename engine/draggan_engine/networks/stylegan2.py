"""The StyleGAN2 synthesis network (Karras et al., CVPR 2020), `skip` architecture.

Parameter names are those of NVIDIA's PyTorch files, so a checkpoint's tensors load as they are.
Wherever a height is asked for, the width follows from `b4.const` (StyleGAN-Human is 1:2).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from draggan_engine.core.geometry import Size

from .config import StyleGAN2Config
from .mkldnn_conv import PackedKernel
from .ops import (
    SQRT2,
    ConvolutionKernel,
    DenseLayer,
    convolution_kernel,
    low_pass_kernel,
    modulated_conv2d,
    random_weight,
    upsample_2x,
)
from .synthesis import NoiseMode, SynthesisNetwork, SynthesisResult
from .windows import BlockShape, LayerInput, MapWindow, conv_input, upsampling_input


class LayerConstants(NamedTuple):
    """What a layer computes from its weights alone: its kernel, bias `[O, 1, 1]` and noise × strength `[H, W]` (None: the
    layer is known to have none), both times the gain of the leaky ReLU, before which they are added."""

    kernel: ConvolutionKernel
    bias: Tensor
    noise: Tensor | None

    def packed(self, stride: int) -> LayerConstants:
        """With the kernel in the order in which a CPU reads it, if it is one."""
        weight = self.kernel.weight
        if not PackedKernel.serves(weight):
            return self
        return self._replace(kernel=self.kernel._replace(packed=PackedKernel(weight, stride)))


class BlockConstants(NamedTuple):
    """Those of a block's layers; b4 has no conv0."""

    conv0: LayerConstants | None
    conv1: LayerConstants

    def packed(self) -> BlockConstants:
        """For many passes without a gradient for the weights."""
        return BlockConstants(None if self.conv0 is None else self.conv0.packed(2), self.conv1.packed(1))


class LayerWindow(NamedTuple):
    """A window of a layer's map: its input is only what `cut` says; `box` is the window."""

    cut: LayerInput
    box: MapWindow


class StyleGAN2Layer(nn.Module):
    """Modulated 3×3 convolution, noise, bias, leaky ReLU; `up` doubles the size first."""

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        w_dim: int,
        noise_size: tuple[int, int],
        *,
        up: bool,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self.up = up
        self.clamp = clamp
        self.affine = DenseLayer(w_dim, channels_in, bias_init=1.0)
        self.weight = nn.Parameter(random_weight(channels_out, channels_in, 3, 3))
        self.register_buffer("noise_const", random_weight(*noise_size))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.register_buffer("resample_filter", low_pass_kernel())

    def constants(self, dtype: torch.dtype) -> LayerConstants:
        """What `forward` needs for inputs of that type; worth keeping where the weights stay as they are."""
        strength = self.noise_strength
        # Asking an accelerator would wait for it.
        silent = not strength.requires_grad and strength.device.type == "cpu" and not bool(strength)
        return LayerConstants(
            kernel=convolution_kernel(self.weight, dtype, up=self.up),
            bias=(self.bias[:, None, None] * SQRT2).to(dtype),
            noise=None if silent else (self.noise_const * (strength * SQRT2)).to(dtype),
        )

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        noise_mode: NoiseMode,
        constants: LayerConstants | None = None,
        part: LayerWindow | None = None,
    ) -> Tensor:
        """The layer's map `[N, O, H, W]`, or a part of it (not with fresh noise)."""
        constants = constants or self.constants(x.dtype)
        y = modulated_conv2d(
            x,
            constants.kernel,
            self.affine(w),
            constants.bias,
            gain=SQRT2,
            up_kernel=self.resample_filter if self.up else None,
            padding=None if part is None else part.cut.padding,
        )
        if noise_mode == "const" and constants.noise is not None:
            y.add_(constants.noise if part is None else _crop(constants.noise, part.box))
        elif noise_mode == "random":
            noise = torch.randn(len(y), 1, *y.shape[2:], device=y.device) * (self.noise_strength * SQRT2)
            y.add_(noise.to(y.dtype))
        F.leaky_relu(y, 0.2, inplace=True)  # no gradient needs what either of the two has overwritten
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)


class ToRGB(nn.Module):
    """Modulated 1×1 convolution to picture channels, without demodulation."""

    def __init__(self, channels_in: int, img_channels: int, w_dim: int, clamp: float | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.scale = channels_in**-0.5
        self.affine = DenseLayer(w_dim, channels_in, bias_init=1.0)
        self.weight = nn.Parameter(random_weight(img_channels, channels_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Of the weights' type, whatever `x` is."""
        kernel = convolution_kernel(self.weight, x.dtype, demodulate=False)
        y = modulated_conv2d(x, kernel, self.affine(w) * self.scale, self.bias[:, None, None].to(x.dtype))
        return (y if self.clamp is None else y.clamp(-self.clamp, self.clamp)).to(self.weight.dtype)


class StyleGAN2Block(nn.Module):
    """All layers of one resolution: conv0 (up; not in b4), conv1, toRGB."""

    resample_filter: Tensor

    def __init__(self, config: StyleGAN2Config, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution
        self.is_first = resolution == 4
        channels = config.channels_of(resolution)
        size = (config.const_size[0] * resolution // 4, config.const_size[1] * resolution // 4)
        clamp = config.conv_clamp
        if self.is_first:
            self.const = nn.Parameter(random_weight(channels, *config.const_size))
        else:
            below = config.channels_of(resolution // 2)
            self.conv0 = StyleGAN2Layer(below, channels, config.w_dim, size, up=True, clamp=clamp)
        self.conv1 = StyleGAN2Layer(channels, channels, config.w_dim, size, up=False, clamp=clamp)
        self.torgb = ToRGB(channels, config.img_channels, config.w_dim, clamp)
        self.register_buffer("resample_filter", low_pass_kernel())

    @property
    def shape(self) -> BlockShape:
        """Its map's; not for b4, which has no block below."""
        height, width = self.conv1.noise_const.shape
        return BlockShape(Size(width, height), self.conv0.weight.shape[1], len(self.conv1.weight))

    def constants(self, dtype: torch.dtype) -> BlockConstants:
        """What `features` and `window` compute from the weights alone."""
        return BlockConstants(None if self.is_first else self.conv0.constants(dtype), self.conv1.constants(dtype))

    def feature_map(
        self,
        x: Tensor | None,
        rows: Sequence[Tensor],
        noise_mode: NoiseMode,
        dtype: torch.dtype,
        constants: BlockConstants | None = None,
    ) -> Tensor:
        """The block's feature map, computed in `dtype`; `rows` are its own of ws, `[N, w_dim]` (one for b4, two for the
        others, toRGB's beyond them)."""
        of_conv0, of_conv1 = constants or (None, None)
        if x is None:
            y = self.const.unsqueeze(0).expand(len(rows[0]), -1, -1, -1)
            y = y.to(dtype, memory_format=torch.channels_last)  # all later maps follow; a CPU is quicker so
            return self.conv1(y, rows[0], noise_mode, of_conv1)  # type: ignore[no-any-return]
        y = self.conv0(x.to(dtype), rows[0], noise_mode, of_conv0)
        return self.conv1(y, rows[1], noise_mode, of_conv1)  # type: ignore[no-any-return]

    def feature_window(
        self,
        x: Tensor,
        at: MapWindow,
        box: MapWindow,
        rows: Sequence[Tensor],
        dtype: torch.dtype,
        constants: BlockConstants | None = None,
    ) -> Tensor:
        """A window of `features`, with the stored noise; not of b4.

        Args:
            x: a part of the map of the block below, `at` that place; at least what `box` needs.
            box: the window.
            rows: as for `features`.

        Returns:
            `[N, channels, height and width of box]`.
        """
        of_conv0, of_conv1 = constants or (None, None)
        size = self.shape.size
        conv1 = LayerWindow(conv_input(box, size), box)
        middle = conv1.cut.source
        conv0 = LayerWindow(upsampling_input(middle, Size(size.width // 2, size.height // 2)), middle)
        y = _crop(x, conv0.cut.source.moved(-at.left, -at.top)).to(dtype)
        y = self.conv0(y, rows[0], "const", of_conv0, conv0)
        return self.conv1(y, rows[1], "const", of_conv1, conv1)  # type: ignore[no-any-return]

    def add_to_image(self, below: Tensor | None, x: Tensor, w: Tensor) -> Tensor:
        """The picture so far: that of the block below, upsampled, plus this block's toRGB."""
        rgb: Tensor = self.torgb(x, w)
        return rgb if below is None else upsample_2x(below, self.resample_filter) + rgb


class StyleGAN2Synthesis(SynthesisNetwork):
    """Blocks b4, b8, …; each block's feature map is its last layer's, and the picture so far can be had there."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.resolutions = self.image_heights = config.block_resolutions
        self.block_names = tuple(f"b{resolution}" for resolution in self.resolutions)
        self.row_names = _row_names(self.resolutions)
        lowest = max(len(self.resolutions) - config.num_fp16_res, 1)  # b4 never
        self.fp16_resolutions = self.resolutions[lowest:]
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", StyleGAN2Block(config, resolution))

    def feature_height(self, name: str) -> int:
        return self.resolutions[self.block_names.index(name)]

    def dtype_of(self, resolution: int) -> torch.dtype:
        """In which the block of that height is computed."""
        half = self.use_fp16 and resolution in self.fp16_resolutions
        block = self.get_submodule(f"b{resolution}")
        assert isinstance(block, StyleGAN2Block)
        return torch.float16 if half else block.conv1.weight.dtype

    def forward(
        self,
        ws: Tensor,
        *,
        noise_mode: NoiseMode = "const",
        features: Sequence[str] = (),
        image: int | None = None,
    ) -> SynthesisResult:
        rows = ws.unbind(dim=1)
        height = self.wanted(features, image)
        last = max([height, *map(self.feature_height, features)])
        maps: dict[str, Tensor] = {}
        x: Tensor | None = None
        picture: Tensor | None = None
        row = 0
        for name, resolution in zip(self.block_names, self.resolutions, strict=True):
            if resolution > last:
                break
            block = self.get_submodule(name)
            assert isinstance(block, StyleGAN2Block)
            x = block.feature_map(x, rows[row:], noise_mode, self.dtype_of(resolution))
            row += 1 if block.is_first else 2
            if resolution <= height:
                picture = block.add_to_image(picture, x, rows[row])
            if name in features:
                maps[name] = x.to(block.conv1.weight.dtype)
        return SynthesisResult(picture, maps)


def _crop(x: Tensor, box: MapWindow) -> Tensor:
    return x[..., box.top : box.bottom, box.left : box.right]


def _row_names(resolutions: Sequence[int]) -> tuple[str, ...]:
    """What each row of ws styles: a block's toRGB shares its row with the next block's first layer."""
    names = ["b4.conv1"]
    for below, resolution in itertools.pairwise(resolutions):
        names += [f"b{below}.torgb, b{resolution}.conv0", f"b{resolution}.conv1"]
    return (*names, f"b{resolutions[-1]}.torgb")
