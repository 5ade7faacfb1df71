"""`draggan-tui drag`: drag points without the editor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from draggan_tui import SCRIPT_MODEL
from draggan_tui.cli.options import (
    ClassOption,
    DeviceOption,
    JsonOption,
    LatentOption,
    ModelOption,
    PsiOption,
    SeedOption,
    SessionDirectoryOption,
    path_parser,
)
from draggan_tui.cli.setting_options import with_setting_options


@with_setting_options
def drag(
    *,
    pair_texts: Annotated[
        list[str],
        typer.Option("--pair", metavar="X,Y:X,Y", help="A handle and its target, in pixels; repeat it for more pairs."),
    ],
    seed: SeedOption = 42,
    model: ModelOption = SCRIPT_MODEL,
    psi: PsiOption = None,
    class_label: ClassOption = 0,
    latent: LatentOption = None,
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

    Exit status: 0 the targets or the step limit have been reached, 1 something failed or could not be written,
    2 bad input, 3 the drag diverged. Ctrl-C (130), SIGTERM (143) and SIGHUP (129) end the drag after the
    running step and write its result.
    """
    from draggan_tui.cli.headless_drag import DragRequest, run_headless_drag

    drag_request = DragRequest(
        pair_texts=tuple(pair_texts), seed=seed, model_spec=model, psi=psi, class_label=class_label, latent_path=latent,
        mask_path=mask, setting_texts=settings, video_path=video, draws_markers=markers, device_name=device,
        out_directory=out,
    )  # fmt: skip
    raise typer.Exit(run_headless_drag(drag_request, as_json=as_json))
