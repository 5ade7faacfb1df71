"""`draggan-tui invert`: find the latent of a photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draggan_tui import DEFAULT_INVERSION_STEPS, SCRIPT_MODEL
from draggan_tui.cli.options import (
    DEFAULT_METHOD,
    AcceptLicenceOption,
    AlignOption,
    ClassOption,
    DeviceOption,
    InversionMethodOption,
    InversionStepsOption,
    JsonOption,
    LandmarksOption,
    ModelOption,
    OntoOption,
    RefineOption,
    path_parser,
)


def invert_photograph(
    photograph: Annotated[
        Path,
        typer.Argument(metavar="PHOTO", parser=path_parser("PHOTO"), help="An image file: JPEG, PNG, WebP, …"),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", parser=path_parser("--out"), help="The directory of the session to write."),
    ],
    model: ModelOption = SCRIPT_MODEL,
    align: AlignOption = None,
    onto: OntoOption = None,
    landmarks: LandmarksOption = None,
    accept_licence: AcceptLicenceOption = False,
    refine: RefineOption = None,
    method: InversionMethodOption = DEFAULT_METHOD,
    steps: InversionStepsOption = DEFAULT_INVERSION_STEPS,
    class_label: ClassOption = 0,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Find the latent whose image is nearest to a photograph, and write it as a session that `open` continues.

    Exit status: 0 done, 1 something failed or could not be written, 2 bad input, 3 the search diverged. Ctrl-C (130),
    SIGTERM (143) and SIGHUP (129) end the search after the running step and write its result. After a crash, the same
    command continues.
    """
    from draggan_tui.cli.headless_invert import InversionRequest, run_headless_inversion
    from draggan_tui.cli.photograph_alignment import read_alignment

    request = InversionRequest(
        photograph_path=photograph, out_directory=out, model_spec=model,
        alignment=read_alignment(align, onto, landmarks, accepts_licence=accept_licence, refine=refine),
        method=method.value, steps=steps, class_label=class_label, device_name=device,
    )  # fmt: skip
    raise typer.Exit(run_headless_inversion(request, as_json=as_json))
