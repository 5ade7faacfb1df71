"""The commands that need no screen. They drain the engine's own iterator, without a process between.

The one module of this package that reaches past the engine's protocol.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich_pixels import HalfcellRenderer, Pixels

from draggan_engine.checkpoints.latent_files import read_latent
from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import ALL_HANDLES_ON_TARGETS, Edit, PointPair, check_label
from draggan_engine.core.errors import DragganError, EditError, StorageError
from draggan_engine.core.geometry import Size, fit_preview
from draggan_engine.core.history import Revision
from draggan_engine.core.setting_fields import SettingField, setting_fields
from draggan_engine.dragging import DragAtRest, DragLoop, DragStep
from draggan_engine.server.drag_runner import DragRecorded, picture_of, prepare_drag, record_drag
from draggan_engine.server.export import export
from draggan_engine.storage.image_io import read_mask, write_image
from draggan_engine.storage.output_paths import (
    DEFAULT_OUTPUT_DIRECTORY,
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    check_output_directory,
    check_output_file,
    check_writable,
)
from draggan_engine.storage.session_store import SessionStore
from draggan_tui.editor.mask_reach import conflict_text, mask_conflicts

DIVERGED = 3
FLAGS = {
    "space": "--space", "step_size": "--lr", "mask_weight": "--mask-weight", "r1": "--r1", "r2": "--r2", "layers": "--layers",
    "feature_block": "--block", "max_steps": "--steps", "stop_distance": "--stop", "tracking_norm": "--norm",
    "precision": "--precision",
}  # fmt: skip
"""The option of `drag` for each field of `DragSettings`."""
_NUMBER = r"\s*(-?\d{1,9}(?:\.\d*)?)\s*"
_PAIR = re.compile(f"{_NUMBER},{_NUMBER}:{_NUMBER},{_NUMBER}")


@dataclass(frozen=True)
class DragRequest:
    """What `draggan-tui drag` was asked; None stands for the model's own default.

    Attributes:
        settings: what was typed for fields of `DragSettings`; the model's own stands for the others.
    """

    pairs: tuple[str, ...]
    seed: int
    model: str
    psi: float | None
    label: int
    latent: Path | None
    mask: Path | None
    settings: Mapping[str, str]
    film: Path | None
    markers: bool
    device: str
    out: Path | None


def parse_pair(text: str) -> PointPair:
    """`"64,70:76,70"` → handle (64, 70), target (76, 70); with two equal points, a pin.

    Raises:
        EditError: not of that form.
    """
    match = _PAIR.fullmatch(text)
    if match is None:
        raise EditError(f"--pair {text!r}: write it as X,Y:X,Y, handle then target, in pixels, e.g. --pair 64,70:76,70")
    a, b, c, d = map(float, match.groups())
    return PointPair(handle=(a, b), target=(c, d))


def render_picture(
    out: Path, *, seed: int, model: str, psi: float | None, label: int, latent: Path | None, device: str
) -> None:
    """Writes the picture of a seed, or of a stored latent.

    Raises:
        DragganError: the model, the device or the path cannot be used.
    """
    check_output_file(out, IMAGE_SUFFIXES)
    loaded = load_model(model, device)
    psi = loaded.info.psi if psi is None else psi
    edit = Edit(model=loaded.name, seed=seed, psi=psi, label=label, given=latent is not None)
    store = _store(loaded, edit, None, latent)
    write_image(out, picture_of(loaded, store, edit), model=loaded.name, edit=edit)


def run_drag(request: DragRequest, *, as_json: bool) -> int:
    """Runs a drag, writes its session, and reports; returns the exit status.

    Raises:
        DragganError: something in the request cannot be used; nothing has been written.
    """
    pairs = tuple(parse_pair(text) for text in request.pairs)
    if all(pair.is_pin for pair in pairs):
        raise EditError(ALL_HANDLES_ON_TARGETS)
    _read_settings(request.settings, setting_fields())
    _check_outputs(request)
    model = load_model(request.model, request.device)
    edit = _edit(request, pairs, model)
    store = _store(model, edit, request.out, request.latent)
    session = prepare_drag(model, store, edit)
    for notice in _notices(edit, model.info.size, session.notice):
        print(f"draggan-tui: {notice}", file=sys.stderr)
    before = picture_of(model, store, edit)
    earlier_files = set() if request.out is None else _files_in(request.out)
    entry = Revision(id=0, edit=edit)
    store.save((entry,), entry.id)  # from here on, a drag that is killed can be opened
    store.write_result_images(edit, before, before)
    interactive = sys.stderr.isatty() and not as_json
    with _stopped_by_signals(session) as signals:
        end = _drain(record_drag(model, store, entry, store.next_drag_number(), session), edit, interactive)
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
    files = [] if store.directory is None else sorted(path for path, *_ in _files_in(store.directory) - earlier_files)
    after = picture_of(model, store, end.edit)
    try:
        _report(end, store.directory, before, after, files if film is None else [*files, film], film, as_json)
    except (StorageError, SystemExit):
        if not signals:  # a terminal that was closed takes no report
            raise
    if signals:
        return 128 + signals[0]
    if problems:
        return 1
    return DIVERGED if end.record.reason == "diverged" else 0


def _notices(edit: Edit, image: Size, notice: str | None) -> list[str]:
    """What to say before a drag: of the device, of pins, of points that the mask keeps where they are."""
    pins = [f"pair {i + 1} is a pin: it holds its place" for i, pair in enumerate(edit.pairs) if pair.is_pin]
    conflict = conflict_text(mask_conflicts(edit, image))
    return [*([] if notice is None else [notice]), *pins, *([conflict] if conflict else [])]


def _check_outputs(request: DragRequest) -> None:
    """
    Raises:
        DragganError: the session or the film could not be written.
    """
    if request.out is None:
        check_writable(DEFAULT_OUTPUT_DIRECTORY)
    else:
        check_output_directory(request.out)
    if request.film is not None:
        check_output_file(request.film, VIDEO_SUFFIXES)
    elif request.markers:
        raise EditError("--markers: they are drawn into a video; give --film FILE too")


def _files_in(folder: Path) -> set[tuple[Path, int, int]]:
    """The files of a session's directory, each with what changes when it is written again."""
    paths = [path for pattern in ("[!.]*", "[!.]*/*") for path in folder.glob(pattern) if path.is_file()]
    return {(path, stat.st_ino, stat.st_mtime_ns) for path in paths for stat in [path.stat()]}


def _write_film(path: Path, model: Model, store: SessionStore, edit: Edit, *, markers: bool, interactive: bool) -> None:
    """
    Raises:
        DragganError: not a step was made, or it cannot be written.
    """
    with Progress(console=Console(stderr=True), disable=not interactive, transient=True) as bar:
        task = bar.add_task("video")
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
    store.set_model(model.name, model.sha256, model.path)
    if latent is not None:
        store.give(read_latent(latent, model.info.num_ws, model.info.w_dim))
    return store


def _edit(request: DragRequest, pairs: tuple[PointPair, ...], model: Model) -> Edit:
    """
    Raises:
        EditError: a setting that the model does not have, or the mask cannot be used.
    """
    mask = None
    if request.mask is not None:
        mask, resized = read_mask(request.mask, model.info.size)
        if resized:
            print(f"draggan-tui: {request.mask} was resized to {mask.width}×{mask.height}", file=sys.stderr)
    settings = _read_settings(request.settings, setting_fields(model.info))
    return Edit(
        model=model.name,
        seed=request.seed,
        psi=model.info.psi if request.psi is None else request.psi,
        label=request.label,
        given=request.latent is not None,
        pairs=pairs,
        mask=mask,
        settings=model.info.settings.model_copy(update=settings),
    )


def _read_settings(texts: Mapping[str, str], fields: Mapping[str, SettingField]) -> dict[str, object]:
    """The values of what was typed, by field.

    Raises:
        EditError: it is no value of its field.
    """
    values: dict[str, object] = {}
    for name, text in texts.items():
        try:
            values[name] = fields[name].read(text)
        except EditError as error:
            raise EditError(f"{FLAGS[name]} {text!r}: must be {fields[name].requirement}") from error
    return values


@contextmanager
def _stopped_by_signals(session: DragLoop) -> Iterator[Sequence[int]]:
    """Let Ctrl-C, SIGTERM and SIGHUP end the drag after the running step; yields the numbers of those that came."""
    received: list[int] = []

    def stop(number: int, _: object) -> None:
        received.append(number)
        session.stop()

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    listened = [number for number, handler in handlers.items() if handler is not signal.SIG_IGN]
    for number in listened:
        signal.signal(number, stop)
    try:
        yield received
    finally:
        for number in listened:
            signal.signal(number, handlers[number])


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
    folder: Path | None,
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    files: Sequence[Path],
    film: Path | None,
    as_json: bool,
) -> None:
    record = end.record
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
                    "files": [str(path) for path in files],
                }
            )
        )
        return
    console = Console()
    if console.is_terminal:
        _side_by_side(console, before, after)
    left = sum(p.distance for p in record.pairs) / len(record.pairs)
    steps = "1 step" if record.steps == 1 else f"{record.steps} steps"
    console.print(f"{record.reason}: {steps}, {record.seconds:.1f} s, {left:.1f} px left", highlight=False)
    if folder is not None:
        console.print(f"files: {folder}", highlight=False, soft_wrap=True)
    if film is not None:
        console.print(f"video: {film}", highlight=False, soft_wrap=True)


def _side_by_side(console: Console, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
    height, width, _ = before.shape
    size = fit_preview(Size(width, height), (console.width - 3) // 2, max(console.height - 4, 4))
    row = Table.grid(padding=(0, 1))
    pictures = [Image.fromarray(rgb).resize(size, Image.Resampling.BOX) for rgb in (before, after)]
    row.add_row("before", "after")
    row.add_row(*(Pixels.from_image(image, renderer=HalfcellRenderer()) for image in pictures))
    console.print(row)
