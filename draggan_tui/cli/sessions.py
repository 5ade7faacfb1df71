"""Earlier sessions, listed. Like `headless`, it calls the engine directly."""

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

THUMBNAIL = (16, 8)  # columns and rows


def list_sessions(limit: int, *, as_json: bool) -> None:
    """Print the last sessions, the newest first."""
    sessions = list(islice(_readable_sessions(), limit))
    if as_json:
        print(json.dumps([{"folder": str(directory), **_facts(directory, session)} for directory, session in sessions]))
    elif not sessions:
        print("no sessions yet: draggan-tui --seed 42 begins one", file=sys.stderr)
    else:
        console = Console()
        for directory, session in sessions:
            _show(console, directory, session)


def _readable_sessions() -> Iterator[tuple[Path, SessionManifest]]:
    for directory in recent_sessions():
        with suppress(InputError):
            yield directory, read_manifest(directory)


def _facts(folder: Path, session: SessionManifest) -> dict[str, object]:
    changed = int(_changed(folder).timestamp())
    return {"model": session.model.name, "seed": session.seed, "drags": session.drag_count, "changed": changed}


def _changed(folder: Path) -> datetime.datetime:
    """When the session was last written to, in local time."""
    return datetime.datetime.fromtimestamp((folder / "session.json").stat().st_mtime).astimezone()


def _show(console: Console, directory: Path, session: SessionManifest) -> None:
    start = "a given latent" if session.given else f"seed {session.seed}"
    made = f"{_counted(session.drag_count, 'drag')}, {_counted(len(session.pairs), 'pair')}"
    changed = f"{_changed(directory):%Y-%m-%d %H:%M}"
    if console.is_terminal:
        row = Table.grid(padding=(0, 2))
        row.add_column(width=THUMBNAIL[0])
        row.add_column()
        text = Text.assemble((session.model.name, "bold"), f"\n{start}\n{made}\n", (changed, "dim"))
        row.add_row(_thumbnail(directory) or "", text)
        console.print(row)
        _print_line(console, open_command(directory) + "\n")
    else:
        _print_line(console, f"{session.model.name}  {start}, {made}  {changed}\n{open_command(directory)}")


def _print_line(console: Console, text: str) -> None:
    """As it is: a line that the terminal wraps is copied as one, a line that Rich wraps is not."""
    console.file.write(f"{text}\n")


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _thumbnail(folder: Path) -> Pixels | None:
    try:
        with Image.open(folder / "final.png") as image:
            size = fit_preview(Size(*image.size), *THUMBNAIL)
            small = image.convert("RGB").resize(size, Image.Resampling.BOX)
    except OSError:
        return None
    thumbnail: Pixels = Pixels.from_image(small, renderer=HalfcellRenderer())
    return thumbnail
