"""The StyleGAN2 generator (Karras et al., CVPR 2020), `skip` architecture.

Parameter names are those of NVIDIA's PyTorch files, so a checkpoint's tensors load as they are.
Wherever a height is asked for, the width follows from `b4.const` (StyleGAN-Human is 1:2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from .config import GeneratorConfig
from .ops import EPS, Dense, lrelu, modulated_conv, resample_kernel, upsample2

NoiseMode = Literal["const", "none", "random"]


class Mapping(nn.Module):
    """z (and class label) → ws."""

    w_avg: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.num_ws = config.num_ws
        self.num_layers = config.mapping_layers
        self.c_dim = config.c_dim
        width = config.z_dim
        if config.c_dim:
            self.embed = Dense(config.c_dim, config.w_dim)
            width += config.w_dim
        for i in range(self.num_layers):
            layer = Dense(width, config.w_dim, lr_multiplier=config.mapping_lr_multiplier, activation="lrelu")
            self.add_module(f"fc{i}", layer)
            width = config.w_dim
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None, *, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """Maps to W and truncates towards the average.

        Args:
            z: `[N, z_dim]`, standard normal.
            c: `[N, c_dim]` one-hot labels of a conditional model, else None.
            psi: truncation ψ; 1 = none.
            cutoff: truncate the first so many rows only; None = all.

        Returns:
            ws `[N, num_ws, w_dim]`.
        """
        x = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + EPS)
        if self.c_dim:
            label = torch.zeros(len(z), self.c_dim, dtype=z.dtype, device=z.device) if c is None else c
            y = self.embed(label)
            x = torch.cat([x, y * torch.rsqrt(y.square().mean(dim=1, keepdim=True) + EPS)], dim=1)
        for i in range(self.num_layers):
            x = self.get_submodule(f"fc{i}")(x)
        ws = x.unsqueeze(1).repeat(1, self.num_ws, 1)
        if psi != 1:
            ws = torch.cat(
                [self.w_avg.lerp(ws[:, :cutoff], psi), ws[:, ws.shape[1] if cutoff is None else cutoff :]], dim=1
            )
        return ws


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
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in, 3, 3))
        self.register_buffer("noise_const", torch.randn(*noise_size))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.register_buffer("resample_filter", resample_kernel())

    def forward(self, x: Tensor, w: Tensor, noise_mode: NoiseMode) -> Tensor:
        y = modulated_conv(x, self.weight, self.affine(w), up_kernel=self.resample_filter if self.up else None)
        if noise_mode == "const":
            y = y + self.noise_const * self.noise_strength
        elif noise_mode == "random":
            y = y + torch.randn(len(y), 1, *y.shape[2:], dtype=y.dtype, device=y.device) * self.noise_strength
        return lrelu(y + self.bias[:, None, None], self.clamp)


class ToRGB(nn.Module):
    """Modulated 1×1 convolution to picture channels, without demodulation."""

    def __init__(self, channels_in: int, img_channels: int, w_dim: int, clamp: float | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.scale = channels_in**-0.5
        self.affine = Dense(w_dim, channels_in, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(img_channels, channels_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y = modulated_conv(x, self.weight, self.affine(w) * self.scale, demodulate=False) + self.bias[:, None, None]
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)


class Block(nn.Module):
    """All layers of one resolution: conv0 (up; not in b4), conv1, toRGB."""

    resample_filter: Tensor

    def __init__(self, config: GeneratorConfig, resolution: int, const_size: tuple[int, int]) -> None:
        super().__init__()
        self.resolution = resolution
        self.first = resolution == 4
        channels = config.channels(resolution)
        size = (const_size[0] * resolution // 4, const_size[1] * resolution // 4)
        clamp = config.conv_clamp
        if self.first:
            self.const = nn.Parameter(torch.randn(channels, *const_size))
        else:
            below = config.channels(resolution // 2)
            self.conv0 = Layer(below, channels, config.w_dim, size, up=True, clamp=clamp)
        self.conv1 = Layer(channels, channels, config.w_dim, size, up=False, clamp=clamp)
        self.torgb = ToRGB(channels, config.img_channels, config.w_dim, clamp)
        self.register_buffer("resample_filter", resample_kernel())

    def features(self, x: Tensor | None, ws: Tensor, noise_mode: NoiseMode) -> Tensor:
        """The block's feature map; `ws` are its own rows (one for b4, two for the others, toRGB's beyond them)."""
        if x is None:
            y = self.const.unsqueeze(0).expand(len(ws), -1, -1, -1)
            return self.conv1(y, ws[:, 0], noise_mode)  # type: ignore[no-any-return]
        y = self.conv0(x, ws[:, 0], noise_mode)
        return self.conv1(y, ws[:, 1], noise_mode)  # type: ignore[no-any-return]

    def picture(self, below: Tensor | None, x: Tensor, w: Tensor) -> Tensor:
        """The picture so far: that of the block below, upsampled, plus this block's toRGB."""
        rgb: Tensor = self.torgb(x, w)
        return rgb if below is None else upsample2(below, self.resample_filter) + rgb


@dataclass(frozen=True)
class SynthesisResult:
    """What a pass gave: the picture `[N, C, h, w]` in about [−1, 1] (None if not asked for) and the
    feature maps `[N, channels, h, w]` by block name ("b64")."""

    image: Tensor | None
    features: dict[str, Tensor] = field(default_factory=dict)


class Synthesis(nn.Module):
    """ws → picture and feature maps."""

    def __init__(self, config: GeneratorConfig, const_size: tuple[int, int] = (4, 4)) -> None:
        super().__init__()
        self.resolutions = config.block_resolutions
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", Block(config, resolution, const_size))

    @property
    def block_names(self) -> tuple[str, ...]:
        return tuple(f"b{r}" for r in self.resolutions)

    def forward(
        self, ws: Tensor, *, noise_mode: NoiseMode = "const", features: Sequence[str] = (), image: int | None = None
    ) -> SynthesisResult:
        """Runs the blocks from 4×4 upwards, only as far as what is asked for needs.

        Args:
            ws: `[N, num_ws, w_dim]`.
            noise_mode: stored noise, none, or fresh noise.
            features: names of the blocks whose feature maps are wanted.
            image: height of the picture: the full one, a smaller block's (the skip sum up to there), or 0 for
                none. None means the full one, or none where only features are asked for.

        Raises:
            KeyError: a block that the network does not have.
        """
        if image is None:
            image = 0 if features else self.resolutions[-1]
        wanted = {name: self.resolutions[self.block_names.index(name)] for name in features if name in self.block_names}
        unknown = set(features) - set(wanted)
        if unknown or (image and image not in self.resolutions):
            raise KeyError(f"no block {unknown or image}; there are {', '.join(self.block_names)}")
        last = max([image, *wanted.values()])
        maps: dict[str, Tensor] = {}
        x: Tensor | None = None
        picture: Tensor | None = None
        row = 0
        for resolution in self.resolutions:
            if resolution > last:
                break
            block = self.get_submodule(f"b{resolution}")
            assert isinstance(block, Block)
            x = block.features(x, ws[:, row:], noise_mode)
            row += 1 if block.first else 2
            if resolution <= image:
                picture = block.picture(picture, x, ws[:, row])
            if f"b{resolution}" in wanted:
                maps[f"b{resolution}"] = x
        return SynthesisResult(picture, maps)


class Generator(nn.Module):
    """Mapping and synthesis together; everything the drag asks of a model."""

    def __init__(self, config: GeneratorConfig, const_size: tuple[int, int] = (4, 4)) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config)
        self.synthesis = Synthesis(config, const_size)
        self.const_size = const_size

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture in pixels."""
        return (self.config.resolution, self.config.resolution * self.const_size[1] // self.const_size[0])

    @property
    def num_ws(self) -> int:
        return self.config.num_ws

    @property
    def device(self) -> torch.device:
        return self.mapping.w_avg.device
