"""Print the models on this machine and the public checkpoints that can be downloaded."""

from __future__ import annotations

import json
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from draggan_engine.checkpoints.model_zoo import PublicCheckpoint, public_checkpoints
from draggan_engine.checkpoints.registry import list_models
from draggan_tui.rendering.loading_text import size_text


def print_models(*, as_json: bool) -> None:
    """Print the models on this machine, then the public checkpoints."""
    models = list_models()
    if as_json:
        public = [checkpoint.model_dump(exclude_none=True) for checkpoint in public_checkpoints()]
        print(json.dumps({"here": [model.model_dump() for model in models], "known": public}))
        return
    console = unwrapped_console()
    console.print(_heading("On this machine", "draggan-tui --model NAME"))
    named_models = [model for model in models if model.origin != "cached"]
    console.print(_table([(model.name, model.origin, size_text(model.bytes)) for model in named_models]))
    if copies := [model for model in models if model.origin == "cached"]:
        console.print(_heading("\nConverted copies of files that were opened", "draggan-tui --model NAME"))
        console.print(_table([(copy.name, copy.format or "", size_text(copy.bytes)) for copy in copies]))
    console.print(_heading("\nKnown public checkpoints", "draggan-tui models pull NAME"))
    for (home, licence), group in groupby(public_checkpoints(), key=lambda model: (model.home, model.licence)):
        console.print(Text(f"\n{home}\n{licence}", style="dim"))
        console.print(_table([_public_row(checkpoint) for checkpoint in group]))


def unwrapped_console() -> Console:
    """Return a console for stdout that breaks lines at the terminal's width, and not at all in a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=1000)


def _heading(title: str, command: str) -> Text:
    return Text.assemble((title, "bold"), "   ", (command, "dim"))


def _table(rows: list[tuple[str, ...]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*(Text(cell) for cell in ("", *row)))
    return table


def _public_row(checkpoint: PublicCheckpoint) -> tuple[str, ...]:
    size = size_text(checkpoint.bytes) if checkpoint.bytes else ""
    if not size and checkpoint.about_mb:
        size = f"~{checkpoint.about_mb} MB"
    by_hand = "" if checkpoint.url else "by hand, from its page"
    subject = f"{checkpoint.shows} {by_hand}".strip()
    return checkpoint.name, checkpoint.family, f"{checkpoint.width}×{checkpoint.height}", size, subject
