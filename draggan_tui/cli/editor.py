"""`draggan-tui`: open the editor."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from draggan_tui import __version__
from draggan_tui.cli.errors import check_working_directory
from draggan_tui.cli.options import (
    ClassOption,
    ColorOption,
    ColorsOption,
    EditorDeviceOption,
    EditorModelOption,
    LatentOption,
    PsiOption,
    SeedOption,
    SessionDirectoryOption,
    ThemeOption,
)

if TYPE_CHECKING:
    from draggan_tui.app import Options
    from draggan_tui.config.themes import EditorTheme
    from draggan_tui.terminal.color_depth import ColorGuess


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"draggan-tui {__version__}")
        raise typer.Exit


def editor(
    context: typer.Context,
    seed: SeedOption = 42,
    model: EditorModelOption = None,
    psi: PsiOption = None,
    label: ClassOption = 0,
    latent: LatentOption = None,
    device: EditorDeviceOption = None,
    out: SessionDirectoryOption = None,
    theme: ThemeOption = None,
    color: ColorsOption = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Open the editor."""
    check_working_directory()
    if context.invoked_subcommand is not None:
        gc.enable()
        _refuse_options(context)
        return
    from draggan_engine.storage.output_paths import DEFAULT_OUTPUT_DIRECTORY, check_output_directory

    require_terminal()
    if out is not None:
        check_output_directory(out)
    configured = configured_options(model, device, theme, color)
    from draggan_tui.cli.resume import interrupted_session
    from draggan_tui.client.engine_process import EngineOptions, start_engine

    unclosed_session = interrupted_session()
    # The engine starts before the screen is imported, because it has more to import.
    engine = None
    if unclosed_session is None:
        engine = start_engine(EngineOptions(configured.model, configured.device, out, latent))
    from draggan_tui.app import Options

    run_editor(
        Options(
            seed=seed, psi=psi, label=label, latent=latent, out=out, offered=unclosed_session, engine=engine,
            directory_problem="" if out is not None else write_problem(DEFAULT_OUTPUT_DIRECTORY), **vars(configured),
        )
    )  # fmt: skip


def _refuse_options(context: typer.Context) -> None:
    """
    Raises:
        BadParameter: an option of the editor stands before a command, which would not get it.
    """
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--class" if name == "label" else f"--{name}"
            raise typer.BadParameter(
                f"{option} is an option of the editor; put the options of {context.invoked_subcommand} after it"
            )


def require_terminal() -> None:
    """
    Raises:
        InputError: the editor would draw into a pipe, or on a terminal without a cursor.
    """
    from draggan_engine.core.errors import InputError

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError(
            "the editor needs a terminal; in scripts and pipes use: draggan-tui drag --seed 42 --pair X,Y:X,Y"
        )
    if (terminal := os.environ.get("TERM", "")) in ("", "dumb", "unknown"):
        raise InputError(
            f"the editor cannot be drawn here: TERM is {terminal or 'not set'}; if this terminal has colours and a cursor, "
            "set it (TERM=xterm-256color draggan-tui), else use: draggan-tui drag --seed 42 --pair X,Y:X,Y"
        )


@dataclass(frozen=True)
class ConfiguredOptions:
    """The fields of `Options` that the configuration may set."""

    model: str
    device: str
    theme: EditorTheme
    keymap: Mapping[str, str]
    color_guess: ColorGuess | None


def configured_options(
    model: str | None, device: str | None, theme: str | None, color: ColorOption | None
) -> ConfiguredOptions:
    """Read the configuration for what the command line leaves out.

    This also sets the environment of Textual, and so comes before Textual is imported.

    Raises:
        ConfigError, ThemeError: the configuration or the theme cannot be used.
    """
    from draggan_tui.cli import textual_environment
    from draggan_tui.config import key_settings, settings_file, themes

    file = settings_file.read_config()
    defaults = file.config.editor
    color_guess = textual_environment.set_colors(ColorOption(defaults.color) if color is None else color)
    textual_environment.set_escape_delay(defaults.escape_delay)
    textual_environment.unset_size()
    return ConfiguredOptions(
        model=defaults.model if model is None else model,
        device=defaults.device if device is None else device,
        theme=settings_file.configured_theme(file) if theme is None else themes.load_theme(theme),
        keymap=key_settings.configured_keys(file),
        color_guess=color_guess,
    )


def write_problem(directory: Path) -> str:
    """Return why a session cannot be written in a directory, so that the editor can ask for another; empty if it can."""
    from draggan_engine.core.errors import StorageError
    from draggan_engine.storage.output_paths import check_writable

    try:
        check_writable(directory)
    except StorageError as error:
        return str(error)
    return ""


def run_editor(options: Options) -> None:
    """Run the editor, print its last words, and exit with its status."""
    from draggan_tui.app import DragganApp

    application = DragganApp(options, _collect_garbage_seldom)
    application.run()
    if application.farewell is not None:
        typer.echo(f"draggan-tui: {application.farewell}", err=True)
    if application.saved_session is not None:
        from draggan_tui.config.paths import open_command

        typer.echo(f"saved; to continue: {open_command(application.saved_session)}", err=True)
    raise typer.Exit(application.return_code or 0)


def _collect_garbage_seldom() -> None:
    """Let full garbage collections, which block keys for 0.1 s, run a tenth as often and skip what is loaded already."""
    gc.freeze()
    gc.set_threshold(700, 10, 100)
    gc.enable()
