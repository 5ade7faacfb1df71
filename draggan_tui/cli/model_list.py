"""Print the models on this machine and the public checkpoints that can be downloaded."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from draggan_engine.checkpoints.model_zoo import PublicCheckpoint, public_checkpoints
from draggan_engine.checkpoints.registry import cached_seed_indexes, list_models
from draggan_engine.core.errors import CheckpointError
from draggan_engine.storage.seed_index_file import SEED_COUNT, SeedIndex, read_seed_index
from draggan_tui.rendering.loading_text import size_text


def print_models(*, as_json: bool) -> None:
    """Print the models on this machine, then the public checkpoints."""
    local_models = list_models()
    if as_json:
        public_models = [public_checkpoint.model_dump(exclude_none=True) for public_checkpoint in public_checkpoints()]
        model_lists = {"here": [model.model_dump() for model in local_models], "known": public_models}
        print(json.dumps({**model_lists, "indexes": [_index_fields(path, index) for path, index in _seed_indexes()]}))
        return
    console = unwrapped_console()
    console.print(_heading("On this machine", "draggan-tui --model NAME"))
    named_models = [model for model in local_models if model.origin != "cached"]
    console.print(_table([(model.name, model.origin, size_text(model.bytes)) for model in named_models]))
    if cached_copies := [model for model in local_models if model.origin == "cached"]:
        console.print(_heading("\nConverted copies of files that were opened", "draggan-tui --model NAME"))
        console.print(_table([(copy.name, copy.format or "", size_text(copy.bytes)) for copy in cached_copies]))
    if seed_indexes := _seed_indexes():
        console.print(_heading("\nIndexes of seeds", "draggan-tui models index NAME"))
        console.print(_table([_index_row(path, index) for path, index in seed_indexes]))
    console.print(_heading("\nKnown public checkpoints", "draggan-tui models pull NAME"))
    for (home_page, licence), group in groupby(public_checkpoints(), key=lambda model: (model.home, model.licence)):
        console.print(Text(f"\n{home_page}\n{licence}", style="dim"))
        console.print(_table([_public_row(public_checkpoint) for public_checkpoint in group]))


def _seed_indexes() -> list[tuple[Path, SeedIndex]]:
    """Return the indexes of seeds that can be read, with their paths."""
    indexes = []
    for path in cached_seed_indexes():
        with suppress(CheckpointError):
            index = read_seed_index(path)
            if index is not None:
                indexes.append((path, index))
    return indexes


def _index_fields(path: Path, index: SeedIndex) -> dict[str, str | int]:
    return {
        "model": index.model.name, "class": index.model.label, "seeds": len(index.thumbnails), "path": str(path),
        "bytes": path.stat().st_size,
    }  # fmt: skip


def _index_row(path: Path, index: SeedIndex) -> tuple[str, ...]:
    class_text = f"class {index.model.label}" if index.model.label else ""
    return index.model.name, f"{len(index.thumbnails):,} of {SEED_COUNT:,}", size_text(path.stat().st_size), class_text


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
