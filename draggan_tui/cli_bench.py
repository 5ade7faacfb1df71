"""`draggan-tui bench …`: how fast it is on this machine, as ratios to something that is measured beside it."""

from __future__ import annotations

from typing import Annotated

import typer

from draggan_tui.friendly import friendly

app = typer.Typer(
    no_args_is_help=True, help="Benchmarks: how fast it is on this machine, beside what it is compared with."
)

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
    """How soon the first frame and the first picture are there, beside an empty Textual app."""
    with friendly():
        from draggan_tui.benchmarks.start import bench_start

        bench_start(rounds)
