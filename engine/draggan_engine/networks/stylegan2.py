"""The StyleGAN2 synthesis network (Karras et al. 2020), `skip` architecture.

Parameter names are those of NVIDIA's PyTorch files, so that a checkpoint's tensors load as they are. Heights are given
alone; the widths follow from `b4.const` (the images of StyleGAN-Human are twice as high as wide).
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
from .feature_blend import FeatureBlend
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
    """What a layer computes from its weights alone.

    Bias and noise contain the gain of the leaky ReLU, because they are added after the convolution, which contains it.

    Attributes:
        kernel: the convolution's.
        bias: `[O, 1, 1]`.
        noise: stored noise times its strength, `[H, W]`; None if the strength is known to be 0.
    """

    kernel: ConvolutionKernel
    bias: Tensor
    noise: Tensor | None

    def packed(self, stride: int) -> LayerConstants:
        """Return the constants with the kernel in oneDNN's order, if this is faster."""
        weight = self.kernel.weight
        if not PackedKernel.is_faster_for(weight):
            return self
        return self._replace(kernel=self.kernel._replace(packed=PackedKernel(weight, stride)))


class BlockConstants(NamedTuple):
    """The constants of a block's layers; b4 has no conv0."""

    conv0: LayerConstants | None
    conv1: LayerConstants

    def packed(self) -> BlockConstants:
        """Return the constants for many passes without a gradient for the weights."""
        return BlockConstants(None if self.conv0 is None else self.conv0.packed(2), self.conv1.packed(1))


class LayerWindow(NamedTuple):
    """A window of a layer's output, and the part of its input that the layer is given to compute it."""

    layer_input: LayerInput
    window: MapWindow


class StyleGAN2Layer(nn.Module):
    """Modulated 3×3 convolution, noise, bias and leaky ReLU; with `up`, height and width double first.

    Args:
        channels_in, channels_out: feature channels.
        w_dim: width of w.
        noise_shape: height and width of the output.
        up: whether this is an up layer.
        clamp: limit of the result's magnitude; None = no limit.
    """

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        w_dim: int,
        noise_shape: tuple[int, int],
        *,
        up: bool,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self.up = up
        self.clamp = clamp
        self.affine = DenseLayer(w_dim, channels_in, bias_init=1.0)
        self.weight = nn.Parameter(random_weight(channels_out, channels_in, 3, 3))
        self.register_buffer("noise_const", random_weight(*noise_shape))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.register_buffer("resample_filter", low_pass_kernel())

    def constants(self, dtype: torch.dtype) -> LayerConstants:
        """Return what `forward` needs for inputs of this number type; can be kept while the weights do not change."""
        strength = self.noise_strength
        # On an accelerator, reading the strength would wait for all pending work.
        is_silent = not strength.requires_grad and strength.device.type == "cpu" and not bool(strength)
        return LayerConstants(
            kernel=convolution_kernel(self.weight, dtype, up=self.up),
            bias=(self.bias[:, None, None] * SQRT2).to(dtype),
            noise=None if is_silent else (self.noise_const * (strength * SQRT2)).to(dtype),
        )

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        noise_mode: NoiseMode,
        constants: LayerConstants | None = None,
        window: LayerWindow | None = None,
    ) -> Tensor:
        """Return the layer's output `[N, O, H, W]`, or a window of it.

        Args:
            x: `[N, I, h, w]`; for a window, the part of the input that `window.layer_input` names.
            w: `[N, w_dim]`.
            noise_mode: not "random" with a window.
            constants: computed here if None.
            window: None = the whole map.
        """
        constants = constants or self.constants(x.dtype)
        y = modulated_conv2d(
            x,
            constants.kernel,
            self.affine(w),
            constants.bias,
            gain=SQRT2,
            up_kernel=self.resample_filter if self.up else None,
            padding=None if window is None else window.layer_input.padding,
        )
        if noise_mode == "const" and constants.noise is not None:
            y.add_(constants.noise if window is None else _crop(constants.noise, window.window))
        elif noise_mode == "random":
            noise = torch.randn(len(y), 1, *y.shape[2:], device=y.device) * (self.noise_strength * SQRT2)
            y.add_(noise.to(y.dtype))
        F.leaky_relu(y, 0.2, inplace=True)  # no gradient needs the values that these two operations overwrite
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)


class ToRGB(nn.Module):
    """Modulated 1×1 convolution to image channels, without demodulation."""

    def __init__(self, channels_in: int, img_channels: int, w_dim: int, clamp: float | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.style_scale = channels_in**-0.5
        self.affine = DenseLayer(w_dim, channels_in, bias_init=1.0)
        self.weight = nn.Parameter(random_weight(img_channels, channels_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x `[N, I, H, W]` of any number type, w `[N, w_dim]` → `[N, img_channels, H, W]` in the weights' type."""
        kernel = convolution_kernel(self.weight, x.dtype, demodulate=False)
        y = modulated_conv2d(x, kernel, self.affine(w) * self.style_scale, self.bias[:, None, None].to(x.dtype))
        return (y if self.clamp is None else y.clamp(-self.clamp, self.clamp)).to(self.weight.dtype)


class StyleGAN2Block(nn.Module):
    """All layers of one resolution: conv0 (an up layer; not in b4), conv1 and toRGB.

    Attributes:
        blend: applied to the block's feature map and image; None in generators that are not tuned to a photograph.
    """

    resample_filter: Tensor
    blend: FeatureBlend | None

    def __init__(self, config: StyleGAN2Config, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution
        self.height, _ = map_shape = config.map_shape(resolution)
        self.is_first = resolution == 4
        channels = config.block_channels(resolution)
        clamp = config.conv_clamp
        if self.is_first:
            self.const = nn.Parameter(random_weight(channels, *config.const_size))
        else:
            channels_below = config.block_channels(resolution // 2)
            self.conv0 = StyleGAN2Layer(channels_below, channels, config.w_dim, map_shape, up=True, clamp=clamp)
        self.conv1 = StyleGAN2Layer(channels, channels, config.w_dim, map_shape, up=False, clamp=clamp)
        self.torgb = ToRGB(channels, config.img_channels, config.w_dim, clamp)
        self.register_buffer("resample_filter", low_pass_kernel())
        self.register_module("blend", None)

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the block's feature map."""
        height, width = self.conv1.noise_const.shape
        return len(self.conv1.weight), height, width

    @property
    def shape(self) -> BlockShape:
        """Size and channels of the block's map; not for b4, which has no block below."""
        height, width = self.conv1.noise_const.shape
        return BlockShape(Size(width, height), self.conv0.weight.shape[1], len(self.conv1.weight))

    def constants(self, dtype: torch.dtype) -> BlockConstants:
        """Return what `feature_map` and `feature_window` compute from the weights alone."""
        return BlockConstants(None if self.is_first else self.conv0.constants(dtype), self.conv1.constants(dtype))

    def feature_map(
        self,
        x: Tensor | None,
        rows: Sequence[Tensor],
        noise_mode: NoiseMode,
        dtype: torch.dtype,
        constants: BlockConstants | None = None,
    ) -> Tensor:
        """Return the block's feature map `[N, channels, H, W]`.

        Args:
            x: the feature map of the block below; None for b4.
            rows: the block's rows of ws, each `[N, w_dim]`: one for b4, two for the others. Any further rows are ignored.
            dtype: the number type to compute in.
            constants: computed here if None.
        """
        conv0_constants, conv1_constants = constants or (None, None)
        if x is None:
            y = self.const.unsqueeze(0).expand(len(rows[0]), -1, -1, -1)
            # All later maps keep this memory format, which is faster on a CPU.
            y = y.to(dtype, memory_format=torch.channels_last)
            y = self.conv1(y, rows[0], noise_mode, conv1_constants)
        else:
            y = self.conv0(x.to(dtype), rows[0], noise_mode, conv0_constants)
            y = self.conv1(y, rows[1], noise_mode, conv1_constants)
        return y if self.blend is None else self.blend.blend_features(y)

    def feature_window(
        self,
        x: Tensor,
        x_window: MapWindow,
        window: MapWindow,
        rows: Sequence[Tensor],
        dtype: torch.dtype,
        constants: BlockConstants | None = None,
    ) -> Tensor:
        """Return a window of `feature_map` with stored noise, `[N, channels, window height, window width]`; not for b4.

        Args:
            x: a window of the map of the block below, with at least what `window` needs.
            x_window: where x lies in that map.
            window: the window to compute.
            rows, dtype, constants: as for `feature_map`.
        """
        conv0_constants, conv1_constants = constants or (None, None)
        map_size = self.shape.size
        conv1_window = LayerWindow(conv_input(window, map_size), window)
        conv0_output = conv1_window.layer_input.source
        size_below = Size(map_size.width // 2, map_size.height // 2)
        conv0_window = LayerWindow(upsampling_input(conv0_output, size_below), conv0_output)
        y = _crop(x, conv0_window.layer_input.source.moved(-x_window.left, -x_window.top)).to(dtype)
        y = self.conv0(y, rows[0], "const", conv0_constants, conv0_window)
        y = self.conv1(y, rows[1], "const", conv1_constants, conv1_window)
        return y if self.blend is None else self.blend.blend_features(y, window)

    def add_to_image(self, image_below: Tensor | None, x: Tensor, w: Tensor) -> Tensor:
        """Return this block's toRGB plus the upsampled image of the blocks below, `[N, img_channels, H, W]`.

        Args:
            image_below: `[N, img_channels, H/2, W/2]`; None for b4.
            x: the block's feature map.
            w: the row of ws for toRGB, `[N, w_dim]`.
        """
        rgb: Tensor = self.torgb(x, w)
        rgb = rgb if image_below is None else upsample_2x(image_below, self.resample_filter) + rgb
        return rgb if self.blend is None else self.blend.blend_image(rgb)


class StyleGAN2Synthesis(SynthesisNetwork):
    """Blocks b4, b8, …; a block's feature map is the output of its conv1, and each block can end with an image."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.resolutions = config.block_resolutions
        self.image_shape = config.image_shape
        self.image_heights = tuple(config.map_shape(resolution)[0] for resolution in self.resolutions)
        self.block_names = tuple(f"b{resolution}" for resolution in self.resolutions)
        self.row_names = _row_names(self.resolutions)
        first_fp16_block = max(len(self.resolutions) - config.num_fp16_res, 1)  # never b4
        self.fp16_resolutions = self.resolutions[first_fp16_block:]
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", StyleGAN2Block(config, resolution))

    def feature_height(self, name: str) -> int:
        return self.image_heights[self.block_names.index(name)]

    def block(self, name: str) -> StyleGAN2Block:
        """Return the block with this name."""
        block = self.get_submodule(name)
        assert isinstance(block, StyleGAN2Block)
        return block

    def block_dtype(self, resolution: int) -> torch.dtype:
        """Return the number type that the block b`resolution` is computed in."""
        if self.use_fp16 and resolution in self.fp16_resolutions:
            return torch.float16
        return self.block(f"b{resolution}").conv1.weight.dtype

    def forward(
        self,
        ws: Tensor,
        *,
        noise_mode: NoiseMode = "const",
        features: Sequence[str] = (),
        image: int | None = None,
        dtype: torch.dtype | None = None,
    ) -> SynthesisResult:
        """Compute as `SynthesisNetwork.forward` does; `dtype` is the number type of all blocks, None that of each block."""
        rows = ws.unbind(dim=1)
        image_height = self.resolve_image_height(features, image)
        last_height = max([image_height, *map(self.feature_height, features)])
        feature_maps: dict[str, Tensor] = {}
        x: Tensor | None = None
        rgb: Tensor | None = None
        for index, (name, height) in enumerate(zip(self.block_names, self.image_heights, strict=True)):
            if height > last_height:
                break
            block = self.block(name)
            block_dtype = dtype or self.block_dtype(block.resolution)
            x = block.feature_map(x, rows[first_row(index) :], noise_mode, block_dtype)
            if height <= image_height:
                rgb = block.add_to_image(rgb, x, rows[first_row(index + 1)])
            if name in features:
                feature_maps[name] = x.to(block.conv1.weight.dtype)
        return SynthesisResult(rgb, feature_maps)


def first_row(block_index: int) -> int:
    """Return the index of a block's first row in ws. The block's toRGB uses the first row of the next block."""
    return max(2 * block_index - 1, 0)


def _crop(x: Tensor, window: MapWindow) -> Tensor:
    return x[..., window.top : window.bottom, window.left : window.right]


def _row_names(resolutions: Sequence[int]) -> tuple[str, ...]:
    """Return what each row of ws styles."""
    names = ["b4.conv1"]
    for below, resolution in itertools.pairwise(resolutions):
        names += [f"b{below}.torgb, b{resolution}.conv0", f"b{resolution}.conv1"]
    return (*names, f"b{resolutions[-1]}.torgb")
