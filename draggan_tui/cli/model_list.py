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
    local_models = list_models()
    if as_json:
        public_models = [public_checkpoint.model_dump(exclude_none=True) for public_checkpoint in public_checkpoints()]
        print(json.dumps({"here": [model.model_dump() for model in local_models], "known": public_models}))
        return
    console = unwrapped_console()
    console.print(_heading("On this machine", "draggan-tui --model NAME"))
    named_models = [model for model in local_models if model.origin != "cached"]
    console.print(_table([(model.name, model.origin, size_text(model.bytes)) for model in named_models]))
    if cached_copies := [model for model in local_models if model.origin == "cached"]:
        console.print(_heading("\nConverted copies of files that were opened", "draggan-tui --model NAME"))
        console.print(_table([(copy.name, copy.format or "", size_text(copy.bytes)) for copy in cached_copies]))
    console.print(_heading("\nKnown public checkpoints", "draggan-tui models pull NAME"))
    for (home_page, licence), group in groupby(public_checkpoints(), key=lambda model: (model.home, model.licence)):
        console.print(Text(f"\n{home_page}\n{licence}", style="dim"))
        console.print(_table([_public_row(public_checkpoint) for public_checkpoint in group]))


def unwrapped_console() -> Console:
    """Return a console for stdout that breaks lines at the terminal's width, and not at all in a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=1000)


def _heading(heading_text: str, shell_command: str) -> Text:
    return Text.assemble((heading_text, "bold"), "   ", (shell_command, "dim"))


def _table(table_rows: list[tuple[str, ...]]) -> Table:
    text_table = Table.grid(padding=(0, 2))
    for table_row in table_rows:
        text_table.add_row(*(Text(cell_text) for cell_text in ("", *table_row)))
    return text_table


def _public_row(public_checkpoint: PublicCheckpoint) -> tuple[str, ...]:
    size_label = size_text(public_checkpoint.bytes) if public_checkpoint.bytes else ""
    if not size_label and public_checkpoint.about_mb:
        size_label = f"~{public_checkpoint.about_mb} MB"
    by_hand = "" if public_checkpoint.is_downloadable else "by hand, from its page"
    subject_text = f"{public_checkpoint.shows} {by_hand}".strip()
    return (
        public_checkpoint.name,
        public_checkpoint.family,
        f"{public_checkpoint.width}×{public_checkpoint.height}",
        size_label,
        subject_text,
    )
