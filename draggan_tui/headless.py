"""The commands that need no screen. They drain the engine's own iterator, without a process between.

The one module of this package that reaches past the engine's protocol.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich_pixels import HalfcellRenderer, Pixels

from draggan_engine.checkpoints.catalogue import Model, load_model
from draggan_engine.checkpoints.latents import read_latent
from draggan_engine.drag import DragAtRest, DragSession, DragStep
from draggan_engine.exporting import export
from draggan_engine.files import SessionStore
from draggan_engine.images import read_mask, write_picture
from draggan_engine.protocol.edit import DragSettings, Edit, PointPair, check_label
from draggan_engine.protocol.errors import DragganError, EditError
from draggan_engine.protocol.geometry import Size, fit_preview
from draggan_engine.protocol.history import Entry
from draggan_engine.protocol.output import FILMS, PICTURES, check_file, check_output
from draggan_engine.recording import DragRecorded, picture_of, prepare_drag, record_drag

DIVERGED = 3
FLAGS = {"max_steps": "--steps", "space": "--space", "step_size": "--lr", "psi": "--psi", "seed": "--seed"}
_NUMBER = r"\s*(-?\d{1,9}(?:\.\d*)?)\s*"
_PAIR = re.compile(f"{_NUMBER},{_NUMBER}:{_NUMBER},{_NUMBER}")


@dataclass(frozen=True)
class DragRequest:
    """What `draggan-tui drag` was asked; None stands for the model's own default."""

    pairs: tuple[str, ...]
    seed: int
    model: str
    psi: float | None
    label: int
    latent: Path | None
    mask: Path | None
    steps: int | None
    space: str | None
    step_size: float | None
    film: Path | None
    markers: bool
    device: str
    out: Path | None


def parse_pair(text: str) -> PointPair:
    """`"64,70:76,70"` → handle (64, 70), target (76, 70).

    Raises:
        EditError: not of that form, or the handle is on its target.
    """
    match = _PAIR.fullmatch(text)
    if match is None:
        raise EditError(f"--pair {text!r}: write it as X,Y:X,Y, handle then target, in pixels, e.g. --pair 64,70:76,70")
    a, b, c, d = map(float, match.groups())
    if (a, b) == (c, d):
        raise EditError(f"--pair {text!r}: the handle is on its target; move one of them")
    return PointPair(handle=(a, b), target=(c, d))


def render_picture(
    out: Path, *, seed: int, model: str, psi: float | None, label: int, latent: Path | None, device: str
) -> None:
    """Writes the picture of a seed, or of a stored latent.

    Raises:
        DragganError: the model, the device or the path cannot be used.
    """
    check_file(out, PICTURES)
    loaded = load_model(model, device)
    psi = loaded.info.psi if psi is None else psi
    edit = Edit(model=loaded.name, seed=seed, psi=psi, label=label, given=latent is not None)
    store = _store(loaded, edit, None, latent)
    write_picture(out, picture_of(loaded, store, edit), model=loaded.name, edit=edit)


def run_drag(request: DragRequest, *, as_json: bool) -> int:
    """Runs a drag, writes its session, and reports; returns the exit status.

    Raises:
        DragganError: something in the request cannot be used; nothing has been written.
    """
    pairs = tuple(parse_pair(text) for text in request.pairs)
    if request.out is not None:
        check_output(request.out)
    if request.film is not None:
        check_file(request.film, FILMS)
    elif request.markers:
        raise EditError("--markers: they are drawn into a film; give --film FILE too")
    model = load_model(request.model, request.device)
    edit = _edit(request, pairs, model)
    store = _store(model, edit, request.out, request.latent)
    session = prepare_drag(model, store, edit)
    if session.notice is not None:
        print(f"draggan-tui: {session.notice}", file=sys.stderr)
    interactive = sys.stderr.isatty() and not as_json
    events = record_drag(model, store, Entry(id=0, edit=edit), store.next_drag(), session)
    with _interruptible(session) as interrupted:
        end = _drain(events, edit, interactive)
    store.close()
    problems = [end.problem] if end.problem else []
    film = request.film
    if film is not None:
        try:
            _write_film(film, model, store, end.edit, markers=request.markers, interactive=interactive)
        except DragganError as error:
            problems.append(str(error))
            film = None
    for problem in problems:
        print(f"draggan-tui: {problem}", file=sys.stderr)
    before = picture_of(model, store, edit)
    after = picture_of(model, store, end.edit)
    _report(end, store, before, after, film, as_json)
    if interrupted():
        return 130
    if problems:
        return 1
    return DIVERGED if end.record.reason == "diverged" else 0


def _write_film(path: Path, model: Model, store: SessionStore, edit: Edit, *, markers: bool, interactive: bool) -> None:
    """
    Raises:
        DragganError: not a step was made, or it cannot be written.
    """
    with Progress(console=Console(stderr=True), disable=not interactive, transient=True) as bar:
        task = bar.add_task("film")
        export(
            model, store, edit, path, markers=markers, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )  # fmt: skip


def _store(model: Model, edit: Edit, out: Path | None, latent: Path | None) -> SessionStore:
    """The session's, with the latent that it may start from.

    Raises:
        EditError: the model does not have the edit's class.
        CheckpointError: the latent cannot be used.
    """
    check_label(edit.label, model.info.classes, model.name)
    store = SessionStore(model.name, out)
    store.know_model(model.name, model.sha256, model.path)
    if latent is not None:
        store.give(read_latent(latent, model.info.num_ws, model.info.w_dim))
    return store


def _edit(request: DragRequest, pairs: tuple[PointPair, ...], model: Model) -> Edit:
    asked = {"max_steps": request.steps, "space": request.space, "step_size": request.step_size}
    given = {name: value for name, value in asked.items() if value is not None}
    mask = None
    if request.mask is not None:
        mask, resized = read_mask(request.mask, model.info.size)
        if resized:
            print(f"draggan-tui: {request.mask} was resized to {mask.width}×{mask.height}", file=sys.stderr)
    try:
        return Edit(
            model=model.name,
            seed=request.seed,
            psi=model.info.psi if request.psi is None else request.psi,
            label=request.label,
            given=request.latent is not None,
            pairs=pairs,
            mask=mask,
            settings=DragSettings.model_validate({**model.info.settings.model_dump(), **given}),
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][-1])
        raise EditError(f"{FLAGS.get(field, field)}: {first['msg']}") from error


@contextmanager
def _interruptible(session: DragSession) -> Iterator[Callable[[], bool]]:
    """Ctrl-C ends the drag after the running step; gives a function that says whether it was pressed."""
    pressed = False

    def stop(*_: object) -> None:
        nonlocal pressed
        pressed = True
        session.stop()

    previous = signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, previous)


def _drain(events: Iterator[DragStep | DragAtRest | DragRecorded], edit: Edit, interactive: bool) -> DragRecorded:
    columns = (
        TextColumn("drag"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not interactive, transient=True) as progress:
        task = progress.add_task("drag", total=edit.settings.max_steps, left="")
        for event in events:
            if isinstance(event, DragRecorded):
                return event
            if isinstance(event, DragStep):
                progress.update(task, completed=event.step, left=f"{event.mean_distance:.1f} px left")
    raise AssertionError("a drag ends with its record")


def _report(
    end: DragRecorded,
    store: SessionStore,
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    film: Path | None,
    as_json: bool,
) -> None:
    record = end.record
    folder = store.folder
    names = (
        "session.json",
        "latents.safetensors",
        "initial.png",
        "final.png",
        "mask.png",
        f"drag-{record.number:03d}/final.png",
        f"drag-{record.number:03d}/events.jsonl",
    )
    files = [] if folder is None else [str(folder / name) for name in names if (folder / name).exists()]
    if film is not None:
        files.append(str(film))
    if as_json:
        pairs = [
            {"handle": p.handle, "target": p.target, "final": p.final, "distance": p.distance} for p in record.pairs
        ]
        print(
            json.dumps(
                {
                    "reason": record.reason,
                    "steps": record.steps,
                    "seconds": round(record.seconds, 3),
                    "precision": record.settings.precision,
                    "pairs": pairs,
                    "files": files,
                }
            )
        )
        return
    console = Console()
    if console.is_terminal:
        _side_by_side(console, before, after)
    left = sum(p.distance for p in record.pairs) / len(record.pairs)
    console.print(f"{record.reason}: {record.steps} steps, {record.seconds:.1f} s, {left:.1f} px left", highlight=False)
    if folder is not None:
        console.print(f"files: {folder}", highlight=False, soft_wrap=True)
    if film is not None:
        console.print(f"film: {film}", highlight=False, soft_wrap=True)


def _side_by_side(console: Console, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
    height, width, _ = before.shape
    size = fit_preview(Size(width, height), (console.width - 3) // 2, max(console.height - 4, 4))
    row = Table.grid(padding=(0, 1))
    pictures = [Image.fromarray(rgb).resize(size, Image.Resampling.BOX) for rgb in (before, after)]
    row.add_row("before", "after")
    row.add_row(*(Pixels.from_image(image, renderer=HalfcellRenderer()) for image in pictures))
    console.print(row)
