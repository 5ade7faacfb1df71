"""Earlier sessions, listed. Like `headless`, it calls the engine directly."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich_pixels import HalfcellRenderer, Pixels

from draggan_engine.protocol.errors import InputError
from draggan_engine.protocol.geometry import Size, fit_preview
from draggan_engine.recent import recent
from draggan_engine.session_file import SessionFile, read_session

SHOWN = 10
THUMBNAIL = (16, 8)  # columns and rows


def list_sessions(*, as_json: bool) -> None:
    """Prints the last sessions, the newest first."""
    found = []
    for folder in recent():
        try:
            found.append((folder, read_session(folder)))
        except InputError:
            continue
        if len(found) == SHOWN:
            break
    if as_json:
        print(json.dumps([{"folder": str(folder), **_facts(folder, session)} for folder, session in found]))
        return
    console = Console()
    if not found:
        console.print("no sessions yet: draggan-tui --seed 42 begins one")
    for folder, session in found:
        _show(console, folder, session)


def _facts(folder: Path, session: SessionFile) -> dict[str, object]:
    changed = int(_changed(folder).timestamp())
    return {"model": session.model.name, "seed": session.seed, "drags": session.drag_count, "changed": changed}


def _changed(folder: Path) -> datetime.datetime:
    """When the session was last written to, in local time."""
    return datetime.datetime.fromtimestamp((folder / "session.json").stat().st_mtime).astimezone()


def _show(console: Console, folder: Path, session: SessionFile) -> None:
    start = "a given latent" if session.given else f"seed {session.seed}"
    made = f"{_counted(session.drag_count, 'drag')}, {_counted(len(session.pairs), 'pair')}"
    text = Text.assemble(
        (session.model.name, "bold"), f"  {start}, {made}\n",
        (f"{_changed(folder):%Y-%m-%d %H:%M}\n", "dim"), f"draggan-tui open {folder}",
    )  # fmt: skip
    if not console.is_terminal:
        console.print(text, soft_wrap=True)
        return
    row = Table.grid(padding=(0, 2))
    row.add_column(width=THUMBNAIL[0])
    row.add_column(overflow="fold")
    row.add_row(_thumbnail(folder) or "", text)
    console.print(row)
    console.print()


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
