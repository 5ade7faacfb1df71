"""Print the list of the last sessions: as JSON, as text, or on a terminal with thumbnails."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich_pixels import HalfcellRenderer, Pixels

from draggan_engine.core.errors import InputError
from draggan_engine.core.geometry import Size, fit_preview
from draggan_engine.storage.recent_sessions import recent_sessions
from draggan_engine.storage.session_manifest import SessionManifest, read_manifest
from draggan_tui.config.paths import open_command

THUMBNAIL_CELLS = (16, 8)  # columns and rows


def list_sessions(limit: int, *, as_json: bool) -> None:
    """Print the last sessions, newest first."""
    sessions = list(islice(_readable_sessions(), limit))
    if as_json:
        print(json.dumps([_to_json(directory, session) for directory, session in sessions]))
    elif not sessions:
        print("no sessions yet: draggan-tui --seed 42 begins one", file=sys.stderr)
    else:
        console = Console()
        for directory, session in sessions:
            _print_session(console, directory, session)


def _readable_sessions() -> Iterator[tuple[Path, SessionManifest]]:
    for directory in recent_sessions():
        with suppress(InputError):
            yield directory, read_manifest(directory)


def _to_json(directory: Path, session: SessionManifest) -> dict[str, object]:
    return {
        "folder": str(directory),
        "model": session.model.name,
        "seed": session.source.seed,
        "drags": session.drag_count,
        "changed": int(_last_change(directory).timestamp()),
    }


def _last_change(directory: Path) -> datetime.datetime:
    """Return when a session was last written to, in local time."""
    return datetime.datetime.fromtimestamp((directory / "session.json").stat().st_mtime).astimezone()


def _print_session(console: Console, directory: Path, session: SessionManifest) -> None:
    start = "a given latent" if session.source.from_file else f"seed {session.source.seed}"
    contents = f"{_counted(session.drag_count, 'drag')}, {_counted(len(session.pairs), 'pair')}"
    changed = f"{_last_change(directory):%Y-%m-%d %H:%M}"
    if console.is_terminal:
        row = Table.grid(padding=(0, 2))
        row.add_column(width=THUMBNAIL_CELLS[0])
        row.add_column()
        text = Text.assemble((session.model.name, "bold"), f"\n{start}\n{contents}\n", (changed, "dim"))
        row.add_row(_thumbnail(directory) or "", text)
        console.print(row)
        _print_unwrapped(console, open_command(directory) + "\n")
    else:
        _print_unwrapped(console, f"{session.model.name}  {start}, {contents}  {changed}\n{open_command(directory)}")


def _print_unwrapped(console: Console, text: str) -> None:
    """Print text without Rich's line breaks, so that a command can be copied from a terminal that wraps it."""
    console.file.write(f"{text}\n")


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _thumbnail(directory: Path) -> Pixels | None:
    try:
        with Image.open(directory / "final.png") as image:
            size = fit_preview(Size(*image.size), *THUMBNAIL_CELLS)
            small_image = image.convert("RGB").resize(size, Image.Resampling.BOX)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    thumbnail: Pixels = Pixels.from_image(small_image, renderer=HalfcellRenderer())
    return thumbnail
