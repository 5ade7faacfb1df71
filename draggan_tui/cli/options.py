"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from draggan_engine import MOST_PREVIEWS_PER_SECOND
from draggan_engine.core.errors import InputError
from draggan_tui import DEFAULT_INVERSION_METHOD
from draggan_tui.cli import completion


def path_parser(option_name: str) -> Callable[[str], Path]:
    """Return the parser for a path that follows an option or is an argument. It expands `~`, also after `--option=`.

    The parser raises `InputError` for an empty path, and for the home directory of an unknown user.
    """

    def parse(path_text: str) -> Path:
        if not path_text:
            raise InputError(f"{option_name}: the path is empty; give one")
        try:
            return Path(path_text).expanduser()
        except RuntimeError as home_error:
            raise InputError(
                f"{option_name} {path_text}: there is no such home directory; give the whole path"
            ) from home_error

    return parse


def _check_finite(value: float | None) -> float | None:
    """Return the value of an option.

    Raises:
        BadParameter: it is nan, which no range refuses.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number")
    return value


class ColorOption(StrEnum):
    """How many colours the editor uses."""

    auto = "auto"
    truecolor = "truecolor"
    c256 = "256"
    c16 = "16"
    none = "none"


class CellsOption(StrEnum):
    """Into how many parts the cells of images are divided."""

    auto = "auto"
    half = "half"
    quadrant = "quadrant"
    sextant = "sextant"
    octant = "octant"


class GraphicsOption(StrEnum):
    """How images are shown in pixels instead of cells."""

    auto = "auto"
    kitty = "kitty"
    none = "none"


SeedOption = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The seed of the image to start from.")]
PsiOption = Annotated[
    float | None,
    typer.Option(min=-2, max=2, callback=_check_finite, help="Truncation ψ; default: the model's own."),
]
ClassOption = Annotated[
    int, typer.Option("--class", metavar="N", min=0, max=65535, help="The class, for a class-conditional model.")
]
LatentOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=path_parser("--latent"),
        help="A file with a latent to start from instead of the seed. FILE#NAME or FILE#N picks one of several in a file; "
        "DIR#drag-002.after is the result of a session's second drag.",
    ),
]
AcceptLicenceOption = Annotated[
    bool,
    typer.Option(
        "--accept-licence",
        help="Accept that the licence of dlib's predictor of landmarks excludes commercial use.",
    ),
]
PREDICTOR_LICENCE = (
    "needs a predictor of landmarks that was trained on the data set iBUG 300-W, whose licence excludes commercial use; "
    "if that suits your use, add --accept-licence"
)
"""What is said about an option that needs dlib's predictor of 68 landmarks."""
SessionDirectoryOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        parser=path_parser("--out"),
        help="The directory of the session; default: draggan-out/<date>-<model>-seed<N>.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]

# Commands for scripts have fixed defaults.
ModelOption = Annotated[
    str,
    typer.Option(
        help="The name of a model (see `draggan-tui models list`), the path of a StyleGAN checkpoint, or "
        "hf://ORG/REPO[@REVISION]/PATH on the Hugging Face hub.",
        autocompletion=completion.complete_models,
    ),
]
DeviceOption = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", autocompletion=completion.complete_devices)
]

# The editor takes its defaults from the configuration.
EditorModelOption = Annotated[
    str | None,
    typer.Option(
        help="The name of a model, the path of a checkpoint, or hf://ORG/REPO[@REVISION]/PATH; default: as configured, "
        "else auto, the bundled model that suits the machine.",
        autocompletion=completion.complete_models,
    ),
]
EditorDeviceOption = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu, cuda, cuda:1 or mps; default: as configured, else auto.",
        autocompletion=completion.complete_devices,
    ),
]
ThemeOption = Annotated[
    str | None,
    typer.Option(
        help="dark, dusk, moss, light, paper, contrast, the name of a theme of your own, or the path of a TOML file; "
        "default: as configured, else dark.",
        autocompletion=completion.complete_themes,
    ),
]
ColorsOption = Annotated[
    ColorOption | None,
    typer.Option(
        "--color",
        metavar="COLOURS",
        help="auto, truecolor, 256, 16 or none; auto asks the terminal. Default: as configured, else auto.",
    ),
]
CellShapeOption = Annotated[
    CellsOption | None,
    typer.Option(
        "--cells",
        metavar="SHAPE",
        help="How sharp images are in truecolor: half (two parts a cell), quadrant (4), sextant (6), octant (8, in the newest "
        "terminals), or auto: sextant in terminals that are known to draw it, else half. Default: as configured, else auto.",
    ),
]
FpsOption = Annotated[
    int | None,
    typer.Option(
        "--fps",
        metavar="N",
        min=1,
        max=MOST_PREVIEWS_PER_SECOND,
        help=f"How many images of a drag are shown in a second at most, 1 to {MOST_PREVIEWS_PER_SECOND}; a slow line shows "
        f"fewer. Default: as configured, else {MOST_PREVIEWS_PER_SECOND}.",
    ),
]
GraphicsProtocolOption = Annotated[
    GraphicsOption | None,
    typer.Option(
        "--graphics",
        metavar="PROTOCOL",
        help="How the image is shown in pixels instead of cells: kitty (its protocol, with placeholders), none, or auto: where the "
        "terminal says that it can (kitty from 0.28, Ghostty, Rio). Default: as configured, else auto.",
    ),
]

# The alignment of a photograph.
AlignOption = Annotated[
    str | None,
    typer.Option(
        "--align",
        metavar="HOW",
        help="eyes=X,Y:X,Y: two points of the photograph, the eye at the left of the picture first; faces: the eyes of "
        "the largest face; ffhq: the crop with which FFHQ was made, from the landmarks of a face; none: the whole "
        "photograph, which must have the aspect ratio of the model's images. Default: none for a photograph that has the "
        "size of the model's images.",
    ),
]
OntoOption = Annotated[
    str | None,
    typer.Option(
        "--onto",
        metavar="X,Y:X,Y",
        help="Where the two points belong, in pixels of the model's images; default: where the bundled models, or "
        "FFHQ's, have their eyes.",
    ),
]
RefineOption = Annotated[
    bool | None,
    typer.Option(
        "--refine/--no-refine",
        help="Refine scale, angle and shift of the alignment, together with a coarse latent, before the search. Default: "
        "with two points.",
    ),
]


class MethodOption(StrEnum):
    """Which rows of the latent are free, and whether the generator is tuned."""

    w = "w"
    w_plus = "w+"
    pti = "pti"
    hybrid = "hybrid"


InversionMethodOption = Annotated[
    MethodOption,
    typer.Option(
        "--method",
        help="How the photograph is inverted. w: all rows of the latent alike; w+: rows that drags leave alone are free, "
        "which comes nearer to the photograph; pti: w, then a copy of the generator is tuned to the photograph; hybrid: w+, "
        "then a copy is tuned where it can show the photograph, and other features show the rest.",
    ),
]
DEFAULT_METHOD = MethodOption(DEFAULT_INVERSION_METHOD)
InversionStepsOption = Annotated[
    int,
    typer.Option(
        "--steps",
        min=1,
        max=100_000,
        help="How many steps the inversion makes; with pti and hybrid, the last third of them tunes the generator.",
    ),
]
LandmarksOption = Annotated[
    Path | None,
    typer.Option(
        "--landmarks",
        metavar="FILE",
        parser=path_parser("--landmarks"),
        help="For --align ffhq: the 68 landmarks of the face in pixels of the photograph, one a line or as a JSON "
        "list; default: those that dlib detects.",
    ),
]
