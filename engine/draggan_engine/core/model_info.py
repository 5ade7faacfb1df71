"""Descriptions of a loaded model and of the model files on this machine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .edit import DragSettings
from .frozen_model import FrozenModel
from .geometry import Size


class ModelInfo(FrozenModel):
    """A loaded model, as the screen shows it."""

    name: str
    sha256: str
    family: str = Field(description="StyleGAN2, StyleGAN3-t, StyleGAN3-r or StyleGAN-XL")
    format: str = Field(description="the format of its file")
    licence: str | None = Field(None, description="a note, if the file is one of the model zoo")
    width: int
    height: int
    num_ws: int
    z_dim: int
    w_dim: int
    classes: int = Field(0, description="of a class-conditional model; 0 = unconditional")
    mapping_layers: int
    blocks: tuple[str, ...] = Field(description="names of the feature blocks, lowest resolution first")
    rows: tuple[str, ...] = Field(description="what each row of ws styles; a drag optimizes the first ones")
    parameters: int
    is_w_average_estimated: bool = Field(
        False, description="whether the file lacks the average w, which truncation needs"
    )
    psi: float = Field(description="the default truncation")
    settings: DragSettings = Field(description="the default settings of a drag")

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)


class ModelEntry(FrozenModel):
    """A model file on this machine."""

    name: str
    origin: Literal["bundled", "own", "cached"] = Field(
        description="own: imported or pulled by the user; cached: a converted copy of a file that was opened"
    )
    format: str | None = Field(None, description="of the file that a cached one was converted from")
    path: str
    bytes: int

    @property
    def spec(self) -> str:
        """What opens the model: its name, or the path of a cached copy, whose name another model may have too."""
        return self.path if self.origin == "cached" else self.name


class PublicModel(FrozenModel):
    """A public checkpoint that can be downloaded by its name."""

    name: str
    family: str
    shows: str = Field(description="the subject of the images")
    width: int
    height: int
    bytes: int | None = Field(description="the size of the file, which may be rounded; None if it is not known")
    licence: str
    home: str = Field(description="the address of its page")
