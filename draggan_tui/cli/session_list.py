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

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.core.errors import InputError
from draggan_engine.core.geometry import Size, fit_preview
from draggan_engine.storage.inversion_files import inverted_photograph
from draggan_engine.storage.recent_sessions import recent_sessions
from draggan_engine.storage.session_manifest import SessionManifest, read_manifest
from draggan_tui.config.paths import open_command

THUMBNAIL_CELLS = (16, 8)  # columns and rows


def list_sessions(limit: int, *, as_json: bool) -> None:
    """Print the last sessions, newest first."""
    listed_sessions = list(islice(_readable_sessions(), limit))
    if as_json:
        print(json.dumps([_to_json(directory, manifest) for directory, manifest in listed_sessions]))
    elif not listed_sessions:
        print("no sessions yet: draggan-tui --seed 42 begins one", file=sys.stderr)
    else:
        console = Console()
        for directory, manifest in listed_sessions:
            _print_session(console, directory, manifest)


def _readable_sessions() -> Iterator[tuple[Path, SessionManifest]]:
    for session_directory in recent_sessions():
        with suppress(InputError):
            yield session_directory, read_manifest(session_directory)


def _to_json(session_directory: Path, manifest: SessionManifest) -> dict[str, object]:
    return {
        "folder": str(session_directory),
        "model": manifest.model.name,
        "seed": manifest.source.seed,
        "photograph": _photograph(session_directory, manifest),
        "drags": manifest.drag_count,
        "changed": int(_last_change(session_directory).timestamp()),
    }


def _last_change(session_directory: Path) -> datetime.datetime:
    """Return when a session was last written to, in local time."""
    return datetime.datetime.fromtimestamp((session_directory / "session.json").stat().st_mtime).astimezone()


def _print_session(console: Console, session_directory: Path, manifest: SessionManifest) -> None:
    start_text = _start_text(session_directory, manifest)
    contents_text = f"{_counted(manifest.drag_count, 'drag')}, {_counted(len(manifest.pairs), 'pair')}"
    change_time = f"{_last_change(session_directory):%Y-%m-%d %H:%M}"
    if console.is_terminal:
        session_row = Table.grid(padding=(0, 2))
        session_row.add_column(width=THUMBNAIL_CELLS[0])
        session_row.add_column()
        session_text = Text.assemble(
            (manifest.model.name, "bold"), f"\n{start_text}\n{contents_text}\n", (change_time, "dim")
        )
        session_row.add_row(_thumbnail(session_directory) or "", session_text)
        console.print(session_row)
        _print_unwrapped(console, open_command(session_directory) + "\n")
    else:
        _print_unwrapped(
            console,
            f"{manifest.model.name}  {start_text}, {contents_text}  {change_time}\n{open_command(session_directory)}",
        )


def _start_text(session_directory: Path, manifest: SessionManifest) -> str:
    """Return what the image of a session was made from."""
    photograph = _photograph(session_directory, manifest)
    if photograph is not None:
        return f"the photograph {printable_text(Path(photograph).name)}"
    return "a latent file" if manifest.source.from_file else f"seed {manifest.source.seed}"


def _photograph(session_directory: Path, manifest: SessionManifest) -> str | None:
    """Return the path of the photograph that a session starts from; None if it starts from a seed or a latent file."""
    return inverted_photograph(session_directory) if manifest.source.from_file else None


def _print_unwrapped(console: Console, line_text: str) -> None:
    """Print text without Rich's line breaks, so that a command can be copied from a terminal that wraps it."""
    console.file.write(f"{line_text}\n")


def _counted(item_count: int, item_noun: str) -> str:
    return f"{item_count or 'no'} {item_noun}{'' if item_count == 1 else 's'}"


def _thumbnail(session_directory: Path) -> Pixels | None:
    try:
        with Image.open(session_directory / "final.png") as final_image:
            thumbnail_size = fit_preview(Size(*final_image.size), *THUMBNAIL_CELLS)
            small_image = final_image.convert("RGB").resize(thumbnail_size, Image.Resampling.BOX)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    thumbnail: Pixels = Pixels.from_image(small_image, renderer=HalfcellRenderer())
    return thumbnail
