"""What is kept on disk: the directory of an editing session and the pictures in it. No torch.

history.jsonl            every change, in the order in which they were made (`Journal`); the editor goes on from it
session.json             what the user built (`SessionFile`)
latents.safetensors      a given latent that the session starts from
initial.png, final.png   the picture started from and the present one, full resolution
mask.png                 255 = may move
drag-001/                drag.json (what it did: `DragRecord`), final.png, latents.safetensors (ws before and after), events.jsonl
                         (a line for each step, written while it runs) and steps.safetensors

Whatever grows with the number of drags is appended to or has a file for each drag; what is written anew does not grow.
"""

from __future__ import annotations

import datetime
import json
import logging
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.edit import Edit, Mask
from draggan_engine.core.errors import DragganError, EditError, InputError, StorageError
from draggan_engine.core.history import DragRecord, History, Revision, Trajectory

from .atomic import atomic_write
from .image_cache import ImageCache
from .image_io import write_image, write_mask
from .journal import Journal
from .output_paths import check_output_directory, session_name
from .recent_sessions import remember_session
from .session_directory import copy_drags, create_session_directory, drag_directory_name, make_directory
from .session_latents import SessionLatents
from .session_lock import SessionLock
from .session_manifest import MASK_FILE, ModelReference, ResultImage, SessionManifest, read_history, read_manifest
from .trajectory import StoredTrajectory, TrajectoryRecorder, read_trajectory
from .utf8_path import is_utf8

log = logging.getLogger("draggan_engine")


class DragDirectory:
    """`drag-NNN/`; a context manager whose `line` appends one step to events.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events: IO[str] | None = None

    def __enter__(self) -> DragDirectory:
        make_directory(self.path)
        with self._named():
            self._events = (self.path / "events.jsonl").open("w", encoding="utf-8")
        return self

    def append_event(self, fields: dict[str, object]) -> None:
        """
        Raises:
            StorageError: it cannot be written.
        """
        assert self._events is not None, "lines are written inside the context"
        with self._named():
            self._events.write(json.dumps(fields) + "\n")
            self._events.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._events is not None
        with suppress(OSError):  # every line was flushed, and what could not be was said then
            self._events.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError.of(self.path / "events.jsonl", error) from error


@dataclass(frozen=True)
class UnwrittenDrag:
    """What is not on disk yet of a drag that is over: what it did, the entry that was dragged, and its steps, if they are
    to be written."""

    record: DragRecord
    parent: int
    steps: TrajectoryRecorder | None


class SessionStore:
    """The session's state and its folder, which is made by the first write. Safe to use from two threads.

    A failed write leaves the files as they were and the state in memory, so a later write makes up for it.

    Args:
        model: the name that the user gave, until `know_model` says better.
        out: the folder asked for, or None for the default.
        resume: the folder of a session to go on with.

    Raises:
        InputError: that session cannot be read, or another process works on it.
    """

    def __init__(self, model: str, out: Path | None = None, resume: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._model = ModelReference(name=model, sha256=None)
        self._out = out
        self._created = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        self._written_mask: Mask | None = None
        self.directory: Path | None = None
        self.history: History | None = None
        self.result: ResultImage | None = None
        self.images = ImageCache()  # by `Edit.source`; for the thread that computes
        self._journal: Journal | None = None
        self._claim: SessionLock | None = None
        self._latents = SessionLatents()
        self._unwritten_drags: dict[int, UnwrittenDrag] = {}
        self._steps: StoredTrajectory | None = None  # of the drag that was last asked about
        if resume is not None:
            self._resume(resume)

    def set_model(self, name: str, sha256: str, path: Path) -> None:
        """
        Args:
            path: the file that it was read from.
        """
        with self._lock:
            resolved = path.resolve()
            self._model = ModelReference(name=name, sha256=sha256, path=str(resolved) if is_utf8(resolved) else None)

    @property
    def model(self) -> str:
        return self._model.name

    # Latents ------------------------------------------------------------------------------------------

    def give(self, latent: NDArray[np.float32]) -> None:
        """Takes `[1, num_ws, w_dim]` to start from into the state; the next write puts it on disk."""
        with self._lock:
            self._latents.give(latent)

    @property
    def has_given(self) -> bool:
        """Whether there is a latent to start from, from `give` or from a session that was taken up."""
        with self._lock:
            return self._latents.given is not None

    def given_latent(self) -> NDArray[np.float32]:
        """The latent to start from, `[1, num_ws, w_dim]`.

        Raises:
            EditError: there is none.
        """
        with self._lock:
            if self._latents.given is None:
                raise EditError("this session was given no latent to start from; go on from a seed")
            return self._latents.given

    def latent(self, number: int, step: int | None = None) -> NDArray[np.float32]:
        """What drag `number` ended with, or had after a step: `[1, num_ws, w_dim]`.

        Raises:
            EditError: there is no such drag.
            InputError: its file cannot be read.
        """
        if step is not None:
            return self.stored_trajectory(number).latent_at(step)
        with self._lock:
            latent = self._latents.after(number, self.directory)
            if latent is None:
                raise EditError(f"the result of drag {number} is not in this session; undo to an earlier image")
            return latent

    def stored_trajectory(self, number: int) -> StoredTrajectory:
        """The way of a drag.

        Raises:
            InputError: it was not kept, or cannot be read.
        """
        with self._lock:
            if self._steps is None or self._steps.record.number != number:
                if self.directory is None:
                    raise InputError(f"the steps of drag {number} were not kept")
                self._steps = read_trajectory(self._drag_path(number))
            return self._steps

    def trajectory(self, number: int) -> Trajectory:
        """The way of a drag as a person scrubs through it; without any step if it was not kept."""
        try:
            return self.stored_trajectory(number).trajectory
        except InputError as error:
            log.warning("%s", error)
            return Trajectory(number=number, steps=(), handles=())

    # Changes ------------------------------------------------------------------------------------------

    @property
    def edit(self) -> Edit | None:
        """The present one."""
        return None if self.history is None else self.history.edit

    def merge(self, revisions: Iterable[Revision], at: int) -> None:
        """Into the state, in memory; the next write puts it on disk.

        Raises:
            EditError: an entry is not of this history.
        """
        with self._lock:
            new = tuple(revisions)
            if self.history is None and new:
                self.history = History({new[0].id: new[0]}, new[0].id)
            if self.history is None:
                raise EditError("history: it has no first entry; start anew")
            self.history = self.history.merge(new).jump_to(at)

    def save(self, revisions: Iterable[Revision], at: int) -> Path:
        """Writes what is new; returns the folder.

        Args:
            entries: those that may be new, parents first.
            at: the present one.

        Raises:
            EditError: an entry is not of this history.
            OutputError, StorageError: it cannot be written; the state in memory is the new one.
        """
        with self._lock:
            self.merge(revisions, at)
            return self.write()

    def write(self) -> Path:
        """Writes the state: latents and history first, because session.json names them; returns the folder.

        Raises:
            OutputError, StorageError: it cannot be written; the state in memory is kept.
        """
        with self._lock:
            edit = self._present()
            folder = self._ensure_folder()
            self._latents.write(folder)
            if self._journal is None:
                self._journal = Journal(folder)
            assert self.history is not None
            self._journal.append(self.history)
            if edit.mask is not None and edit.mask != self._written_mask:
                write_mask(folder / MASK_FILE, edit.mask)
                self._written_mask = edit.mask
            self._write_session(folder, edit)
            if edit.mask is None:  # no session.json names it any more
                self._written_mask = None
                with suppress(OSError):
                    (folder / MASK_FILE).unlink(missing_ok=True)
            self.write_drags()  # last: the steps may be large, and the session opens without them
            return folder

    def write_drags(self) -> None:
        """Write what the drags that are over did, and their steps.

        Raises:
            OutputError, StorageError: a file cannot be written; it and those after it stay to be written.
        """
        with self._lock:
            for number, drag in tuple(self._unwritten_drags.items()):
                self._ensure_folder()
                directory = self._drag_path(number)
                make_directory(directory)
                if drag.steps is not None:
                    drag.steps.write(directory, drag.parent, drag.record)
                with atomic_write(directory / "drag.json") as part:
                    part.write_text(drag.record.model_dump_json(indent=2) + "\n", encoding="utf-8")
                del self._unwritten_drags[number]

    def move_to(self, directory: Path) -> None:
        """Go on in another directory, with all that this session holds. The present one is left as it is.

        Raises:
            OutputError, StorageError: the session cannot be written there; it stays where it is.
        """
        with self._lock:
            check_output_directory(directory)
            if self.history is None:  # nothing has been made yet
                self._out = directory
                return
            here = self.directory, self._claim, self._journal, self._written_mask
            unwritten_drags = dict(self._unwritten_drags)
            is_new = not directory.exists()
            self.directory, self._claim = create_session_directory(directory, "")
            self._journal = self._written_mask = None
            self._latents.leave_directory()
            try:
                if here[0] is not None:
                    copy_drags(here[0], directory)
                self.write()
            except DragganError:
                self._claim.release()
                if is_new:
                    shutil.rmtree(directory, ignore_errors=True)
                else:  # a second attempt must not find half a session there
                    with suppress(OSError):
                        (directory / "session.json").unlink(missing_ok=True)
                self.directory, self._claim, self._journal, self._written_mask = here
                self._unwritten_drags = unwritten_drags
                self._latents.leave_directory()
                raise
            remember_session(directory)
            if here[1] is not None:
                here[1].release()

    # Drags --------------------------------------------------------------------------------------------

    def next_drag_number(self) -> int:
        """The number of the next drag; that of one that a dying engine left half-done is not used again."""
        with self._lock:
            records = () if self.history is None else self.history.drag_records
            number = 1 + max((drag.number for drag in records), default=0)
            while self.directory is not None and self._drag_path(number).exists():
                number += 1
            return number

    def drag_directory(self, number: int) -> DragDirectory:
        """
        Raises:
            OutputError, StorageError: the session's folder cannot be made.
        """
        with self._lock:
            self._ensure_folder()
            return DragDirectory(self._drag_path(number))

    def add_drag(
        self,
        entry: Revision,
        before: NDArray[np.float32],
        after: NDArray[np.float32],
        steps: TrajectoryRecorder | None = None,
    ) -> None:
        """Takes what a drag has made into the state, in memory, as the present entry; `write` puts it on disk.

        Args:
            steps: its way, where that is not on disk already.
        """
        with self._lock:
            assert entry.record is not None and entry.parent is not None, "a drag has a record and a parent"
            self._latents.keep(entry.record.number, before, after)
            self._unwritten_drags[entry.record.number] = UnwrittenDrag(entry.record, entry.parent, steps)
            self.merge((entry,), entry.id)

    def write_result_images(self, edit: Edit, initial: NDArray[np.uint8], final: NDArray[np.uint8]) -> tuple[Path, ...]:
        """Writes initial.png, final.png and session.json; returns the paths.

        Args:
            edit: whose picture `final` is.
            initial, final: `uint8 [H, W, 3]`, the seed's own picture and the present one.

        Raises:
            OutputError, StorageError: it cannot be written.
        """
        with self._lock:
            folder = self._ensure_folder()
            for name, rgb in (("initial.png", initial), ("final.png", final)):
                write_image(folder / name, rgb, model=self.model, edit=edit)
            self.result = ResultImage(file="final.png", drag=edit.source.drag)
            self._write_session(folder, self._present())
            return folder / "initial.png", folder / "final.png", folder / "session.json"

    def announce_close(self) -> None:
        """Nobody will change the session any more."""
        with self._lock:
            if self._claim is not None:
                self._claim.mark_closing()

    def close(self) -> None:
        """The session is left in good order."""
        with self._lock:
            if self._claim is not None:
                self._claim.release()

    # --------------------------------------------------------------------------------------------------

    def _present(self) -> Edit:
        assert self.history is not None, "there is a first entry before anything is written"
        return self.history.edit

    def _drag_path(self, number: int) -> Path:
        assert self.directory is not None
        return self.directory / drag_directory_name(number)

    def _ensure_folder(self) -> Path:
        if self.directory is None:
            name = session_name(self.model, self._present())
            self.directory, self._claim = create_session_directory(self._out, name)
            remember_session(self.directory)
        make_directory(self.directory)
        if self._claim is None:  # it was taken up before anything was written
            self._claim = SessionLock(self.directory)
            remember_session(self.directory)
        return self.directory

    def _write_session(self, folder: Path, edit: Edit) -> None:
        assert self.history is not None
        document = SessionManifest(
            created=self._created,
            model=self._model,
            source=edit.source,
            settings=edit.settings,
            pairs=edit.pairs,
            mask=None if edit.mask is None else MASK_FILE,
            drag_count=len(self.history.drag_records),
            result=self.result,
        )
        with atomic_write(folder / "session.json") as part:
            part.write_text(document.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def _resume(self, folder: Path) -> None:
        self.directory = folder
        if not (folder / "session.json").exists():
            return
        document = read_manifest(folder)  # first: one that cannot be gone on with is left as it is
        self._claim = SessionLock(folder)
        remember_session(folder)
        self._created, self.result = document.created, document.result
        self._journal = Journal(folder)
        self.history = self._journal.read() or read_history(folder, document)
        self._latents.read(folder)
        self._take_interrupted(folder)

    def _take_interrupted(self, folder: Path) -> None:
        """Drags whose engine died: what was on disk of them becomes a branch."""
        assert self.history is not None
        finished = {drag_directory_name(record.number) for record in self.history.drag_records}
        for path in sorted(folder.glob("drag-*/steps.safetensors")):
            if path.parent.name in finished:
                continue
            try:
                steps = read_trajectory(path.parent)
                parent = self.history.revisions.get(steps.parent)
                if -steps.record.number in self.history.revisions or parent is None or not steps.record.steps:
                    continue
                at = self.history.current
                self.add_drag(Revision.of_drag(parent, steps.record), steps.before, steps.latent_at(steps.record.steps))
                self.history = self.history.jump_to(at)
            except InputError as error:
                log.warning("%s", error)
