"""What a model is, and which model files this machine has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .edit import DragSettings
from .frozen_model import FrozenModel
from .geometry import Size


class ModelInfo(FrozenModel):
    """What a model is, as the screen shows it and the session file keeps it."""

    name: str
    sha256: str
    family: str = Field(description="StyleGAN2, StyleGAN3-t or StyleGAN3-r")
    format: str = Field(description="the kind of file that it came in")
    licence: str | None = Field(None, description="a note, where the file is a known one")
    width: int
    height: int
    num_ws: int
    z_dim: int
    w_dim: int
    classes: int = Field(0, description="of a class-conditional model; 0 = unconditional")
    mapping_layers: int
    blocks: tuple[str, ...] = Field(description="names of the feature blocks, lowest resolution first")
    rows: tuple[str, ...] = Field(description="what each row of ws styles; the drag optimises the first so many")
    parameters: int
    psi: float = Field(description="the truncation it is shown with by default")
    settings: DragSettings = Field(description="what a drag on it uses by default")

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)


class ModelEntry(FrozenModel):
    """A model file on this machine."""

    name: str
    origin: Literal["bundled", "own", "cached"] = Field(
        description="own: imported or pulled by the user; cached: the converted copy of a file that was opened"
    )
    format: str | None = Field(None, description="of the file that a cached one is a copy of")
    path: str
    bytes: int

    @property
    def spec(self) -> str:
        """What opens it: the name, or the path of a copy, whose name may be another's too."""
        return self.path if self.origin == "cached" else self.name
