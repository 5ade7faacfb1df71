"""The command line. Heavy imports wait inside the command that needs them."""

from __future__ import annotations

import gc
import math
import os
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer
from typer.core import TyperGroup, TyperOption
from typer.main import get_group

from draggan_engine.core.errors import StorageError
from draggan_tui import SCRIPT_MODEL, __version__
from draggan_tui.cli import bench, completion, config, models
from draggan_tui.cli.errors import explain, friendly
from draggan_tui.cli.path_option import path_parser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from draggan_tui.app import Options
    from draggan_tui.config.themes import EditorTheme
    from draggan_tui.terminal.color_depth import ColorGuess


SSH_ESCAPE_DELAY = 500
"""Milliseconds to wait for the rest of an escape sequence over SSH: a packet that is lost once comes so much later."""

commands = typer.Typer()
commands.add_typer(models.app, name="models")
commands.add_typer(config.app, name="config")
commands.add_typer(bench.app, name="bench")


@cache
def _made_commands() -> MutableMapping[str, Any]:
    return get_group(commands).commands


class Editor(TyperGroup):
    """The editor, and the commands beside it, of which typer knows nothing until it asks: to read all their options takes it
    8 ms. In the help, the options with which it sets up completion stand by themselves, not among the editor's."""

    @property
    def commands(self) -> MutableMapping[str, Any]:
        return _made_commands()

    @commands.setter
    def commands(self, given: object) -> None:
        """typer gives those of `app`: none."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command; what it could not print counts as its failure, unless it has failed already."""
        try:
            try:
                return super().main(*args, **options)
            except SystemExit as end:
                with suppress(*((StorageError, SystemExit) if end.code else ())):
                    sys.stdout.flush()
                raise
        except Exception as error:
            sys.exit(explain(error))

    def get_params(self, ctx: Any) -> list[Any]:  # of a click that typer keeps to itself
        params = super().get_params(ctx)
        for param in params:
            if isinstance(param, TyperOption) and param.name in ("install_completion", "show_completion"):
                param.rich_help_panel = "Shell completion"
        return params


app = typer.Typer(
    cls=Editor,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Drag points of a GAN image to where you want them. Without a command: the editor.",
    epilog="Results go to stdout, logs and errors to stderr. Exit status: 0 done, 1 failed, 2 bad input, 130, 143 or 129 ended "
    "by Ctrl-C, SIGTERM or SIGHUP, 141 nobody reads stdout any more; more in docs/scripting.md.",
)


class Color(StrEnum):
    auto = "auto"
    truecolor = "truecolor"
    c256 = "256"
    c16 = "16"
    none = "none"


class Evaluation(StrEnum):
    landmarks = "landmarks"
    paired = "paired"
    ablation = "ablation"
    tracking = "tracking"
    mask = "mask"
    all = "all"


def _setting_help(text: str) -> str:
    """The help of a setting of a drag, whose range `DragSettings` has as well: to import it takes too long for the help."""
    return f"{text}; default: the model's own."


def _finite(value: float | None) -> float | None:
    """
    Raises:
        BadParameter: it is not a number (nan), which no range refuses.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number")
    return value


Model = Annotated[
    str,
    typer.Option(
        help="A model's name (see `draggan-tui models list`), or the path of a StyleGAN checkpoint.",
        autocompletion=completion.models,
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Which image to start from.")]
Psi = Annotated[
    float | None,
    typer.Option(min=-2, max=2, callback=_finite, help="Truncation ψ; default: the model's own."),
]
Label = Annotated[
    int, typer.Option("--class", metavar="N", min=0, max=65535, help="The class, of a class-conditional model.")
]
Latent = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        parser=path_parser("--latent"),
        help="A stored latent to start from instead of the seed's; FILE#NAME is one of several in a file, "
        "DIR#drag-002.after what a session's second drag ended with.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.", autocompletion=completion.devices)]
# What the editor is not told, the configuration says.
ModelOrConfigured = Annotated[
    str | None,
    typer.Option(
        help="A model's name, or a checkpoint's path; default: the configuration's, else auto, the bundled one that suits the machine.",
        autocompletion=completion.models,
    ),
]
DeviceOrConfigured = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu, cuda, cuda:1, mps; default: the configuration's, else auto.",
        autocompletion=completion.devices,
    ),
]

Theme = Annotated[
    str | None,
    typer.Option(
        help="dark, dusk, moss, light, paper, contrast, one of your own, or the path of a TOML file; "
        "default: the configuration's, else dark.",
        autocompletion=completion.themes,
    ),
]
Colors = Annotated[
    Color | None,
    typer.Option(
        "--color",
        metavar="COLOURS",
        help="auto, truecolor, 256, 16, none; auto asks the terminal. Default: the configuration's, else auto.",
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"draggan-tui {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def editor(
    context: typer.Context,
    seed: Seed = 42,
    model: ModelOrConfigured = None,
    psi: Psi = None,
    label: Label = 0,
    latent: Latent = None,
    device: DeviceOrConfigured = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=path_parser("--out"),
            help="Directory of the session; default: draggan-out/<date>-<model>-seed<N>.",
        ),
    ] = None,
    theme: Theme = None,
    color: Colors = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Opens the editor."""
    if context.invoked_subcommand is not None:
        gc.enable()
        _refuse_options(context)
        return
    with friendly():
        from draggan_engine.storage.output_paths import DEFAULT_OUTPUT_DIRECTORY, check_output_directory

        _need_terminal()
        if out is not None:
            check_output_directory(out)
        setup = _setup(model, device, theme, color)
        from draggan_tui.cli.resume import unclosed
        from draggan_tui.client.engine_process import EngineOptions, start_engine

        offered = unclosed()
        # Before the screen is imported: the engine has more to import.
        engine = None if offered else start_engine(EngineOptions(setup["model"], setup["device"], out, latent))
        from draggan_tui.app import Options

        problem = "" if out is not None else _directory_problem(DEFAULT_OUTPUT_DIRECTORY)
        _run(
            Options(
                seed=seed, psi=psi, label=label, latent=latent, out=out, offered=offered, engine=engine,
                directory_problem=problem, **setup,
            )
        )  # fmt: skip


def _directory_problem(directory: Path) -> str:
    """Why a session could not be written there; the editor then asks for another directory. Empty: it can be written."""
    from draggan_engine.core.errors import StorageError
    from draggan_engine.storage.output_paths import check_writable

    try:
        check_writable(directory)
    except StorageError as error:
        return str(error)
    return ""


def _refuse_options(context: typer.Context) -> None:
    """
    Raises:
        BadParameter: an option of the editor stands before a command, which would not see it.
    """
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--class" if name == "label" else f"--{name}"
            raise typer.BadParameter(
                f"{option} is the editor's; what {context.invoked_subcommand} takes comes after it"
            )


class _Setup(TypedDict):
    """What the configuration has a say in, of `Options`."""

    model: str
    device: str
    theme: EditorTheme
    keymap: Mapping[str, str]
    color_guess: ColorGuess | None


def _setup(model: str | None, device: str | None, theme: str | None, color: Color | None) -> _Setup:
    """What is not given, the configuration says. Also sets the colours, before Textual is imported and reads them.

    Raises:
        ConfigError, ThemeError: the configuration or the theme cannot be used.
    """
    from draggan_tui.config import settings_file, themes

    file = settings_file.read_config()
    defaults = file.config.editor
    color_guess = _set_color(Color(defaults.color) if color is None else color)
    _set_escape_delay(defaults.escape_delay)
    _use_own_size()
    return {
        "model": defaults.model if model is None else model,
        "device": defaults.device if device is None else device,
        "theme": settings_file.configured_theme(file) if theme is None else themes.load_theme(theme),
        "keymap": settings_file.changed_keys(file),
        "color_guess": color_guess,
    }


def _run(options: Options) -> None:
    from draggan_tui.app import DragganApp

    application = DragganApp(options, _collect_seldom)
    application.run()
    if application.farewell is not None:
        typer.echo(f"draggan-tui: {application.farewell}", err=True)
    if application.saved_session is not None:
        from draggan_tui.config.paths import open_command

        typer.echo(f"saved; to go on: {open_command(application.saved_session)}", err=True)
    raise typer.Exit(application.return_code or 0)


def _collect_seldom() -> None:
    """While the garbage collector looks through everything, 0.1 s, no key is answered. A drag made it do so every three
    seconds; so it does a tenth as often, and leaves out what is there from the beginning."""
    gc.freeze()
    gc.set_threshold(700, 10, 100)
    gc.enable()


def _need_terminal() -> None:
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


def _set_color(color: Color) -> ColorGuess | None:
    """Say how many colours to use, in the variables that Textual reads when it is imported.

    Returns:
        A guess, where the terminal is to have the last word.
    """
    from draggan_tui.terminal.color_depth import guess_colors

    if color is Color.none:
        os.environ["NO_COLOR"] = "1"
        return None
    if color is Color.auto:
        if "NO_COLOR" in os.environ:
            return None
        guess = guess_colors(os.environ)
        os.environ["TEXTUAL_COLOR_SYSTEM"] = _textual_name(guess.depth)
        return guess
    os.environ.pop("NO_COLOR", None)
    os.environ["TEXTUAL_COLOR_SYSTEM"] = _textual_name(color.value)
    return None


def _textual_name(depth: str) -> str:
    return "standard" if depth == "16" else depth


def _set_escape_delay(milliseconds: int) -> None:
    # Textual reads it when it is imported.
    if milliseconds:
        os.environ["ESCDELAY"] = str(milliseconds)
    elif any(name in os.environ for name in ("SSH_CONNECTION", "SSH_TTY")):
        os.environ.setdefault("ESCDELAY", str(SSH_ESCAPE_DELAY))


def _use_own_size() -> None:
    """Forget an exported COLUMNS and LINES (docker, JupyterLab): they are the size that some other terminal once had."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


@commands.command("open")
def open_(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            parser=path_parser("DIR"),
            help="The directory of a session; default: the last one.",
            autocompletion=completion.sessions,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Where its model is now; default: where it was.", autocompletion=completion.models),
    ] = None,
    device: DeviceOrConfigured = None,
    theme: Theme = None,
    color: Colors = None,
) -> None:
    """Goes on with an earlier session."""
    with friendly():
        _need_terminal()
        from draggan_tui.cli.resume import last_session, take_up
        from draggan_tui.client.engine_process import EngineOptions, start_engine

        if folder is None:
            folder = last_session()
        earlier = take_up(folder, model)
        setup = _setup(earlier.model, device, theme, color)
        engine = start_engine(EngineOptions(earlier.model, setup["device"]), resume=str(folder))
        from draggan_tui.app import Options

        _run(
            Options(
                seed=0, psi=None, label=0, latent=None, out=None, taken_up=earlier, engine=engine,
                directory_problem=_directory_problem(folder), **setup,
            )
        )  # fmt: skip


@commands.command()
def sessions(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many to list.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list of objects on stdout.")] = False,
) -> None:
    """Lists the last sessions, the newest first, each with the command that opens it."""
    with friendly():
        from draggan_tui.cli.sessions import list_sessions

        list_sessions(limit, as_json=json)


@commands.command()
def render(
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", parser=path_parser("--out"), help="The image to write: .png, or .webp (lossless)."
        ),
    ],
    seed: Seed = 42,
    model: Model = SCRIPT_MODEL,
    psi: Psi = None,
    label: Label = 0,
    latent: Latent = None,
    device: Device = "auto",
) -> None:
    """Writes the full-resolution image of a seed."""
    with friendly():
        from draggan_tui.cli.headless import render_picture

        render_picture(out, seed=seed, model=model, psi=psi, label=label, latent=latent, device=device)


@commands.command()
def drag(
    pair: Annotated[
        list[str], typer.Option(metavar="X,Y:X,Y", help="Handle and target in pixels; may be given many times.")
    ],
    seed: Seed = 42,
    model: Model = SCRIPT_MODEL,
    psi: Psi = None,
    label: Label = 0,
    latent: Latent = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", parser=path_parser("--mask"), help="An image file, white where the image may move."
        ),
    ] = None,
    steps: Annotated[str | None, typer.Option(metavar="N", help=_setting_help("Most steps, 1 to 100,000"))] = None,
    space: Annotated[
        str | None,
        typer.Option(metavar="w+|w", help=_setting_help("Latent space: a w for each layer (w+), or one for all (w)")),
    ] = None,
    lr: Annotated[str | None, typer.Option(metavar="N", help=_setting_help("Step size, above 0 to 10"))] = None,
    mask_weight: Annotated[
        str | None,
        typer.Option(
            metavar="N", help=_setting_help("λ: how strongly what lies outside the mask is kept, 0 to 1,000,000")
        ),
    ] = None,
    r1: Annotated[
        str | None,
        typer.Option(metavar="N", help=_setting_help("Radius of what is moved with a handle, pixels, 1 to 256")),
    ] = None,
    r2: Annotated[
        str | None,
        typer.Option(metavar="N", help=_setting_help("How far around a handle it is looked for, pixels, 1 to 256")),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(metavar="N", help=_setting_help("How many layers, from the first, the drag moves, 1 to 64")),
    ] = None,
    block: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=_setting_help("Block whose features lead; `models info` names them")),
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option(
            metavar="N", help=_setting_help("Distance from the target that counts as reached, pixels, above 0 to 64")
        ),
    ] = None,
    norm: Annotated[
        str | None, typer.Option(metavar="l1|l2", help=_setting_help("How features are compared to find a handle"))
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(metavar="float32|bfloat16", help=_setting_help("Precision of the features")),
    ] = None,
    film: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", parser=path_parser("--film"), help="Also write the drag as a video: .mp4, or .gif."
        ),
    ] = None,
    markers: Annotated[bool, typer.Option("--markers", help="Draw handles and targets into the video.")] = False,
    device: Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=path_parser("--out"),
            help="Directory for the files; default: draggan-out/<date>-<model>-seed<N>.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Drags points without the editor, and writes images, latents and events.

    Exit status: 0 reached or ended at the step limit, 1 something could not be written or failed,
    2 bad input, 3 diverged. Ctrl-C (130), SIGTERM (143) and SIGHUP (129) end the drag after the running step
    and write what it has reached.
    """
    with friendly():
        from draggan_tui.cli.headless import DragRequest, run_drag

        typed = {
            "space": space, "step_size": lr, "mask_weight": mask_weight, "r1": r1, "r2": r2, "layers": layers,
            "feature_block": block, "max_steps": steps, "stop_distance": stop, "tracking_norm": norm, "precision": precision,
        }  # fmt: skip
        request = DragRequest(
            pairs=tuple(pair), seed=seed, model=model, psi=psi, label=label, latent=latent, mask=mask,
            settings={name: text for name, text in typed.items() if text is not None},
            film=film, markers=markers, device=device, out=out,
        )  # fmt: skip
        raise typer.Exit(run_drag(request, as_json=json))


@commands.command("eval")
def eval_(
    what: Annotated[
        Evaluation,
        typer.Argument(
            metavar="WHAT",
            help="landmarks, paired, ablation, tracking, mask, or all; without known landmarks: paired, tracking.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            parser=path_parser("--out"),
            help="Directory for rows, images and report; a run is continued, also with other methods.",
        ),
    ],
    n: Annotated[int, typer.Option("--n", min=1, max=100_000, help="Cases of each experiment.")] = 100,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="no edit, drag, no tracking, optical flow, RAFT; may be given many times. Default: all there are.",
        ),
    ] = None,
    model: Model = SCRIPT_MODEL,
    device: Device = "auto",
) -> None:
    """Measures the editing as the paper does: rows while it runs, a report at the end."""
    with friendly():
        from draggan_tui.cli.evaluation import evaluate

        evaluate(what.value, n=n, methods=methods, model=model, device=device, out=out)
