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

from draggan_tui import DEFAULT_INVERSION_STEPS, __version__
from draggan_tui.cli.errors import check_working_directory
from draggan_tui.cli.options import (
    DEFAULT_METHOD,
    AcceptLicenceOption,
    AlignOption,
    CellShapeOption,
    CellsOption,
    ClassOption,
    ColorOption,
    ColorsOption,
    EditorDeviceOption,
    EditorModelOption,
    FpsOption,
    GraphicsOption,
    GraphicsProtocolOption,
    InversionMethodOption,
    InversionStepsOption,
    LandmarksOption,
    LatentOption,
    OntoOption,
    PsiOption,
    RefineOption,
    SeedOption,
    SessionDirectoryOption,
    ThemeOption,
    path_parser,
)

if TYPE_CHECKING:
    from draggan_tui.app import Options
    from draggan_tui.config.themes import EditorTheme
    from draggan_tui.terminal.cell_shape import CellShape
    from draggan_tui.terminal.color_depth import ColorGuess
    from draggan_tui.terminal.graphics_support import GraphicsSupport


ALIGNMENT_OPTIONS = {"--align", "--onto", "--landmarks", "--refine"}
PHOTOGRAPH_OPTIONS = {*ALIGNMENT_OPTIONS, "--method", "--steps"}


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"draggan-tui {__version__}")
        raise typer.Exit


def editor(
    context: typer.Context,
    seed: SeedOption = 42,
    model: EditorModelOption = None,
    psi: PsiOption = None,
    class_label: ClassOption = 0,
    latent: LatentOption = None,
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=path_parser("--image"),
            help="A photograph to align, invert and edit. Without --align, two of its points are set in the editor.",
        ),
    ] = None,
    align: AlignOption = None,
    onto: OntoOption = None,
    landmarks: LandmarksOption = None,
    accept_licence: AcceptLicenceOption = False,
    refine: RefineOption = None,
    method: InversionMethodOption = DEFAULT_METHOD,
    steps: InversionStepsOption = DEFAULT_INVERSION_STEPS,
    device: EditorDeviceOption = None,
    out: SessionDirectoryOption = None,
    theme: ThemeOption = None,
    color: ColorsOption = None,
    cells: CellShapeOption = None,
    fps: FpsOption = None,
    graphics: GraphicsProtocolOption = None,
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
    _check_photograph_options(context, image, latent)
    alignment = None
    if set(_typed_options(context)) & ALIGNMENT_OPTIONS:
        from draggan_tui.cli.photograph_alignment import read_alignment

        alignment = read_alignment(align, onto, landmarks, accepts_licence=accept_licence, refine=refine)
    editor_options = configured_options(model, device, theme, color, cells, fps, graphics)
    from draggan_tui.cli.resume import interrupted_session
    from draggan_tui.client.engine_process import EngineOptions, start_engine

    unclosed_session = interrupted_session()
    # The engine starts before the screen is imported, because it has more to import.
    engine_process = None
    if unclosed_session is None:
        engine_process = start_engine(EngineOptions(editor_options.model, editor_options.device, out, latent))
    from draggan_tui.app import Options

    photograph = None
    if image is not None:
        from draggan_tui.editor.photograph import PhotographToOpen, SearchOptions

        photograph = PhotographToOpen(image, alignment, SearchOptions(method.value, steps))
    run_editor(
        Options(
            seed=seed, psi=psi, label=class_label, latent=latent, out=out, engine=engine_process,
            unclosed_session=unclosed_session, photograph=photograph,
            directory_problem=write_problem(DEFAULT_OUTPUT_DIRECTORY) if out is None else "",
            **vars(editor_options),
        )
    )  # fmt: skip


def _refuse_options(context: typer.Context) -> None:
    """
    Raises:
        BadParameter: an option of the editor stands before a command, which would not get it.
    """
    for option_text in _typed_options(context):
        raise typer.BadParameter(
            f"{option_text} is an option of the editor; put the options of {context.invoked_subcommand} after it"
        )


def _typed_options(context: typer.Context) -> list[str]:
    """Return the options that were typed, as `--class`."""
    typed_options = []
    for parameter_name in context.params:
        value_source = context.get_parameter_source(parameter_name)
        if value_source is not None and value_source.name == "COMMANDLINE":
            typed_options.append(
                "--class" if parameter_name == "class_label" else f"--{parameter_name.replace('_', '-')}"
            )
    return typed_options


def _check_photograph_options(context: typer.Context, image: Path | None, latent: Path | None) -> None:
    """
    Raises:
        InputError: options for photographs are typed without one, options contradict each other, or there is no such file.
    """
    from draggan_engine.core.errors import InputError

    if image is None:
        for option_text in _typed_options(context):
            if option_text in PHOTOGRAPH_OPTIONS:
                raise InputError(f"{option_text}: it is for photographs; give one with --image FILE, or leave it out")
    elif latent is not None:
        raise InputError("--latent: with --image, the edit starts from the photograph; leave one of the two out")
    elif not image.is_file():
        raise InputError(f"--image {image}: there is no such file; give a JPEG, PNG or WebP")


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
    if (terminal_name := os.environ.get("TERM", "")) in ("", "dumb", "unknown"):
        raise InputError(
            f"the editor cannot be drawn here: TERM is {terminal_name or 'not set'}; if this terminal has colours and a cursor, "
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
    cell_shape: CellShape | None
    fps: int
    graphics: GraphicsSupport


def configured_options(
    model: str | None,
    device: str | None,
    theme: str | None,
    color: ColorOption | None,
    cells: CellsOption | None,
    fps: int | None,
    graphics: GraphicsOption | None,
) -> ConfiguredOptions:
    """Read the configuration for what the command line leaves out.

    This also sets the environment of Textual, and so comes before Textual is imported.

    Raises:
        ConfigError, ThemeError: the configuration or the theme cannot be used.
    """
    from draggan_tui.cli import textual_environment
    from draggan_tui.config import key_settings, settings_file, themes
    from draggan_tui.terminal.graphics_support import graphics_support

    config_file = settings_file.read_config()
    editor_defaults = config_file.config.editor
    cell_shape = editor_defaults.cells if cells is None else cells.value
    color_guess = textual_environment.set_colors(ColorOption(editor_defaults.color) if color is None else color)
    textual_environment.set_escape_delay(editor_defaults.escape_delay)
    textual_environment.unset_size()
    return ConfiguredOptions(
        model=editor_defaults.model if model is None else model,
        device=editor_defaults.device if device is None else device,
        theme=settings_file.configured_theme(config_file) if theme is None else themes.load_theme(theme),
        keymap=key_settings.configured_keys(config_file),
        color_guess=color_guess,
        cell_shape=None if cell_shape == "auto" else cell_shape,
        fps=editor_defaults.fps if fps is None else fps,
        graphics=graphics_support(os.environ, editor_defaults.graphics if graphics is None else graphics.value),
    )


def write_problem(output_directory: Path) -> str:
    """Return why a session cannot be written to a directory, or an empty text if it can."""
    from draggan_engine.core.errors import StorageError
    from draggan_engine.storage.output_paths import check_writable

    try:
        check_writable(output_directory)
    except StorageError as write_error:
        return str(write_error)
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

        farewell = f"saved; to continue: {open_command(application.saved_session)}"
        typer.echo(os.fsencode(farewell), err=True)  # a path that is not UTF-8 stays as it is, to be copied
    raise typer.Exit(application.return_code or 0)


def _collect_garbage_seldom() -> None:
    """Make full garbage collections, which block keys for 0.1 s, rarer, and let them skip what is loaded already."""
    gc.freeze()
    gc.set_threshold(700, 10, 100)
    gc.enable()
