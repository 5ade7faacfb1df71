"""`draggan-tui bench …`: measure the speed on this machine, as ratios to something that is measured beside it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from draggan_tui.cli import completion

app = typer.Typer(no_args_is_help=True, help="Measure the speed on this machine, compared with simpler programs.")


class PrecisionOption(StrEnum):
    """The precision of the features in a drag."""

    float32 = "float32"
    bfloat16 = "bfloat16"


RoundsOption = Annotated[int, typer.Option(min=1, help="How often each program is measured, in turn.")]


@app.command("screen")
def screen_command(
    keys: Annotated[int, typer.Option(min=1, help="How many keys are pressed, at rest and during a drag.")] = 200,
    rounds: RoundsOption = 5,
) -> None:
    """Measure the cost of a frame, the delay of a key, and how much the screen slows a drag."""
    from draggan_tui.benchmarks import screen

    screen.bench_screen(keys, rounds)


@app.command("start")
def start_command(rounds: RoundsOption = 10) -> None:
    """Measure the time to the first frame and the first image, beside an empty Textual app."""
    from draggan_tui.benchmarks import start

    start.bench_start(rounds)


@app.command("drag")
def drag_command(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="The name or path of a model; repeat it for more.", autocompletion=completion.complete_models
        ),
    ] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(help="The height of a StyleGAN2 with random weights; repeat it for more. Default: 512."),
    ] = None,
    pairs: Annotated[
        list[int] | None, typer.Option(min=1, max=100, help="How many handles; repeat it for more. Default: 1.")
    ] = None,
    mask: Annotated[
        bool | None, typer.Option("--mask/--no-mask", help="With or without a mask. Default: both.")
    ] = None,
    precision: Annotated[
        list[PrecisionOption] | None, typer.Option(help="Repeat it for both. Default: float32.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="How many steps each drag has.")] = 10,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:1.", autocompletion=completion.complete_devices)
    ] = "auto",
) -> None:
    """Measure the time of a drag's step, beside a plain drag and beside the time that its arithmetic needs.

    The plain drag makes the whole image at each step, resizes features to its size, and computes gradients
    for all weights.
    """
    from draggan_tui.benchmarks import drag

    sizes = size or ([] if model else [512])
    masks = [False, True] if mask is None else [mask]
    drag.bench_drag(
        model or [],
        sizes,
        pairs or [1],
        masks,
        [option.value for option in precision or [PrecisionOption.float32]],
        steps,
        device,
    )
