"""`draggan-tui bench …`: how fast it is on this machine, as ratios to something that is measured beside it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from draggan_tui.cli import completion
from draggan_tui.cli.errors import friendly

app = typer.Typer(
    no_args_is_help=True, help="Benchmarks: how fast it is on this machine, beside what it is compared with."
)


class Precision(StrEnum):
    float32 = "float32"
    bfloat16 = "bfloat16"


Rounds = Annotated[int, typer.Option(min=1, help="How often each is measured, turn by turn.")]


@app.command()
def screen(
    keys: Annotated[int, typer.Option(min=1, help="How many are pressed, at rest and during a drag.")] = 200,
    rounds: Rounds = 5,
) -> None:
    """What a frame costs, how soon a key is painted, and what the screen costs a drag."""
    with friendly():
        from draggan_tui.benchmarks.screen import bench_screen

        bench_screen(keys, rounds)


@app.command()
def start(rounds: Rounds = 10) -> None:
    """How soon the first frame and the first image are there, beside an empty Textual app."""
    with friendly():
        from draggan_tui.benchmarks.start import bench_start

        bench_start(rounds)


@app.command()
def drag(
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model's name or path; may be given many times.", autocompletion=completion.models),
    ] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(help="Height of a StyleGAN2 with random weights; may be given many times. Default: 512."),
    ] = None,
    pairs: Annotated[
        list[int] | None, typer.Option(min=1, max=100, help="Handles; may be given many times. Default: 1.")
    ] = None,
    mask: Annotated[
        bool | None, typer.Option("--mask/--no-mask", help="With a mask, or without. Default: both.")
    ] = None,
    precision: Annotated[list[Precision] | None, typer.Option(help="Both may be given. Default: float32.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of each drag.")] = 10,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.", autocompletion=completion.devices)] = "auto",
) -> None:
    """What a drag's step takes, beside the same drag done plainly, and beside what its arithmetic must take.

    Plain: the whole picture at each step, features resized to its size, gradients for all weights.
    """
    with friendly():
        from draggan_tui.benchmarks.drag import bench_drag

        sizes = size or ([] if model else [512])
        masks = [False, True] if mask is None else [mask]
        bench_drag(
            model or [], sizes, pairs or [1], masks, [p.value for p in precision or [Precision.float32]], steps, device
        )
