"""The StyleGAN2 synthesis network (Karras et al., CVPR 2020), `skip` architecture.

Parameter names are those of NVIDIA's PyTorch files, so a checkpoint's tensors load as they are.
Wherever a height is asked for, the width follows from `b4.const` (StyleGAN-Human is 1:2).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .config import StyleGAN2Config
from .ops import Dense, lrelu, modulated_conv, normal, resample_kernel, upsample2
from .synthesis import NoiseMode, Synthesis, SynthesisResult


class Layer(nn.Module):
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
        self.affine = Dense(w_dim, channels_in, bias_init=1.0)
        self.weight = nn.Parameter(normal(channels_out, channels_in, 3, 3))
        self.register_buffer("noise_const", normal(*noise_size))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.register_buffer("resample_filter", resample_kernel())

    def forward(self, x: Tensor, w: Tensor, noise_mode: NoiseMode) -> Tensor:
        y = modulated_conv(x, self.weight, self.affine(w), up_kernel=self.resample_filter if self.up else None)
        if noise_mode == "const":
            y = y + (self.noise_const * self.noise_strength).to(y.dtype)
        elif noise_mode == "random":
            noise = torch.randn(len(y), 1, *y.shape[2:], device=y.device) * self.noise_strength
            y = y + noise.to(y.dtype)
        return lrelu(y + self.bias[:, None, None].to(y.dtype), self.clamp)


class ToRGB(nn.Module):
    """Modulated 1×1 convolution to picture channels, without demodulation."""

    def __init__(self, channels_in: int, img_channels: int, w_dim: int, clamp: float | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.scale = channels_in**-0.5
        self.affine = Dense(w_dim, channels_in, bias_init=1.0)
        self.weight = nn.Parameter(normal(img_channels, channels_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Float32, whatever `x` is."""
        y = modulated_conv(x, self.weight, self.affine(w) * self.scale, demodulate=False)
        y = y + self.bias[:, None, None].to(y.dtype)
        return (y if self.clamp is None else y.clamp(-self.clamp, self.clamp)).float()


class Block(nn.Module):
    """All layers of one resolution: conv0 (up; not in b4), conv1, toRGB."""

    resample_filter: Tensor

    def __init__(self, config: StyleGAN2Config, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution
        self.first = resolution == 4
        channels = config.channels_of(resolution)
        size = (config.const_size[0] * resolution // 4, config.const_size[1] * resolution // 4)
        clamp = config.conv_clamp
        if self.first:
            self.const = nn.Parameter(normal(channels, *config.const_size))
        else:
            below = config.channels_of(resolution // 2)
            self.conv0 = Layer(below, channels, config.w_dim, size, up=True, clamp=clamp)
        self.conv1 = Layer(channels, channels, config.w_dim, size, up=False, clamp=clamp)
        self.torgb = ToRGB(channels, config.img_channels, config.w_dim, clamp)
        self.register_buffer("resample_filter", resample_kernel())

    def features(self, x: Tensor | None, ws: Tensor, noise_mode: NoiseMode, dtype: torch.dtype) -> Tensor:
        """The block's feature map, computed in `dtype`; `ws` are its own rows (one for b4, two for the others,
        toRGB's beyond them)."""
        if x is None:
            y = self.const.unsqueeze(0).expand(len(ws), -1, -1, -1)
            return self.conv1(y.to(dtype), ws[:, 0], noise_mode)  # type: ignore[no-any-return]
        y = self.conv0(x.to(dtype), ws[:, 0], noise_mode)
        return self.conv1(y, ws[:, 1], noise_mode)  # type: ignore[no-any-return]

    def picture(self, below: Tensor | None, x: Tensor, w: Tensor) -> Tensor:
        """The picture so far: that of the block below, upsampled, plus this block's toRGB."""
        rgb: Tensor = self.torgb(x, w)
        return rgb if below is None else upsample2(below, self.resample_filter) + rgb


class StyleGAN2Synthesis(Synthesis):
    """Blocks b4, b8, …; each block's feature map is its last layer's, and the picture so far can be had there."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.resolutions = self.picture_heights = config.block_resolutions
        self.block_names = tuple(f"b{resolution}" for resolution in self.resolutions)
        self.row_names = _row_names(self.resolutions)
        lowest = max(len(self.resolutions) - config.num_fp16_res, 1)  # b4 never
        self.fp16_resolutions = self.resolutions[lowest:]
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", Block(config, resolution))

    def feature_height(self, name: str) -> int:
        return self.resolutions[self.block_names.index(name)]

    def forward(
        self, ws: Tensor, *, noise_mode: NoiseMode = "const", features: Sequence[str] = (), image: int | None = None
    ) -> SynthesisResult:
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
            assert isinstance(block, Block)
            half = self.use_fp16 and resolution in self.fp16_resolutions
            x = block.features(x, ws[:, row:], noise_mode, torch.float16 if half else torch.float32)
            row += 1 if block.first else 2
            if resolution <= height:
                picture = block.picture(picture, x, ws[:, row])
            if name in features:
                maps[name] = x.float()
        return SynthesisResult(picture, maps)


def _row_names(resolutions: Sequence[int]) -> tuple[str, ...]:
    """What each row of ws styles: a block's toRGB shares its row with the next block's first layer."""
    names = ["b4.conv1"]
    for below, resolution in itertools.pairwise(resolutions):
        names += [f"b{below}.torgb, b{resolution}.conv0", f"b{resolution}.conv1"]
    return (*names, f"b{resolutions[-1]}.torgb")
