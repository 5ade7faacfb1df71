"""The synthesis network of StyleGAN3, t and r (Karras et al. 2021, "Alias-Free Generative Adversarial Networks").

Parameter names are those of NVIDIA's PyTorch files, so a checkpoint's tensors load as they are.

All maps but the last two are larger than the picture by a margin on each side; those given out are cropped to it.
In memory their channels come last, where the depthwise convolutions that filter them are much faster on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .config import StyleGAN3Config
from .ops import EPSILON, SQRT2, DenseLayer, random_weight
from .synthesis import NoiseMode, SynthesisNetwork, SynthesisResult

LEAKY_SLOPE = 0.2
# How many values of an upsampled map a CPU works on at a time: more leave its cache and are fresh pages each time, less
# keep its threads idle.
CPU_CHUNK_VALUES = 2**21
VECTOR_CHANNELS = 16  # a vector register's worth


def crop_margins(x: Tensor, rate: int) -> Tensor:
    """The part of a map that shows the picture: the `rate × rate` samples in its middle.

    Args:
        x: `[N, C, n, n]`; n − rate is even, half of it is the margin on each side.
        rate: samples per picture.

    Returns:
        `[N, C, rate, rate]`, a view.
    """
    margin = (x.shape[2] - rate) // 2
    return x[:, :, margin : margin + rate, margin : margin + rate]


class Resampling(NamedTuple):
    """How a map gets from its size after a layer's convolution to the layer's own.

    Attributes:
        up, down: factors between the rates.
        taps_up, taps_down: lengths of the filters; 1 where there is none.
        crop: samples that the upsampled map loses at the start of each axis.
        upsampled: samples of it that remain.
    """

    up: int
    down: int
    taps_up: int
    taps_down: int
    crop: int
    upsampled: int


def layer_resampling(config: StyleGAN3Config, i: int) -> Resampling:
    """That of layer i (Karras et al. 2021, appendix C); the last is toRGB and has no filters."""
    layer, source = config.layers[i], config.layers[max(i - 1, 0)]
    to_rgb = i == config.num_layers
    rate = max(source.rate, layer.rate) * (1 if to_rgb else config.lrelu_upsampling)
    up, down = rate // source.rate, rate // layer.rate
    taps_up, taps_down = (1 if factor == 1 or to_rgb else factor * config.filter_size for factor in (up, down))
    convolved = source.size + (1 if to_rgb else config.conv_kernel) - 1
    upsampled = (layer.size - 1) * down + taps_down
    # In the paper's terms the zero-inserted map is padded by so much, (padding + up) // 2 of it at the start, and
    # the filter stays inside. A transposed convolution stands for taps_up − 1 there; the rest is cropped.
    padding = upsampled - 1 + taps_up - convolved * up
    return Resampling(up, down, taps_up, taps_down, taps_up - 1 - (padding + up) // 2, upsampled)


class FilteredLrelu(torch.autograd.Function):
    """Upsample, leaky ReLU, clamp, downsample: a nonlinearity whose new frequencies do not alias.

    Upsampling is a transposed and downsampling a strided depthwise convolution: no work on inserted zeros or on
    samples that are dropped. They are each other's transposes, and the gradient here is made of them again: on a CPU
    all this takes half of the time that it takes with the convolutions' own gradients. It computes the upsampled map
    anew, as this is by far the largest thing in the network.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, taps_up: Tensor, taps_down: Tensor, sizes: Resampling, slope: float, clamp: float
    ) -> Tensor:
        """
        Args:
            x: `[N, C, H, H]`.
            taps_up, taps_down: symmetric filters with their gains, `[k]` (separable) or `[k, k]`.
            sizes: with it the result is `[N, C, H′, H′]`, H′ the layer's size.
            slope: of the leaky ReLU.
            clamp: limit of the values between the filters; infinity for none.
        """
        ctx.save_for_backward(x, taps_up, taps_down)
        ctx.settings = sizes, slope, clamp
        return _joined(
            _gathered(_act(_upsampled(part, taps_up, sizes), slope, clamp), taps_down, sizes.down)
            for part in _parts(x, sizes)
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, taps_up, taps_down = ctx.saved_tensors
        sizes, slope, clamp = ctx.settings

        def of_part(part: Tensor, gradient: Tensor) -> Tensor:
            upsampled = _upsampled(part, taps_up, sizes).requires_grad_()
            with torch.enable_grad():
                acted = _act(upsampled, slope, clamp)
            (gradient,) = torch.autograd.grad(acted, upsampled, _spread(gradient, taps_down, sizes.down))
            return _upsampled_transposed(gradient, taps_up, sizes, part.shape[2])

        parts = zip(_parts(x, sizes), _parts(gradients[0], sizes), strict=True)
        return _joined(of_part(*part) for part in parts), None, None, None, None, None


def _parts(x: Tensor, sizes: Resampling) -> Sequence[Tensor]:
    """Some channels at a time, and these last in memory; all at once on an accelerator."""
    count = x.shape[1]
    if x.device.type == "cpu":
        fitting = CPU_CHUNK_VALUES // (len(x) * sizes.upsampled**2)
        count = max(fitting // VECTOR_CHANNELS, 1) * VECTOR_CHANNELS
    return [part.contiguous(memory_format=torch.channels_last) for part in torch.split(x, count, dim=1)]


def _joined(parts: Iterable[Tensor]) -> Tensor:
    return torch.cat(list(parts), dim=1)


def _act(x: Tensor, slope: float, clamp: float) -> Tensor:
    return F.leaky_relu(x, slope).clamp(-clamp, clamp)


def _upsampled(x: Tensor, taps: Tensor, sizes: Resampling) -> Tensor:
    return _spread(x, taps, sizes.up, sizes.crop)[:, :, : sizes.upsampled, : sizes.upsampled]


def _upsampled_transposed(y: Tensor, taps: Tensor, sizes: Resampling, height: int) -> Tensor:
    """The transpose of `_upsampled` for maps of that height."""
    cut = (height - 1) * sizes.up + len(taps) - 2 * sizes.crop - sizes.upsampled  # by its slice: 0 or 1
    return _gathered(F.pad(y, (0, cut, 0, cut)), taps, sizes.up, sizes.crop)


def _spread(x: Tensor, taps: Tensor, factor: int, crop: int = 0) -> Tensor:
    """Inserts factor − 1 zeros after each sample and filters, beyond the edges too; then crops each side."""
    channels = x.shape[1]
    for kernel, down, right in _passes(taps):
        weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
        stride, padding = (factor**down, factor**right), (crop * down, crop * right)
        x = F.conv_transpose2d(x, weight, stride=stride, padding=padding, groups=channels)
    return x


def _gathered(x: Tensor, taps: Tensor, factor: int, padding: int = 0) -> Tensor:
    """The transpose of `_spread`: pads each side with zeros, filters inside and keeps every factor-th sample."""
    channels = x.shape[1]
    for kernel, down, right in reversed(_passes(taps)):
        weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
        stride, pad = (factor**down, factor**right), (padding * down, padding * right)
        x = F.conv2d(x, weight, stride=stride, padding=pad, groups=channels)
    return x


def _passes(taps: Tensor) -> list[tuple[Tensor, int, int]]:
    """The kernels that make up a filter, each with 1 for the axes (down, right) along which it runs."""
    return [(taps[:, None], 1, 0), (taps[None], 0, 1)] if taps.ndim == 1 else [(taps, 1, 1)]


class FourierInput(nn.Module):
    """Sines of fixed frequencies on the plane, which w rotates and moves, mixed by a matrix."""

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        first = config.layers[0]
        self.size = first.size
        self.rate = first.rate
        self.cutoff = config.first_cutoff
        self.affine = DenseLayer(config.w_dim, 4)
        self.weight = nn.Parameter(random_weight(first.channels, first.channels))
        self.register_buffer("freqs", random_weight(first.channels, 2))
        self.register_buffer("phases", random_weight(first.channels, scale=0.25))
        self.register_buffer("transform", torch.eye(3, device="cpu"))

    def forward(self, w: Tensor) -> Tensor:
        """w `[N, w_dim]` → map `[N, C, size, size]`."""
        matrix = _placement(self.affine(w)) @ self.transform
        phases = self.phases + (self.freqs @ matrix[:, :2, 2:]).squeeze(2)  # [N, C]
        freqs = self.freqs @ matrix[:, :2, :2]  # [N, C, 2]
        # A rotation or a scale may bring frequencies beyond what the samples can hold: these fade out.
        amplitudes = (1 - (freqs.norm(dim=2) - self.cutoff) / (self.rate / 2 - self.cutoff)).clamp(0, 1)
        angles = self._grid(w) @ freqs.transpose(1, 2)[:, None]  # [N, size, size, C]
        waves = torch.sin((angles + phases[:, None, None]) * (2 * math.pi)) * amplitudes[:, None, None]
        return F.linear(waves, self.weight / math.sqrt(len(self.weight))).permute(0, 3, 1, 2)

    def _grid(self, like: Tensor) -> Tensor:
        """`[size, size, 2]`: x and y of the samples, the picture being from −½ to ½."""
        at = (torch.arange(self.size, dtype=like.dtype, device=like.device) + (1 - self.size) / 2) / self.rate
        return torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=2)


def _placement(t: Tensor) -> Tensor:
    """(cos, sin, x, y) `[N, 4]`, the first two of any length → the matrices `[N, 3, 3]` of a move by −(x, y), then a
    turn back."""
    c, s, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    turn = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], dim=1).view(-1, 3, 3)
    move = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1).view(-1, 3, 3)
    return turn @ move


class StyleGAN3Layer(nn.Module):
    """Modulated convolution, bias and filtered leaky ReLU; toRGB, the last: 1×1, without demodulation and slope."""

    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(self, config: StyleGAN3Config, i: int) -> None:
        super().__init__()
        channels_in, channels_out = config.layers[max(i - 1, 0)].channels, config.layers[i].channels
        self.to_rgb = i == config.num_layers
        self.made_for_fp16 = config.layers[i].rate * 2**config.num_fp16_res > config.resolution
        self.kernel = 1 if self.to_rgb else config.conv_kernel
        self.sizes = layer_resampling(config, i)
        self.gain = 1.0 if self.to_rgb else SQRT2
        self.slope = 1.0 if self.to_rgb else LEAKY_SLOPE
        self.clamp = math.inf if config.conv_clamp is None else config.conv_clamp
        self.affine = DenseLayer(config.w_dim, channels_in, bias_init=1.0)
        self.weight = nn.Parameter(random_weight(channels_out, channels_in, self.kernel, self.kernel))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.register_buffer("magnitude_ema", torch.ones([]))
        radial = config.use_radial_filters and not config.is_critical(i)
        self.register_buffer("up_filter", _blank_filter(self.sizes.taps_up, 1))
        self.register_buffer("down_filter", _blank_filter(self.sizes.taps_down, 2 if radial else 1))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x `[N, I, H, H]`, w `[N, w_dim]` → `[N, O, size, size]` in x's number type."""
        y = self._convolved(x, self.affine(w)) + self.bias[:, None, None].to(x.dtype)
        # The leaky ReLU's gain can as well be a part of the filter after it.
        up = self._taps(self.up_filter) * self.sizes.up
        down = self._taps(self.down_filter)
        down = down * math.sqrt(self.gain) if down.ndim == 1 else down * self.gain
        result: Tensor = FilteredLrelu.apply(  # type: ignore[no-untyped-call]
            y, up, down, self.sizes, self.slope, self.clamp / self.gain
        )
        return result

    def _convolved(self, x: Tensor, style: Tensor) -> Tensor:
        """The convolution with W·style: the input is scaled by the style, the output demodulated.

        W and the style are normalised, so that neither EPS matters nor float16 overflows, and the input is divided by
        its average magnitude.
        """
        weight: Tensor = self.weight
        fan_in = weight[0].numel()
        if self.to_rgb:
            style = style / math.sqrt(fan_in)
        else:
            weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True))
            style = style * torch.rsqrt(style.square().mean(dim=1, keepdim=True))
        scale = style * torch.rsqrt(self.magnitude_ema)
        y = F.conv2d(x * scale[:, :, None, None].to(x.dtype), weight.to(x.dtype), padding=self.kernel - 1)
        if not self.to_rgb:
            energy = weight.square().sum(dim=(2, 3))  # [O, I]
            y = y * torch.rsqrt(style.square() @ energy.t() + EPSILON / fan_in)[:, :, None, None].to(y.dtype)
        return y

    def _taps(self, stored: Tensor | None) -> Tensor:
        return self.bias.new_ones(1) if stored is None else stored


def _blank_filter(taps: int, dimensions: int) -> Tensor | None:
    """Of the right shape, for a file's numbers; None where a file has none."""
    return None if taps == 1 else torch.full((taps,) * dimensions, 1 / taps**dimensions)


class StyleGAN3Synthesis(SynthesisNetwork):
    """ws → picture and the layers' feature maps, cropped to the picture."""

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        names = tuple(layer.name for layer in config.layers)
        self.block_names = names[:-1]
        self.row_names = ("input", *names)
        self.image_heights = (config.resolution,)
        self.output_scale = config.output_scale
        self._rates = {layer.name: layer.rate for layer in config.layers}
        self.input = FourierInput(config)
        for i, name in enumerate(names):
            self.add_module(name, StyleGAN3Layer(config, i))

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
        height = self.wanted(features, image)
        missing = set(features)
        maps: dict[str, Tensor] = {}
        if not (missing or height):
            return SynthesisResult(None)
        for name, x in self.full_maps(ws):
            if name in missing:
                missing.remove(name)
                maps[name] = crop_margins(x, self._rates[name]).float()
            if not (missing or height):
                return SynthesisResult(None, maps)
        return SynthesisResult(x.float() * self.output_scale, maps)

    def full_maps(self, ws: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Names and maps of the layers with their margins, each computed when it is asked for; the last is toRGB's.

        Args:
            ws: `[N, num_ws, w_dim]`.
        """
        x = self.input(ws[:, 0])
        for name, w in zip(self.row_names[1:], ws[:, 1:].unbind(dim=1), strict=True):
            layer = self.get_submodule(name)
            assert isinstance(layer, StyleGAN3Layer)
            x = layer(x.to(torch.float16 if self.use_fp16 and layer.made_for_fp16 else ws.dtype), w)
            yield name, x
