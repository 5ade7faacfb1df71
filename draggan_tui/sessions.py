"""Earlier sessions: listed, and taken up again. Like `headless`, it calls the engine directly."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich_pixels import HalfcellRenderer, Pixels

from draggan_engine.checkpoints import library
from draggan_engine.files import ModelReference, SessionFile, read_session
from draggan_engine.images import read_mask
from draggan_engine.protocol.edit import Edit
from draggan_engine.protocol.errors import CheckpointError, InputError
from draggan_engine.protocol.geometry import Size, fit_preview
from draggan_engine.recent import recent

SHOWN = 10
THUMBNAIL = (16, 8)  # columns and rows


def take_up(folder: Path, model: str | None) -> tuple[Edit, str]:
    """The edit that a session was left with, and what opens its model.

    Args:
        model: a name or path, if the user says where it is.

    Raises:
        InputError: no session, or one that cannot be read.
        CheckpointError: its model is not on this machine.
    """
    session = read_session(folder)
    mask = None
    if session.mask is not None:
        try:
            with Image.open(folder / session.mask) as image:
                size = Size(*image.size)
        except OSError as error:
            raise InputError(f"{folder / session.mask}: the mask cannot be read; restore it, or start anew") from error
        mask, _ = read_mask(folder / session.mask, size)
    edit = Edit(
        model=session.model.name, seed=session.seed, psi=session.psi, label=session.label, given=session.given,
        latent=session.latent, pairs=session.pairs, mask=mask, settings=session.settings,
    )  # fmt: skip
    return edit, model or _model(session.model, folder)


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
    changed = (folder / "session.json").stat().st_mtime
    return {"model": session.model.name, "seed": session.seed, "drags": len(session.drags), "changed": int(changed)}


def _show(console: Console, folder: Path, session: SessionFile) -> None:
    start = "a given latent" if session.given else f"seed {session.seed}"
    made = f"{_counted(len(session.drags), 'drag')}, {_counted(len(session.pairs), 'pair')}"
    text = Text.assemble(
        (session.model.name, "bold"), f"  {start}, {made}\n",
        (f"{session.created.astimezone():%Y-%m-%d %H:%M}\n", "dim"), f"draggan-tui open {folder}",
    )  # fmt: skip
    if not console.is_terminal:
        console.print(text, soft_wrap=True)
        return
    row = Table.grid(padding=(0, 2))
    row.add_column(width=THUMBNAIL[0])
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
