"""What a user can choose about the inversion of a photograph."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .edit import FinitePoint
from .frozen_model import FrozenModel

InversionMethod = Literal["w", "w+", "pti", "hybrid"]
"""How a photograph is inverted; see `draggan_engine.inversion.inversion.InversionSettings`."""
INVERSION_METHODS: tuple[InversionMethod, ...] = ("hybrid", "w+", "pti", "w")
"""All of them, those that people need most first."""

PasteMode = Literal["delta", "crop"]
"""How an edit is pasted into its photograph: only what the drags have changed, or the whole image of the model."""

MIN_POINT_DISTANCE = 4.0
"""How far apart two points of a photograph must be, in its pixels, to align it by them."""


CLOSE_PSNR = 28.0
"""dB; below this, eyes and noses that were moved looked different from those of the photograph."""
LOW_PSNR = 18.0
"""dB; below this, little of the photograph is left in the image of its latent."""


class AlignmentChoice(FrozenModel):
    """A way to align a photograph, with what it needs."""

    how: Literal["points", "faces", "ffhq", "whole", "same size"] = Field(
        description="by two points; by the eyes of the largest face; as FFHQ was made; the whole photograph; the whole "
        "photograph, which must have the size of the model's images"
    )
    points: tuple[FinitePoint, FinitePoint] | None = Field(
        None, description="for `points`: two points, in pixels of the photograph"
    )
    points_in_model: tuple[FinitePoint, FinitePoint] | None = Field(
        None, description="where the two points belong, in pixels of the model's images; none: where eyes are expected"
    )
    landmarks_path: str | None = Field(
        None, description="for `ffhq`: a file with 68 landmarks; none: those that dlib detects"
    )
    refine: bool | None = Field(None, description="whether it is refined by registration; none: with `points` only")

    @property
    def is_refined(self) -> bool:
        """Whether the alignment is refined by registration."""
        return self.how == "points" if self.refine is None else self.refine
