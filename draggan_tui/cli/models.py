"""`draggan-tui models …`: list, inspect, convert, import, download, index and remove models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draggan_tui import SCRIPT_MODEL
from draggan_tui.cli import completion
from draggan_tui.cli.options import ClassOption, DeviceOption, JsonOption, path_parser

app = typer.Typer(no_args_is_help=True, help="List, inspect, convert, import, download, index and remove models.")

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="The name of a model, the path of a checkpoint, or hf://ORG/REPO[@REVISION]/PATH.",
        autocompletion=completion.complete_models,
    ),
]


@app.command("list")
def list_command(as_json: JsonOption = False) -> None:
    """List the models on this machine and well-known public checkpoints."""
    from draggan_tui.cli.model_list import print_models

    print_models(as_json=as_json)


@app.command("info")
def info_command(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show what a model is, and what a drag on it uses."""
    from draggan_tui.cli.model_facts import print_model_facts

    print_model_facts(model, as_json=as_json)


@app.command("convert")
def convert_command(
    model: ModelArgument,
    out: Annotated[
        Path, typer.Option(metavar="FILE", parser=path_parser("--out"), help="The .safetensors file to write.")
    ],
    name: Annotated[str | None, typer.Option(help="The name of the model; default: that of the file.")] = None,
) -> None:
    """Write a model as a .safetensors file, which gives the same images, opens faster and contains no pickle."""
    from draggan_tui.cli.model_files import write_converted_model

    write_converted_model(model, out, name)


@app.command("import")
def import_command(
    checkpoint: Annotated[
        str, typer.Argument(metavar="PATH", help="The path of a checkpoint, or hf://ORG/REPO[@REVISION]/PATH.")
    ],
    name: Annotated[str | None, typer.Option(help="The name for --model; default: that of the file.")] = None,
) -> None:
    """Convert a checkpoint into a model of your own, which `--model NAME` then opens."""
    from draggan_tui.cli.model_files import import_model

    import_model(checkpoint, name)


@app.command("pull")
def pull_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="NAME|URL",
            help="A name from `models list`, an address, or hf://ORG/REPO[@REVISION]/PATH on the Hugging Face hub.",
            autocompletion=completion.complete_checkpoints,
        ),
    ],
    sha256: Annotated[str | None, typer.Option(help="The checksum that the file must have.")] = None,
    name: Annotated[
        str | None, typer.Option(help="The name for --model; default: that of the checkpoint or the file.")
    ] = None,
) -> None:
    """Download a checkpoint into your own models. An interrupted download is continued."""
    from draggan_tui.cli.model_files import pull_model

    pull_model(source, sha256, name)


@app.command("index")
def index_command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="[MODEL]",
            help="The name of a model, the path of a checkpoint, or hf://ORG/REPO[@REVISION]/PATH.",
            autocompletion=completion.complete_models,
        ),
    ] = SCRIPT_MODEL,
    class_label: ClassOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Make an index of a model's first 4,096 seeds, from which `invert` then starts.

    An index that was interrupted is continued.
    """
    from draggan_tui.cli.model_index import make_seed_index

    make_seed_index(model, class_label, device)


@app.command("remove")
def remove_command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A name from `models list`, or the path of a converted copy.",
            autocompletion=completion.complete_removable_models,
        ),
    ],
) -> None:
    """Remove a model that was downloaded, imported or converted, with its index, and say how much space this frees.

    Of a bundled model, only the index is removed.
    """
    from draggan_tui.cli.model_files import remove_files_of_model

    remove_files_of_model(name)
