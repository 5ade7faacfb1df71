"""The architectures of the networks as validated values, and the sizes that follow from them.

The field names are those of the native model files.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

_ChannelCount = Annotated[int, Field(gt=0, le=65536)]
_EmbeddingSize = Annotated[int, Field(gt=0, le=65536)]
_ConstSide = Annotated[int, Field(ge=1, le=16)]
_PositiveFloat = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]

# These limits are far above the largest published models. They keep a damaged or hostile file from filling the memory.
MAX_LAYER_VALUES = 2**32
MAX_WEIGHTS = 2**30
MAX_CONST_AREA = 64


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _NetworkConfig(_Config):
    """Fields that the generators and discriminators of all families share."""

    resolution: Annotated[
        int, Field(ge=8, le=2048, description="image height in pixels, if b4's constant is four pixels high")
    ]
    img_channels: Literal[1, 3, 4] = 3
    c_dim: Annotated[int, Field(ge=0, le=65536, description="classes; 0 = unconditional")] = 0
    num_fp16_res: Annotated[int, Field(ge=0, le=16, description="highest resolutions made for float16")] = 0
    conv_clamp: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _check_resolution(self) -> _NetworkConfig:
        if self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution {self.resolution} is not a power of two")
        return self


class _PyramidConfig(_NetworkConfig):
    """A stack of blocks, one per power of two from 4 up to `resolution`."""

    channels: Annotated[
        tuple[_ChannelCount, ...], Field(description="feature channels of the blocks, lowest block first")
    ]

    @model_validator(mode="after")
    def _check_channels(self) -> _PyramidConfig:
        if len(self.channels) != len(self.block_resolutions):
            raise ValueError(
                f"channels has {len(self.channels)} values, but there are {len(self.block_resolutions)} blocks"
            )
        return self

    @property
    def block_resolutions(self) -> tuple[int, ...]:
        """Heights of the blocks in pixels, lowest first: 4, 8, …, resolution."""
        return block_resolutions(self.resolution)

    def block_channels(self, resolution: int) -> int:
        """Return the number of feature channels of the block with this height."""
        return self.channels[self.block_resolutions.index(resolution)]


def block_resolutions(resolution: int) -> tuple[int, ...]:
    """Return 4, 8, …, `resolution`, which must be a power of two."""
    return tuple(2**exponent for exponent in range(2, int(math.log2(resolution)) + 1))


def pyramid_channels(resolution: int, channel_base: int, channel_max: int) -> tuple[int, ...]:
    """Return min(channel_base // height, channel_max) for each block, lowest first: NVIDIA's rule."""
    return tuple(min(channel_base // height, channel_max) for height in block_resolutions(resolution))


class _MappingConfig(_NetworkConfig):
    """Fields of a generator's mapping network."""

    z_dim: Annotated[int, Field(gt=0, le=8192)] = 512
    w_dim: Annotated[int, Field(gt=0, le=8192)] = 512
    mapping_layers: Annotated[int, Field(ge=1, le=64)] = 8
    mapping_features: Annotated[
        int | None, Field(gt=0, le=8192, description="width of all layers but the last; null = w_dim")
    ] = None
    mapping_lr_multiplier: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    embed_features: Annotated[
        int | None, Field(gt=0, le=8192, description="width of the embedded class of a conditional model; null = w_dim")
    ] = None
    class_embedding: tuple[_EmbeddingSize, _EmbeddingSize] | None = Field(
        None,
        description="classes and features of StyleGAN-XL's table of class embeddings; null = a linear layer embeds classes",
    )

    @model_validator(mode="after")
    def _check_class_embedding(self) -> _MappingConfig:
        if self.class_embedding is not None and not 0 < self.c_dim <= self.class_embedding[0]:
            raise ValueError(f"class_embedding has {self.class_embedding[0]} classes, but c_dim is {self.c_dim}")
        return self

    @property
    def mapping_widths(self) -> tuple[int, ...]:
        """Output widths of the mapping layers, first layer first."""
        return (self.mapping_features or self.w_dim,) * (self.mapping_layers - 1) + (self.w_dim,)


class StyleGAN2Config(_PyramidConfig, _MappingConfig):
    """StyleGAN2 generator (Karras et al. 2020), `skip` architecture.

    The blocks are called b4, b8, … up to `resolution`, whatever the size of the constant. Where it is 4 × 4, that is also
    the height of their maps.
    """

    family: Literal["stylegan2"] = "stylegan2"
    const_size: tuple[_ConstSide, _ConstSide] = Field(
        (4, 4), description="height and width of b4's constant; (4, 2) gives images that are twice as high as wide"
    )

    @model_validator(mode="after")
    def _check_const_size(self) -> StyleGAN2Config:
        if self.const_size[0] * self.const_size[1] > MAX_CONST_AREA:
            raise ValueError(f"const_size {self.const_size} is larger than any model's")
        return self

    @property
    def num_ws(self) -> int:
        """Rows of a W+ latent: 2·log2(resolution) − 2."""
        return 2 * len(self.block_resolutions)

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.map_shape(self.resolution)

    def map_shape(self, resolution: int) -> tuple[int, int]:
        """Return height and width of the map of the block of this name, b`resolution`."""
        return (self.const_size[0] * resolution // 4, self.const_size[1] * resolution // 4)


class LayerShape(NamedTuple):
    """The output map of a StyleGAN3 layer.

    Attributes:
        name: the layer's name in the file, such as "L6_148_512": its number, its width and its channels.
        rate: samples per height of the image; they are as dense along the other axis.
        size: samples from top to bottom, with the margins on both sides.
        channels: feature channels.
        width: samples from left to right, with the margins on both sides.
    """

    name: str
    rate: int
    size: int
    channels: int
    width: int


class LayerConfig(_Config):
    """A layer of a StyleGAN3 whose layers do not follow from its other fields."""

    number: Annotated[int, Field(ge=0, le=999, description="in the layer's name")]
    rate: Annotated[int, Field(ge=2, le=2048, description="samples per image, along either axis; a power of two")]
    channels: _ChannelCount


class StyleGAN3Config(_MappingConfig):
    """StyleGAN3 generator (Karras et al. 2021), t and r, and StyleGAN-XL (Sauer et al. 2022), which adds layers of higher
    resolution to a trained generator. The defaults are the values that the files leave out."""

    family: Literal["stylegan3"] = "stylegan3"
    mapping_layers: Annotated[int, Field(ge=1, le=64)] = 2
    conv_clamp: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 256
    num_fp16_res: Annotated[int, Field(ge=0, le=16)] = 4
    channel_base: _ChannelCount = 32768
    channel_max: _ChannelCount = 512
    num_layers: Annotated[int, Field(ge=2, le=64)] = 14
    num_critical: Annotated[int, Field(ge=0, le=63)] = 2
    first_cutoff: _PositiveFloat = 2
    first_stopband: _PositiveFloat = 2**2.1
    last_stopband_rel: _PositiveFloat = 2**0.3
    margin_size: Annotated[int, Field(ge=0, le=128)] = 10
    output_scale: _PositiveFloat = 0.25
    conv_kernel: Literal[1, 3] = 3
    filter_size: Annotated[int, Field(ge=2, le=16)] = 6
    lrelu_upsampling: Annotated[int, Field(ge=1, le=4)] = 2
    use_radial_filters: bool = False
    square: Annotated[bool, Field(description="false: all maps, with their margins, are half as wide as high")] = True
    layers: tuple[LayerConfig, ...] | None = Field(
        None, max_length=65, description="all layers of StyleGAN-XL; null = they follow from the cutoffs and stopbands"
    )

    @model_validator(mode="after")
    def _check_values(self) -> StyleGAN3Config:
        if self.num_critical >= self.num_layers:
            raise ValueError(f"num_critical {self.num_critical} is not less than num_layers {self.num_layers}")
        if self.first_cutoff >= self.resolution / 2:
            raise ValueError(f"first_cutoff {self.first_cutoff} is not less than half of resolution {self.resolution}")
        if self.last_stopband_rel < 1:
            raise ValueError(f"last_stopband_rel {self.last_stopband_rel} is less than 1")
        if self.layers is not None:
            self._check_listed_layers(self.layers)
        elif not self.first_cutoff < self.first_stopband <= self._last_stopband:
            raise ValueError(
                f"first_stopband {self.first_stopband} is not between first_cutoff {self.first_cutoff} "
                f"and the last stopband {self._last_stopband:g}"
            )
        if not self.square and self.margin_size % 2:
            raise ValueError(f"margin_size {self.margin_size} is odd, so it cannot be halved")
        self._check_layers()
        return self

    def _check_listed_layers(self, layers: tuple[LayerConfig, ...]) -> None:
        rates = [layer.rate for layer in layers]
        if len(layers) != self.num_layers + 1:
            raise ValueError(f"layers has {len(layers)} entries, but num_layers is {self.num_layers}")
        if any(rate & (rate - 1) for rate in rates) or rates != sorted(rates) or rates[-1] != self.resolution:
            raise ValueError(f"layers has rates that are not powers of two up to resolution {self.resolution}")
        if len({layer.name for layer in self.layer_shapes}) < len(layers):
            raise ValueError("layers has a number twice")
        if layers[-1].channels != self.img_channels:
            raise ValueError(
                f"layers ends with {layers[-1].channels} channels, but img_channels is {self.img_channels}"
            )

    def _check_layers(self) -> None:
        layers = self.layer_shapes
        if layers[0].rate < 2:
            raise ValueError(f"first_stopband {self.first_stopband} gives a first layer of rate {layers[0].rate}")
        if layers[-2].rate != self.resolution:
            raise ValueError(
                f"num_critical {self.num_critical} gives a layer before the last of rate {layers[-2].rate}"
            )
        weight_count = 0
        for source, layer in zip(layers[:1] + layers[:-1], layers, strict=True):
            if layer.channels < 1:
                raise ValueError(f"channel_base {self.channel_base} gives {layer.name} no channels")
            weight_count += source.channels * layer.channels * self.conv_kernel**2
            if layer.channels * (layer.size * self.lrelu_upsampling) ** 2 > MAX_LAYER_VALUES:
                raise ValueError(f"{layer.name}, upsampled by {self.lrelu_upsampling}, is larger than any model's")
        if weight_count > MAX_WEIGHTS:
            raise ValueError(f"the layers have {weight_count} weights, more than any model's")

    @property
    def _last_stopband(self) -> float:
        return self.resolution / 2 * self.last_stopband_rel

    @property
    def layer_shapes(self) -> tuple[LayerShape, ...]:
        """The maps of all layers from first to last; the last layer is toRGB.

        Cutoff and stopband grow in geometric series up to the `num_critical` last layers and toRGB, which have the
        highest. A layer's rate is the lowest power of two that its stopband allows. The last two maps have no margin.
        Source: Karras et al. 2021, section 3.2 and appendix C.
        """
        return tuple(self._layer_shape(index) for index in range(self.num_layers + 1))

    def _layer_shape(self, index: int) -> LayerShape:
        layer = self._rule_layer(index) if self.layers is None else self.layers[index]
        size = layer.rate + 2 * self.margin_size if index < self.num_layers - 1 else self.resolution
        width = self._width(size)
        return LayerShape(f"L{layer.number}_{width}_{layer.channels}", layer.rate, size, layer.channels, width)

    def _rule_layer(self, index: int) -> LayerConfig:
        """Return the layer with this index; its values are not checked."""
        exponent = min(index / (self.num_layers - self.num_critical), 1)
        cutoff = self.first_cutoff * (self.resolution / 2 / self.first_cutoff) ** exponent
        stopband = self.first_stopband * (self._last_stopband / self.first_stopband) ** exponent
        rate = 2 ** max(math.ceil(math.log2(min(2 * stopband, self.resolution))), 0)
        channels = round(min(self.channel_base / 2 / cutoff, self.channel_max))
        if index == self.num_layers:
            channels = self.img_channels
        return LayerConfig.model_construct(number=index, rate=rate, channels=channels)

    def _width(self, height: int) -> int:
        return height if self.square else height // 2

    def is_critically_sampled(self, index: int) -> bool:
        """Return whether the cutoff of the layer with this index is half of its rate."""
        return index >= self.num_layers - self.num_critical

    @property
    def num_ws(self) -> int:
        """Rows of a W+ latent: one for the input, one for each layer and one for toRGB."""
        return self.num_layers + 2

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return (self.resolution, self._width(self.resolution))


GeneratorConfig = StyleGAN2Config | StyleGAN3Config


class DiscriminatorConfig(_PyramidConfig):
    """StyleGAN2 discriminator, `resnet` architecture; StyleGAN3 uses the same."""

    mapping_layers: Annotated[int, Field(ge=0, le=64)] = 8
    mbstd_group_size: Annotated[int, Field(gt=0)] = 4
    mbstd_channels: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _check_minibatch_stddev(self) -> DiscriminatorConfig:
        if self.mbstd_channels and self.channels[0] % self.mbstd_channels:
            raise ValueError(
                f"mbstd_channels {self.mbstd_channels} does not divide the {self.channels[0]} channels of b4"
            )
        return self
