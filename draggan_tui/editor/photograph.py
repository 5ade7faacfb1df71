"""A photograph that the engine has opened, and how it is to be inverted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from draggan_engine.core.geometry import Size
from draggan_engine.core.inversion_choices import AlignmentChoice, InversionMethod
from draggan_tui import DEFAULT_INVERSION_METHOD

from .preview_cache import RgbArray


@dataclass(frozen=True, eq=False)
class Photograph:
    """
    Attributes:
        size: of the photograph, in its own pixels.
        image: the photograph, perhaps reduced.
        method: by which it is to be inverted.
    """

    path: Path
    size: Size
    image: RgbArray
    method: InversionMethod = DEFAULT_INVERSION_METHOD


@dataclass(frozen=True, eq=False)
class PhotographViews:
    """What an edit has to do with its photograph.

    Attributes:
        aligned: the photograph as it was aligned, `uint8 [H, W, 3]`.
        inversion: the image of its latent, of the same size.
        pasted: the photograph with the edit pasted back.
    """

    aligned: RgbArray
    inversion: RgbArray
    pasted: Photograph


@dataclass(frozen=True)
class PhotographStart:
    """A photograph to invert.

    Attributes:
        alignment: None: as in the inversion of this photograph that was interrupted in this session.
    """

    path: Path
    alignment: AlignmentChoice | None
    method: InversionMethod = DEFAULT_INVERSION_METHOD
