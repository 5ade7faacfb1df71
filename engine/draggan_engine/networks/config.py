"""What a StyleGAN2 file says about its networks, as validated values."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Size = Annotated[int, Field(gt=0, le=65536)]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Pyramid(_Config):
    """A stack of blocks, one per power of two from 4 up to `resolution`."""

    resolution: Annotated[int, Field(ge=8, le=2048, description="picture height in pixels")]
    img_channels: Literal[1, 3, 4] = 3
    c_dim: Annotated[int, Field(ge=0, le=65536)] = 0
    channel_base: Size = 32768
    channel_max: Size = 512
    num_fp16_res: Annotated[int, Field(ge=0, le=16)] = 0
    conv_clamp: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _buildable(self) -> _Pyramid:
        if self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution {self.resolution} is not a power of two")
        if self.channel_base < self.resolution:
            raise ValueError(f"channel_base {self.channel_base} leaves the block b{self.resolution} without channels")
        return self

    @property
    def block_resolutions(self) -> tuple[int, ...]:
        """Heights of the blocks, lowest first: 4, 8, …, resolution."""
        return tuple(2**i for i in range(2, int(math.log2(self.resolution)) + 1))

    def channels(self, resolution: int) -> int:
        """Feature channels of the block of that height: min(channel_base // height, channel_max)."""
        return min(self.channel_base // resolution, self.channel_max)


class GeneratorConfig(_Pyramid):
    """StyleGAN2 generator (Karras et al. 2020), `skip` architecture."""

    z_dim: Size = 512
    w_dim: Size = 512
    mapping_layers: Annotated[int, Field(ge=1, le=64)] = 8
    mapping_lr_multiplier: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01

    @property
    def num_ws(self) -> int:
        """Rows of a W+ latent: 2·log2(resolution) − 2."""
        return 2 * len(self.block_resolutions)


class DiscriminatorConfig(_Pyramid):
    """StyleGAN2 discriminator, `resnet` architecture."""

    mapping_layers: Annotated[int, Field(ge=0, le=64)] = 8
    mbstd_group_size: Annotated[int, Field(gt=0)] = 4
    mbstd_channels: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _divisible(self) -> DiscriminatorConfig:
        if self.mbstd_channels and self.channels(4) % self.mbstd_channels:
            raise ValueError(
                f"mbstd_channels {self.mbstd_channels} does not divide the {self.channels(4)} channels of b4"
            )
        return self
