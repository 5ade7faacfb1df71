"""The StyleGAN3 synthesis network (Karras et al. 2021), configurations t and r.

Parameter names are those of NVIDIA's files, so that a checkpoint's tensors load as they are. The maps of the layers
extend beyond the image by a margin, because filters at its border need something to read; `crop_margins` cuts it off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .config import StyleGAN3Config
from .feature_blend import FeatureBlend
from .ops import EPSILON, SQRT2, DenseLayer, random_weight
from .synthesis import NoiseMode, SynthesisNetwork, SynthesisResult

LEAKY_SLOPE = 0.2
CPU_CHUNK_VALUES = 2**21
"""How many values of an upsampled map a CPU works on at a time. More would not stay in its cache; fewer would keep its
threads idle."""
VECTOR_CHANNELS = 16  # channels that fill a vector register

_AxisPair = tuple[int, int]
"""A value for the vertical axis, and one for the horizontal axis."""

_AxisKernel = tuple[Tensor, int, int]
"""A kernel, and 1 or 0 for whether it runs vertically and whether it runs horizontally."""


def crop_margins(x: Tensor, height: int, width: int) -> Tensor:
    """Return the part of a map that shows the image: the samples in its middle.

    Args:
        x: `[N, C, H, W]`; H − height and W − width are even, and half of them is the margin on each side.
        height, width: samples of the image.

    Returns:
        `[N, C, height, width]`, a view.
    """
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]


class Resampling(NamedTuple):
    """How a map gets from its size after a layer's convolution to the size of the layer's output.

    Attributes:
        up, down: factors between the sampling rates.
        taps_up, taps_down: lengths of the filters; 1 = no filter.
        crop: samples that are cut off at the start of each axis of the upsampled map, at the top and on the left.
        upsampled_size: samples of it that remain along each axis, height and width.
    """

    up: int
    down: int
    taps_up: int
    taps_down: int
    crop: _AxisPair
    upsampled_size: _AxisPair


def layer_resampling(config: StyleGAN3Config, index: int) -> Resampling:
    """Return the resampling of the layer with this index; toRGB, the last, has no filters.

    Source: Karras et al. 2021, appendix C.
    """
    layer, source = config.layer_shapes[index], config.layer_shapes[max(index - 1, 0)]
    is_to_rgb = index == config.num_layers
    temporary_rate = max(source.rate, layer.rate) * (1 if is_to_rgb else config.lrelu_upsampling)
    up, down = temporary_rate // source.rate, temporary_rate // layer.rate
    taps_up, taps_down = (1 if factor == 1 or is_to_rgb else factor * config.filter_size for factor in (up, down))
    border = 0 if is_to_rgb else config.conv_kernel - 1
    crops, upsampled_sizes = [], []
    for source_size, size in ((source.size, layer.size), (source.width, layer.width)):
        upsampled_size = (size - 1) * down + taps_down
        # The paper pads the map with inserted zeros by `padding`, of which (padding + up) // 2 at the start, and applies the
        # filter without going beyond the edges. A transposed convolution pads by taps_up − 1 itself; the excess is cropped.
        padding = upsampled_size - 1 + taps_up - (source_size + border) * up
        crops.append(taps_up - 1 - (padding + up) // 2)
        upsampled_sizes.append(upsampled_size)
    return Resampling(up, down, taps_up, taps_down, (crops[0], crops[1]), (upsampled_sizes[0], upsampled_sizes[1]))


class FilteredLrelu(torch.autograd.Function):
    """Upsample, leaky ReLU, clamp, downsample: a nonlinearity whose new frequencies do not alias.

    Upsampling is a transposed and downsampling a strided depthwise convolution, so that no work is done on inserted
    zeros or on samples that are dropped. Each is the transpose of the other, and the gradient here is built from them
    as well, which on a CPU is faster than the convolutions' own gradients. The gradient computes the upsampled map again
    instead of storing it, because it is by far the largest tensor in the network.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, taps_up: Tensor, taps_down: Tensor, resampling: Resampling, slope: float, clamp: float
    ) -> Tensor:
        """Return `[N, C, H′, W′]`, the size of the layer's output.

        Args:
            x: `[N, C, H, W]`.
            taps_up, taps_down: symmetric filters with their gains, `[k]` (separable) or `[k, k]`.
            resampling: the layer's.
            slope: slope of the leaky ReLU.
            clamp: limit of the magnitude between the filters; infinity = no limit.
        """
        ctx.save_for_backward(x, taps_up, taps_down)
        ctx.settings = resampling, slope, clamp
        return _join_chunks(
            _downsample(
                _leaky_relu_clamped(_upsample(chunk, taps_up, resampling), slope, clamp), taps_down, resampling.down
            )
            for chunk in _channel_chunks(x, resampling)
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, taps_up, taps_down = ctx.saved_tensors
        resampling, slope, clamp = ctx.settings

        def chunk_gradient(chunk: Tensor, output_gradient: Tensor) -> Tensor:
            upsampled = _upsample(chunk, taps_up, resampling).requires_grad_()
            with torch.enable_grad():
                activated = _leaky_relu_clamped(upsampled, slope, clamp)
            activated_gradient = _spread_and_filter(output_gradient, taps_down, resampling.down)
            (upsampled_gradient,) = torch.autograd.grad(activated, upsampled, activated_gradient)
            return _upsample_transposed(upsampled_gradient, taps_up, resampling, (chunk.shape[2], chunk.shape[3]))

        chunks = zip(_channel_chunks(x, resampling), _channel_chunks(gradients[0], resampling), strict=True)
        return _join_chunks(chunk_gradient(*chunk) for chunk in chunks), None, None, None, None, None


def _channel_chunks(x: Tensor, resampling: Resampling) -> Sequence[Tensor]:
    """Split `x` into groups of channels, each in channels-last order; on an accelerator into one group."""
    chunk_channels = x.shape[1]
    if x.device.type == "cpu":
        fitting_channels = CPU_CHUNK_VALUES // (len(x) * math.prod(resampling.upsampled_size))
        chunk_channels = max(fitting_channels // VECTOR_CHANNELS, 1) * VECTOR_CHANNELS
    return [chunk.contiguous(memory_format=torch.channels_last) for chunk in torch.split(x, chunk_channels, dim=1)]


def _join_chunks(chunks: Iterable[Tensor]) -> Tensor:
    return torch.cat(list(chunks), dim=1)


def _leaky_relu_clamped(x: Tensor, slope: float, clamp: float) -> Tensor:
    return F.leaky_relu(x, slope).clamp(-clamp, clamp)


def _upsample(x: Tensor, taps: Tensor, resampling: Resampling) -> Tensor:
    upsampled = _spread_and_filter(x, taps, resampling.up, resampling.crop)
    height, width = resampling.upsampled_size
    return upsampled[:, :, :height, :width]


def _upsample_transposed(y: Tensor, taps: Tensor, resampling: Resampling, map_size: _AxisPair) -> Tensor:
    """Apply the transpose of `_upsample` for maps of this height and width."""
    sliced_off = [  # 0 or 1 along each axis
        (size - 1) * resampling.up + len(taps) - 2 * crop - upsampled_size
        for size, crop, upsampled_size in zip(map_size, resampling.crop, resampling.upsampled_size, strict=True)
    ]
    return _downsample(F.pad(y, (0, sliced_off[1], 0, sliced_off[0])), taps, resampling.up, resampling.crop)


def _spread_and_filter(x: Tensor, taps: Tensor, factor: int, crop: _AxisPair = (0, 0)) -> Tensor:
    """Insert factor − 1 zeros after each sample, filter beyond the edges as well, and crop each side."""
    return _convolve_axes(F.conv_transpose2d, x, _axis_kernels(taps), factor, crop)


def _downsample(x: Tensor, taps: Tensor, factor: int, padding: _AxisPair = (0, 0)) -> Tensor:
    """Pad each side with zeros, filter inside, and keep every factor-th sample: the transpose of `_spread_and_filter`."""
    return _convolve_axes(F.conv2d, x, reversed(_axis_kernels(taps)), factor, padding)


def _convolve_axes(
    convolve: Callable[..., Tensor], x: Tensor, kernels: Iterable[_AxisKernel], factor: int, padding: _AxisPair
) -> Tensor:
    """Convolve each channel with one kernel after the other, each with stride and padding along its own axes."""
    channels = x.shape[1]
    for kernel, vertical, horizontal in kernels:
        weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
        stride, axis_padding = (factor**vertical, factor**horizontal), (padding[0] * vertical, padding[1] * horizontal)
        x = convolve(x, weight, stride=stride, padding=axis_padding, groups=channels)
    return x


def _axis_kernels(taps: Tensor) -> list[_AxisKernel]:
    """Return the kernels that make up a filter: one for each axis if it is separable (`[k]`), else one for both."""
    if taps.ndim == 1:
        return [(taps[:, None], 1, 0), (taps[None], 0, 1)]
    return [(taps, 1, 1)]


class FourierInput(nn.Module):
    """Sine waves of fixed frequencies on the plane, which w rotates and moves, mixed by a matrix."""

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        first_layer = config.layer_shapes[0]
        self.size, self.width = first_layer.size, first_layer.width
        self.rate = first_layer.rate
        self.cutoff = config.first_cutoff
        self.affine = DenseLayer(config.w_dim, 4)
        self.weight = nn.Parameter(random_weight(first_layer.channels, first_layer.channels))
        self.register_buffer("freqs", random_weight(first_layer.channels, 2))
        self.register_buffer("phases", random_weight(first_layer.channels, std=0.25))
        self.register_buffer("transform", torch.eye(3, device="cpu"))

    def forward(self, w: Tensor) -> Tensor:
        """w `[N, w_dim]` → map `[N, C, size, width]`."""
        placement = _placement_matrix(self.affine(w)) @ self.transform
        phases = self.phases + (self.freqs @ placement[:, :2, 2:]).squeeze(2)  # [N, C]
        frequencies = self.freqs @ placement[:, :2, :2]  # [N, C, 2]
        # A scale in `transform` may bring frequencies beyond what the samples can represent; these fade out.
        excess = (frequencies.norm(dim=2) - self.cutoff) / (self.rate / 2 - self.cutoff)
        amplitudes = (1 - excess).clamp(0, 1)
        angles = self._sample_grid(w) @ frequencies.transpose(1, 2)[:, None]  # [N, size, width, C]
        waves = torch.sin((angles + phases[:, None, None]) * (2 * math.pi)) * amplitudes[:, None, None]
        return F.linear(waves, self.weight / math.sqrt(len(self.weight))).permute(0, 3, 1, 2)

    def _sample_grid(self, like: Tensor) -> Tensor:
        """Return x and y of the samples, `[size, width, 2]`; from top to bottom the image extends from −½ to ½."""
        x, y = (
            (torch.arange(count, dtype=like.dtype, device=like.device) + (1 - count) / 2) / self.rate
            for count in (self.width, self.size)
        )
        return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=2)


def _placement_matrix(placement: Tensor) -> Tensor:
    """Return the matrices `[N, 3, 3]` that move by −(x, y) and then rotate back.

    Args:
        placement: (cos, sin, x, y) `[N, 4]`, all divided by the length of the first two here.
    """
    cos, sin, x, y = (placement / placement[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    rotation = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1).view(-1, 3, 3)
    translation = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1).view(-1, 3, 3)
    return rotation @ translation


class StyleGAN3Layer(nn.Module):
    """Modulated convolution, bias and filtered leaky ReLU; toRGB, the last layer, is 1×1, linear and not demodulated.

    Attributes:
        map_shape: channels, height and width of the layer's map, with its margins.
        blend: applied to this map; None in generators that are not tuned to a photograph.
    """

    blend: FeatureBlend | None
    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(self, config: StyleGAN3Config, index: int) -> None:
        super().__init__()
        channels_in = config.layer_shapes[max(index - 1, 0)].channels
        layer = config.layer_shapes[index]
        self.map_shape = (layer.channels, layer.size, layer.width)
        self.is_to_rgb = index == config.num_layers
        self.made_for_fp16 = layer.rate * 2**config.num_fp16_res > config.resolution
        self.kernel_size = 1 if self.is_to_rgb else config.conv_kernel
        self.resampling = layer_resampling(config, index)
        self.gain = 1.0 if self.is_to_rgb else SQRT2
        self.slope = 1.0 if self.is_to_rgb else LEAKY_SLOPE
        self.clamp = math.inf if config.conv_clamp is None else config.conv_clamp
        self.affine = DenseLayer(config.w_dim, channels_in, bias_init=1.0)
        self.weight = nn.Parameter(random_weight(layer.channels, channels_in, self.kernel_size, self.kernel_size))
        self.bias = nn.Parameter(torch.zeros(layer.channels))
        self.register_buffer("magnitude_ema", torch.ones([]))
        is_radial = config.use_radial_filters and not config.is_critically_sampled(index)
        self.register_buffer("up_filter", _initial_filter(self.resampling.taps_up, 1))
        self.register_buffer("down_filter", _initial_filter(self.resampling.taps_down, 2 if is_radial else 1))
        self.register_module("blend", None)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x `[N, I, H, W]`, w `[N, w_dim]` → `[N, O, size, width]` in x's number type."""
        y = self._modulated_conv(x, self.affine(w)) + self.bias[:, None, None].to(x.dtype)
        # The gain of the leaky ReLU is made part of the filter that follows it.
        taps_up = self._taps(self.up_filter) * self.resampling.up
        taps_down = self._taps(self.down_filter)
        taps_down = taps_down * math.sqrt(self.gain) if taps_down.ndim == 1 else taps_down * self.gain
        result: Tensor = FilteredLrelu.apply(  # type: ignore[no-untyped-call]
            y, taps_up, taps_down, self.resampling, self.slope, self.clamp / self.gain
        )
        return result

    def _modulated_conv(self, x: Tensor, style: Tensor) -> Tensor:
        """Convolve with W·style: the input is scaled by the style and divided by its average magnitude, the output is
        demodulated.

        W and the style are normalised first, so that EPSILON does not matter and float16 does not overflow.
        """
        weight: Tensor = self.weight
        fan_in = weight[0].numel()
        if self.is_to_rgb:
            style = style / math.sqrt(fan_in)
        else:
            weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True))
            style = style * torch.rsqrt(style.square().mean(dim=1, keepdim=True))
        input_scale = style * torch.rsqrt(self.magnitude_ema)
        y = F.conv2d(x * input_scale[:, :, None, None].to(x.dtype), weight.to(x.dtype), padding=self.kernel_size - 1)
        if not self.is_to_rgb:
            energy = weight.square().sum(dim=(2, 3))  # [O, I]
            y = y * torch.rsqrt(style.square() @ energy.t() + EPSILON / fan_in)[:, :, None, None].to(y.dtype)
        return y

    def _taps(self, stored: Tensor | None) -> Tensor:
        return self.bias.new_ones(1) if stored is None else stored


def _initial_filter(taps: int, dimensions: int) -> Tensor | None:
    """Return a filter of the right shape that a file's values replace; None where a file has no filter."""
    return None if taps == 1 else torch.full((taps,) * dimensions, 1 / taps**dimensions)


class StyleGAN3Synthesis(SynthesisNetwork):
    """ws → image and the layers' feature maps, cropped to the image."""

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        layer_names = tuple(layer.name for layer in config.layer_shapes)
        self.block_names = layer_names[:-1]
        self.row_names = ("input", *layer_names)
        self.image_shape = config.image_shape
        self.image_heights = (config.resolution,)
        self.output_scale = config.output_scale
        self._rates = {layer.name: layer.rate for layer in config.layer_shapes}
        self.input = FourierInput(config)
        for index, name in enumerate(layer_names):
            self.add_module(name, StyleGAN3Layer(config, index))

    def feature_height(self, name: str) -> int:
        return self._rates[name]

    def forward(
        self,
        ws: Tensor,
        *,
        noise_mode: NoiseMode = "const",  # noqa: ARG002 - this family has no noise
        features: Sequence[str] = (),
        image: int | None = None,
    ) -> SynthesisResult:
        image_height = self.resolve_image_height(features, image)
        missing_names = set(features)
        feature_maps: dict[str, Tensor] = {}
        if not (missing_names or image_height):
            return SynthesisResult(None)
        for name, x in self.full_maps(ws):
            if name in missing_names:
                missing_names.remove(name)
                height = self._rates[name]
                width = height * self.image_shape[1] // self.image_shape[0]
                feature_maps[name] = crop_margins(x, height, width).float()
            if not (missing_names or image_height):
                return SynthesisResult(None, feature_maps)
        return SynthesisResult(x.float() * self.output_scale, feature_maps)

    def full_maps(self, ws: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the layers' names and maps with their margins; each map is computed when it is requested.

        The last map is that of toRGB.

        Args:
            ws: `[N, num_ws, w_dim]`.
        """
        x = self.input(ws[:, 0])
        for name, w in zip(self.row_names[1:], ws[:, 1:].unbind(dim=1), strict=True):
            layer = self.get_submodule(name)
            assert isinstance(layer, StyleGAN3Layer)
            x = layer(x.to(torch.float16 if self.use_fp16 and layer.made_for_fp16 else ws.dtype), w)
            if layer.blend is not None:
                x = layer.blend.blend_features(x)
            yield name, x
