"""`draggan-tui open`: open an earlier session in the editor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draggan_tui.cli import completion
from draggan_tui.cli.editor import configured_options, require_terminal, run_editor, write_problem
from draggan_tui.cli.options import (
    CellShapeOption,
    ColorsOption,
    EditorDeviceOption,
    FpsOption,
    GraphicsProtocolOption,
    ThemeOption,
    path_parser,
)


def open_session(
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            parser=path_parser("DIR"),
            help="The directory of a session; default: the last session.",
            autocompletion=completion.complete_sessions,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The model, if it is no longer where it was: a name or a path.",
            autocompletion=completion.complete_models,
        ),
    ] = None,
    device: EditorDeviceOption = None,
    theme: ThemeOption = None,
    color: ColorsOption = None,
    cells: CellShapeOption = None,
    fps: FpsOption = None,
    graphics: GraphicsProtocolOption = None,
) -> None:
    """Continue an earlier session."""
    require_terminal()
    from draggan_tui.cli.resume import last_session, resume_session
    from draggan_tui.client.engine_process import EngineOptions, start_engine

    if directory is None:
        directory = last_session()
    resumed_session = resume_session(directory, model)
    editor_options = configured_options(resumed_session.model, device, theme, color, cells, fps, graphics)
    engine_process = start_engine(EngineOptions(editor_options.model, editor_options.device), resume=str(directory))
    from draggan_tui.app import Options

    run_editor(
        Options(
            seed=0, psi=None, label=0, latent=None, out=None, resumed_session=resumed_session, engine=engine_process,
            directory_problem=write_problem(directory), **vars(editor_options),
        )
    )  # fmt: skip
