"""`draggan-tui models …`: what there is, what is in a file, and how a file becomes a model with a name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draggan_tui.cli import completion
from draggan_tui.cli.errors import friendly
from draggan_tui.cli.path_option import path_parser

app = typer.Typer(no_args_is_help=True, help="Models: list, look into, convert, import, download.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Spec = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A model's name, or the path of a checkpoint.", autocompletion=completion.models
    ),
]


@app.command("list")
def list_(json: Json = False) -> None:
    """Lists the models on this machine, and well-known public ones."""
    with friendly():
        from draggan_tui.cli.model_commands import list_models

        list_models(as_json=json)


@app.command()
def info(model: Spec, json: Json = False) -> None:
    """Shows what a model is, and what a drag on it will use."""
    with friendly():
        from draggan_tui.cli.model_commands import show_info

        show_info(model, as_json=json)


@app.command()
def convert(
    model: Spec,
    out: Annotated[
        Path, typer.Option(metavar="FILE", parser=path_parser("--out"), help="The .safetensors file to write.")
    ],
    name: Annotated[str | None, typer.Option(help="What the model is called; default: the file's name.")] = None,
) -> None:
    """Writes a model as a .safetensors file: the same images, quicker to open, no pickle."""
    with friendly():
        from draggan_tui.cli.model_commands import convert_model

        convert_model(model, out, name)


@app.command("import")
def import_(
    model: Annotated[Path, typer.Argument(metavar="PATH", parser=path_parser("PATH"), help="The checkpoint.")],
    name: Annotated[str | None, typer.Option(help="What --model will take; default: the file's name.")] = None,
) -> None:
    """Converts a checkpoint into your own models; afterwards `--model NAME` opens it."""
    with friendly():
        from draggan_tui.cli.model_commands import import_model

        import_model(model, name)


@app.command()
def pull(
    source: Annotated[
        str,
        typer.Argument(
            metavar="NAME|URL",
            help="A name from `models list`, or an address.",
            autocompletion=completion.known_models,
        ),
    ],
    sha256: Annotated[str | None, typer.Option(help="The checksum that the file must have.")] = None,
    name: Annotated[str | None, typer.Option(help="What --model will take; default: the name, or the file's.")] = None,
) -> None:
    """Downloads a checkpoint into your own models; goes on where an earlier try broke off."""
    with friendly():
        from draggan_tui.cli.model_commands import pull_model

        pull_model(source, sha256, name)
