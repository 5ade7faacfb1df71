"""Earlier sessions: listed, and taken up again. Like `headless`, it calls the engine directly."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich_pixels import HalfcellRenderer, Pixels

from draggan_engine.checkpoints import library
from draggan_engine.protocol.claim import ended_badly, is_ending, is_open
from draggan_engine.protocol.errors import CheckpointError, InputError, OutputError
from draggan_engine.protocol.geometry import Size, fit_preview
from draggan_engine.recent import recent
from draggan_engine.session_file import ModelReference, SessionFile, read_history, read_session
from draggan_tui.workspace import TakenUp

SHOWN = 10
THUMBNAIL = (16, 8)  # columns and rows
PATIENCE = 10.0  # seconds; an engine whose editor was killed may have a drag to write


def take_up(folder: Path, model: str | None) -> TakenUp:
    """What a session was left with.

    Args:
        model: a name or path, if the user says where it is.

    Raises:
        InputError: no session, one that cannot be read, or one that is open in another editor.
        CheckpointError: its model is not on this machine.
    """
    _outlast_engine(folder)
    session = read_session(folder)
    if is_open(folder):
        raise OutputError(f"{folder}: this session is open in another editor; close that one first")
    return TakenUp(read_history(folder, session), folder, model or _model(session.model, folder))


def unclosed() -> TakenUp | None:
    """The last session that was not closed, if there is one that can be gone on with: its editor or its engine was
    killed, or the power went."""
    for folder in recent()[:5]:
        _outlast_engine(folder)
        if ended_badly(folder):
            try:
                return take_up(folder, None)
            except InputError:
                continue
    return None


def _outlast_engine(folder: Path) -> None:
    """Lets an engine whose editor is gone write what it still has to, and end."""
    deadline = time.monotonic() + PATIENCE
    while is_ending(folder) and time.monotonic() < deadline:
        time.sleep(0.05)


def _model(model: ModelReference, folder: Path) -> str:
    """The file where it was, one of its name, or the converted copy of a file that is gone."""
    if model.path is not None and Path(model.path).is_file():
        return model.path
    named = library.own_models() | library.bundled_models()
    if model.name in named:
        return str(named[model.name])
    if model.sha256 is not None and (copy := library.cached_copy(model.sha256)).is_file():
        return str(copy)
    raise CheckpointError(
        f"{folder}: its model {model.name} is not at {model.path or 'a known place'} any more; say where it is with --model"
    )


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
    return {"model": session.model.name, "seed": session.seed, "drags": len(session.drags), "changed": changed}


def _changed(folder: Path) -> datetime.datetime:
    """When the session was last written to, in local time."""
    return datetime.datetime.fromtimestamp((folder / "session.json").stat().st_mtime).astimezone()


def _show(console: Console, folder: Path, session: SessionFile) -> None:
    start = "a given latent" if session.given else f"seed {session.seed}"
    made = f"{_counted(len(session.drags), 'drag')}, {_counted(len(session.pairs), 'pair')}"
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
