"""`draggan-tui drag`: drag points without the editor."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from draggan_engine.core.errors import EditError
from draggan_tui import SCRIPT_MODEL
from draggan_tui.cli.options import (
    AcceptLicenceOption,
    AlignOption,
    ClassOption,
    DeviceOption,
    JsonOption,
    LandmarksOption,
    LatentOption,
    ModelOption,
    OntoOption,
    PsiOption,
    RefineOption,
    SessionDirectoryOption,
    path_parser,
)
from draggan_tui.cli.setting_options import with_setting_options

DEFAULT_SEED = 42


class PasteOption(StrEnum):
    """How an edit is pasted back into its photograph."""

    delta = "delta"
    crop = "crop"


@with_setting_options
def drag(
    *,
    pair_texts: Annotated[
        list[str],
        typer.Option("--pair", metavar="X,Y:X,Y", help="A handle and its target, in pixels; repeat it for more pairs."),
    ],
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**32 - 1, help="The seed of the image to start from; default: 42."),
    ] = None,
    model: ModelOption = SCRIPT_MODEL,
    psi: PsiOption = None,
    class_label: ClassOption = 0,
    latent: LatentOption = None,
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=path_parser("--image"),
            help="A photograph to start from instead of the seed; pairs and mask are then in its pixels. It is inverted, "
            "unless --out is the session of its inversion.",
        ),
    ] = None,
    align: AlignOption = None,
    onto: OntoOption = None,
    landmarks: LandmarksOption = None,
    accept_licence: AcceptLicenceOption = False,
    refine: RefineOption = None,
    paste: Annotated[
        PasteOption | None,
        typer.Option(
            help="How the result is pasted back into the photograph: delta (the default) pastes the change, crop the "
            "whole image of the model."
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", parser=path_parser("--mask"), help="An image file, white where the image may move."
        ),
    ] = None,
    settings: Mapping[str, str],
    video: Annotated[
        Path | None,
        typer.Option(
            "--film",
            metavar="FILE",
            parser=path_parser("--film"),
            help="Also write the drag as a video: .mp4, or .gif.",
        ),
    ] = None,
    markers: Annotated[bool, typer.Option("--markers", help="Draw handles and targets into the video.")] = False,
    device: DeviceOption = "auto",
    out: SessionDirectoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Drag points without the editor, and write images, latents and events.

    With --image, a photograph is inverted, dragged, and written with the edit pasted back.

    Exit status: 0 the targets or the step limit have been reached, 1 something failed or could not be written,
    2 bad input, 3 the drag diverged. Ctrl-C (130), SIGTERM (143) and SIGHUP (129) end the drag after the
    running step and write its result.
    """
    from draggan_tui.cli.headless_drag import DragRequest, run_headless_drag

    _check_options(
        image,
        {"--align": align, "--onto": onto, "--landmarks": landmarks, "--refine": refine, "--paste": paste},
        {"--seed": seed, "--psi": psi, "--latent": latent},
    )
    drag_request = DragRequest(
        pair_texts=tuple(pair_texts), seed=DEFAULT_SEED if seed is None else seed, model_spec=model, psi=psi, class_label=class_label, latent_path=latent,
        mask_path=mask, setting_texts=settings, video_path=video, draws_markers=markers, device_name=device,
        out_directory=out,
    )  # fmt: skip
    if image is None:
        raise typer.Exit(run_headless_drag(drag_request, as_json=as_json))
    from draggan_tui.cli.headless_photograph_drag import PhotographRequest, run_photograph_drag
    from draggan_tui.cli.photograph_alignment import read_alignment

    photograph_request = PhotographRequest(
        image,
        read_alignment(align, onto, landmarks, accepts_licence=accept_licence, refine=refine),
        (paste or PasteOption.delta).value,
    )
    raise typer.Exit(run_photograph_drag(drag_request, photograph_request, as_json=as_json))


def _check_options(
    image: Path | None, photograph_options: Mapping[str, object], other_starts: Mapping[str, object]
) -> None:
    """
    Args:
        photograph_options: by name, the values of the options that need a photograph; None for one that was not typed.
        other_starts: the same of the options that start from something else.

    Raises:
        EditError: options were typed that do not go together.
    """
    misplaced_options = photograph_options if image is None else other_starts
    advice = (
        "it is for photographs; give one with --image FILE, or leave it out"
        if image is None
        else "with --image, the drag starts from the photograph; leave one of the two out"
    )
    for option_name, option_value in misplaced_options.items():
        if option_value is not None:
            raise EditError(f"{option_name}: {advice}")
