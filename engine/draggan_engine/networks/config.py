"""What a model file says about its networks, as validated values. Whatever follows from them is computed here."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

Size = Annotated[int, Field(gt=0, le=65536)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]

# Far beyond the largest models that there are; what a damaged or hostile file asks for must not fill the memory.
MAX_LAYER_SAMPLES = 2**32
MAX_WEIGHTS = 2**30


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Network(_Config):
    """What generators and discriminators of every family have."""

    resolution: Annotated[int, Field(ge=8, le=2048, description="picture height in pixels")]
    img_channels: Literal[1, 3, 4] = 3
    c_dim: Annotated[int, Field(ge=0, le=65536, description="classes; 0 = unconditional")] = 0
    num_fp16_res: Annotated[int, Field(ge=0, le=16, description="highest resolutions made for float16")] = 0
    conv_clamp: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _power_of_two(self) -> _Network:
        if self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution {self.resolution} is not a power of two")
        return self


class _Pyramid(_Network):
    """A stack of blocks, one per power of two from 4 up to `resolution`."""

    channels: Annotated[tuple[Size, ...], Field(description="feature channels of the blocks, lowest block first")]

    @model_validator(mode="after")
    def _complete(self) -> _Pyramid:
        if len(self.channels) != len(self.block_resolutions):
            raise ValueError(f"there are {len(self.block_resolutions)} blocks, and channels of {len(self.channels)}")
        return self

    @property
    def block_resolutions(self) -> tuple[int, ...]:
        """Heights of the blocks, lowest first: 4, 8, …, resolution."""
        return block_resolutions(self.resolution)

    def channels_of(self, resolution: int) -> int:
        """Feature channels of the block of that height."""
        return self.channels[self.block_resolutions.index(resolution)]


def block_resolutions(resolution: int) -> tuple[int, ...]:
    """4, 8, …, `resolution`, a power of two."""
    return tuple(2**i for i in range(2, int(math.log2(resolution)) + 1))


def pyramid_channels(resolution: int, channel_base: int, channel_max: int) -> tuple[int, ...]:
    """NVIDIA's rule: min(channel_base // height, channel_max) for each block, lowest first."""
    return tuple(min(channel_base // height, channel_max) for height in block_resolutions(resolution))


class _Mapped(_Network):
    """What the mapping network needs."""

    z_dim: Annotated[int, Field(gt=0, le=8192)] = 512
    w_dim: Annotated[int, Field(gt=0, le=8192)] = 512
    mapping_layers: Annotated[int, Field(ge=1, le=64)] = 8
    mapping_features: Annotated[
        int | None, Field(gt=0, le=8192, description="of all layers but the last; null = w_dim")
    ] = None
    mapping_lr_multiplier: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01

    @property
    def mapping_widths(self) -> tuple[int, ...]:
        """How many features each layer of the mapping gives, the first layer's first."""
        return (self.mapping_features or self.w_dim,) * (self.mapping_layers - 1) + (self.w_dim,)


class StyleGAN2Config(_Pyramid, _Mapped):
    """StyleGAN2 generator (Karras et al. 2020), `skip` architecture."""

    family: Literal["stylegan2"] = "stylegan2"
    const_size: tuple[Annotated[int, Field(ge=4, le=4)], Annotated[int, Field(ge=1, le=16)]] = Field(
        (4, 4), description="height and width of b4's constant; (4, 2) gives pictures of 2:1"
    )

    @property
    def num_ws(self) -> int:
        """Rows of a W+ latent: 2·log2(resolution) − 2."""
        return 2 * len(self.block_resolutions)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture in pixels."""
        return (self.resolution, self.resolution * self.const_size[1] // self.const_size[0])


class LayerShape(NamedTuple):
    """The map that a StyleGAN3 layer makes: its `name` in the file, `rate` in samples per picture, `size` in samples
    with the margins on both sides, and `channels`."""

    name: str
    rate: int
    size: int
    channels: int


class StyleGAN3Config(_Mapped):
    """StyleGAN3 generator (Karras et al. 2021), t and r. Defaults: what the files leave out."""

    family: Literal["stylegan3"] = "stylegan3"
    mapping_layers: Annotated[int, Field(ge=1, le=64)] = 2
    conv_clamp: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 256
    num_fp16_res: Annotated[int, Field(ge=0, le=16)] = 4
    channel_base: Size = 32768
    channel_max: Size = 512
    num_layers: Annotated[int, Field(ge=2, le=64)] = 14
    num_critical: Annotated[int, Field(ge=0, le=63)] = 2
    first_cutoff: Positive = 2
    first_stopband: Positive = 2**2.1
    last_stopband_rel: Positive = 2**0.3
    margin_size: Annotated[int, Field(ge=0, le=128)] = 10
    output_scale: Positive = 0.25
    conv_kernel: Literal[1, 3] = 3
    filter_size: Annotated[int, Field(ge=2, le=16)] = 6
    lrelu_upsampling: Annotated[int, Field(ge=1, le=4)] = 2
    use_radial_filters: bool = False

    @model_validator(mode="after")
    def _buildable(self) -> StyleGAN3Config:
        if self.num_critical >= self.num_layers:
            raise ValueError(f"num_critical {self.num_critical} is not less than num_layers {self.num_layers}")
        if self.first_cutoff >= self.resolution / 2:
            raise ValueError(f"first_cutoff {self.first_cutoff} is not less than half of resolution {self.resolution}")
        if self.last_stopband_rel < 1:
            raise ValueError(f"last_stopband_rel {self.last_stopband_rel} is less than 1")
        if not self.first_cutoff < self.first_stopband <= self._last_stopband:
            raise ValueError(
                f"first_stopband {self.first_stopband} is not between first_cutoff {self.first_cutoff} "
                f"and the last stopband {self._last_stopband:g}"
            )
        self._check_layers()
        return self

    def _check_layers(self) -> None:
        layers = self.layers
        if layers[0].rate < 2:
            raise ValueError(f"first_stopband {self.first_stopband} gives a first layer of rate {layers[0].rate}")
        if layers[-2].rate != self.resolution:
            raise ValueError(
                f"num_critical {self.num_critical} gives a layer before the last of rate {layers[-2].rate}"
            )
        parameters = 0
        for before, layer in zip(layers[:1] + layers[:-1], layers, strict=True):
            if layer.channels < 1:
                raise ValueError(f"channel_base {self.channel_base} gives {layer.name} no channels")
            parameters += before.channels * layer.channels * self.conv_kernel**2
            if layer.channels * (layer.size * self.lrelu_upsampling) ** 2 > MAX_LAYER_SAMPLES:
                raise ValueError(f"{layer.name}, upsampled by {self.lrelu_upsampling}, is larger than any model's")
        if parameters > MAX_WEIGHTS:
            raise ValueError(f"the layers have {parameters} weights, more than any model's")

    @property
    def _last_stopband(self) -> float:
        return self.resolution / 2 * self.last_stopband_rel

    @property
    def layers(self) -> tuple[LayerShape, ...]:
        """The layers, first to last, toRGB (Karras et al. 2021, section 3.2 and appendix C).

        Cutoff and stopband grow in geometric series; the `num_critical` last layers and toRGB have the highest. A
        layer's rate is the lowest power of two that its stopband allows. The last two maps have no margin.
        """
        return tuple(self._layer(i) for i in range(self.num_layers + 1))

    def _layer(self, i: int) -> LayerShape:
        exponent = min(i / (self.num_layers - self.num_critical), 1)
        cutoff = self.first_cutoff * (self.resolution / 2 / self.first_cutoff) ** exponent
        stopband = self.first_stopband * (self._last_stopband / self.first_stopband) ** exponent
        rate = 2 ** max(math.ceil(math.log2(min(2 * stopband, self.resolution))), 0)
        size = rate + 2 * self.margin_size if i < self.num_layers - 1 else self.resolution
        channels = round(min(self.channel_base / 2 / cutoff, self.channel_max))
        if i == self.num_layers:
            channels = self.img_channels
        return LayerShape(f"L{i}_{size}_{channels}", rate, size, channels)

    def is_critical(self, i: int) -> bool:
        """Whether layer i is critically sampled: its cutoff is half of its rate."""
        return i >= self.num_layers - self.num_critical

    @property
    def num_ws(self) -> int:
        """Rows of a W+ latent: one for the input, one for each layer and one for toRGB."""
        return self.num_layers + 2

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture in pixels."""
        return (self.resolution, self.resolution)


GeneratorConfig = StyleGAN2Config | StyleGAN3Config


class DiscriminatorConfig(_Pyramid):
    """StyleGAN2 discriminator, `resnet` architecture (StyleGAN3 has the same)."""

    mapping_layers: Annotated[int, Field(ge=0, le=64)] = 8
    mbstd_group_size: Annotated[int, Field(gt=0)] = 4
    mbstd_channels: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _divisible(self) -> DiscriminatorConfig:
        if self.mbstd_channels and self.channels[0] % self.mbstd_channels:
            raise ValueError(
                f"mbstd_channels {self.mbstd_channels} does not divide the {self.channels[0]} channels of b4"
            )
        return self
