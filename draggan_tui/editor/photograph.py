"""A photograph that the engine has opened, and how it is to be inverted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from draggan_engine.core.geometry import Size
from draggan_engine.core.inversion_choices import AlignmentChoice, InversionMethod
from draggan_tui import DEFAULT_INVERSION_METHOD, DEFAULT_INVERSION_STEPS

from .preview_cache import RgbArray


@dataclass(frozen=True)
class SearchOptions:
    """How the latent of a photograph is searched for.

    Attributes:
        steps: how many are made, those that tune the generator among them.
    """

    method: InversionMethod = DEFAULT_INVERSION_METHOD
    steps: int = DEFAULT_INVERSION_STEPS


DEFAULT_SEARCH = SearchOptions()


@dataclass(frozen=True, eq=False)
class Photograph:
    """
    Attributes:
        size: of the photograph, in its own pixels.
        image: the photograph, perhaps reduced.
        search: how it is to be inverted.
    """

    path: Path
    size: Size
    image: RgbArray
    search: SearchOptions = DEFAULT_SEARCH


@dataclass(frozen=True)
class PhotographToOpen:
    """A photograph that the command line names.

    Attributes:
        alignment: None: the user is asked.
    """

    path: Path
    alignment: AlignmentChoice | None
    search: SearchOptions


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
    search: SearchOptions = DEFAULT_SEARCH
