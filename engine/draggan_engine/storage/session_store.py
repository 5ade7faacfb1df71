"""A session on disk: its directory and the files in it.

history.jsonl            every change, in the order in which they were made (`Journal`); the editor resumes from it
session.json             what the user built, for people and other programs (`SessionManifest`)
latents.safetensors      the latent file that the session starts from (`SessionLatents`)
inversion-tuning.safetensors  the generator's tuning to the photograph that the session starts from (`session_tuning`)
initial.png, final.png   the image started from and the current one, at full resolution
mask.png                 255 = may move
drag-001/                drag.json (the `DragRecord`), final.png, latents.safetensors (before and after), events.jsonl (a
                         line for each step, written while the drag runs) and steps.safetensors (`StoredTrajectory`)

What grows with the number of drags is appended, or has a file for each drag; a file that is written anew does not grow.
"""

from __future__ import annotations

import datetime
import logging
import shutil
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.edit import Edit, Mask
from draggan_engine.core.errors import DragganError, EditError, InputError
from draggan_engine.core.history import History, Revision, Trajectory
from draggan_engine.core.revision_id import RevisionId

from .drag_files import DragDirectory, DragFiles, UnwrittenDrag, next_drag_number, unfinished_trajectories
from .image_cache import ImageCache
from .image_io import write_image, write_mask
from .journal import Journal
from .output_paths import MANIFEST_FILE, check_output_directory, session_name
from .session_directory import SessionDirectory, copy_drags, drag_directory_name
from .session_latents import SessionLatents
from .session_manifest import (
    MASK_FILE,
    ModelReference,
    ResultImage,
    SessionManifest,
    read_history,
    read_manifest,
    write_manifest,
)
from .session_tuning import find_tuning, place_tuning
from .trajectory import StoredTrajectory, TrajectoryRecorder

log = logging.getLogger("draggan_engine")

INITIAL_IMAGE, FINAL_IMAGE = "initial.png", "final.png"


class SessionStore:
    """The state of a session and its files. Two threads may use it.

    The directory is made by the first write. A write that fails leaves the files as they were and the state in memory, so
    that a later write makes up for it.

    Args:
        model: the name of the model that the user gave, until `set_model` knows better.
        out: the directory that the user chose for a new session; None: one below `draggan-out/`.
        resume: the directory of a session to resume.

    Attributes:
        history: None until the first revision has been merged.
        result: the image that was written last; None: none.
        recovered_drags: numbers of the drags that were interrupted and that `resume` has made branches of.
        images: full-resolution images by `Edit.source`, for the thread that computes.
        tuning_path: the generator's tuning to the photograph that the session starts from, which the next write copies to
            the session's directory; None: it is not tuned.

    Raises:
        InputError: the session cannot be read, or another process works on it.
    """

    def __init__(self, model: str, out: Path | None = None, resume: Path | None = None) -> None:
        self._state_lock = threading.RLock()
        self._model_reference = ModelReference(name=model, sha256=None)
        self._creation_time = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        self.history: History | None = None
        self.result: ResultImage | None = None
        self.recovered_drags: tuple[int, ...] = ()
        self.images = ImageCache()
        self.tuning_path: Path | None = None
        self._session_directory = SessionDirectory(chosen_directory=out, existing_directory=resume)
        self._journal: Journal | None = None
        self._written_mask: Mask | None = None
        self._session_latents = SessionLatents()
        self._drag_files = DragFiles()
        if resume is not None and (resume / MANIFEST_FILE).exists():
            self._resume(resume)

    @property
    def directory(self) -> Path | None:
        """The session's directory; None until it has been made."""
        return self._session_directory.path

    @property
    def model(self) -> str:
        """The name of the model."""
        return self._model_reference.name

    def set_model(self, model_name: str, sha256: str, model_path: Path) -> None:
        """Set the model as the engine has loaded it.

        Args:
            model_path: the model's file.
        """
        with self._state_lock:
            self._model_reference = ModelReference.of_file(model_name, sha256, model_path)

    # History ------------------------------------------------------------------------------------------

    @property
    def edit(self) -> Edit | None:
        """The current edit; None until the first revision has been merged."""
        return None if self.history is None else self.history.edit

    @property
    def starts_from_file(self) -> bool:
        """Whether a revision starts from the latent of a file or of a photograph; a session has room for one such latent."""
        history = self.history
        return history is not None and any(revision.edit.source.from_file for revision in history.revisions.values())

    def merge(self, revisions: Iterable[Revision], current: RevisionId) -> None:
        """Merge revisions into the history in memory; the next write puts them on the disk.

        Args:
            revisions: those that may be new, parents first.
            current: the id of the revision to go to.

        Raises:
            EditError: a revision is not one of this history.
        """
        with self._state_lock:
            new_revisions = tuple(revisions)
            if self.history is None and new_revisions:
                self.history = History({new_revisions[0].id: new_revisions[0]}, new_revisions[0].id)
            if self.history is None:
                raise EditError("the history has no first revision; begin a new session")
            self.history = self.history.merge(new_revisions).jump_to(current)

    def save(self, revisions: Iterable[Revision], current: RevisionId) -> Path:
        """Merge revisions as `merge` does and write the session; return its directory.

        Raises:
            EditError: a revision is not one of this history.
            OutputError, StorageError: the session cannot be written; the state in memory is the new one.
        """
        with self._state_lock:
            self.merge(revisions, current)
            return self.write()

    # Latents ------------------------------------------------------------------------------------------

    @property
    def has_file_latent(self) -> bool:
        """Whether the session starts from a latent file."""
        with self._state_lock:
            return self._session_latents.file_latent is not None

    def set_file_latent(self, latent: NDArray[np.float32]) -> None:
        """Start from the latent of a file, `[1, num_ws, w_dim]`; the next write puts it on the disk."""
        with self._state_lock:
            self._session_latents.set_file_latent(latent)

    def file_latent(self) -> NDArray[np.float32]:
        """Return the latent of the file that the session starts from, `[1, num_ws, w_dim]`.

        Raises:
            EditError: the session does not start from a latent file.
        """
        with self._state_lock:
            if self._session_latents.file_latent is None:
                raise EditError("this session does not start from a latent file; use a seed")
            return self._session_latents.file_latent

    def latent(self, drag_number: int, step: int | None = None) -> NDArray[np.float32]:
        """Return the latent `[1, num_ws, w_dim]` that a drag ended with, or had after a step.

        Raises:
            EditError: the drag is not in this session.
            InputError: its file cannot be read.
        """
        if step is not None:
            return self.stored_trajectory(drag_number).latent_at(step)
        with self._state_lock:
            latent = self._session_latents.after_drag(drag_number, self.directory)
            if latent is None:
                raise EditError(f"the result of drag {drag_number} is not in this session; undo to an earlier image")
            return latent

    # Writing ------------------------------------------------------------------------------------------

    def write(self) -> Path:
        """Write the session and return its directory.

        Raises:
            OutputError, StorageError: it cannot be written; the state in memory is kept.
        """
        with self._state_lock:
            history = self._require_history()
            directory = self._open_directory()
            self.tuning_path = place_tuning(self.tuning_path, directory)
            self._session_latents.write(directory)  # before the manifest, which names what they hold
            if self._journal is None:
                self._journal = Journal(directory)
            self._journal.append(history)
            mask = history.edit.mask
            if mask is not None and mask != self._written_mask:
                write_mask(directory / MASK_FILE, mask)
                self._written_mask = mask
            self._write_manifest(directory)
            if mask is None:  # only now does no manifest name the file any more
                self._written_mask = None
                with suppress(OSError):
                    (directory / MASK_FILE).unlink(missing_ok=True)
            self._drag_files.write(directory)  # last: trajectories may be large, and the session opens without them
            return directory

    def write_drags(self) -> None:
        """Write the records and trajectories of the finished drags.

        Raises:
            OutputError, StorageError: a file cannot be written; it and those after it remain unwritten.
        """
        with self._state_lock:
            self._drag_files.write(self._open_directory())

    def write_result_images(self, edit: Edit, initial: NDArray[np.uint8], final: NDArray[np.uint8]) -> tuple[Path, ...]:
        """Write initial.png, final.png and session.json; return their paths.

        Args:
            edit: the edit whose image `final` is.
            initial: `uint8 [H, W, 3]`, the image before all drags.
            final: `uint8 [H, W, 3]`.

        Raises:
            OutputError, StorageError: a file cannot be written.
        """
        with self._state_lock:
            directory = self._open_directory()
            for file_name, rgb in ((INITIAL_IMAGE, initial), (FINAL_IMAGE, final)):
                write_image(directory / file_name, rgb, model=self.model, edit=edit)
            self.result = ResultImage(file=FINAL_IMAGE, drag=edit.source.drag)
            self._write_manifest(directory)
            return tuple(directory / file_name for file_name in (INITIAL_IMAGE, FINAL_IMAGE, MANIFEST_FILE))

    def move_to(self, directory: Path) -> None:
        """Continue in another directory with all that this session holds. The present one stays as it is.

        Raises:
            OutputError, StorageError: the session cannot be written there; it stays where it is.
        """
        with self._state_lock:
            check_output_directory(directory)
            if self.history is None:  # nothing has been written yet
                self._session_directory.choose(directory)
                return
            previous_state = self._session_directory, self._journal, self._written_mask, self._drag_files
            previous_tuning = self.tuning_path
            is_new = not directory.exists()
            new_directory = SessionDirectory(chosen_directory=directory)
            new_directory.open(directory.name)
            self._session_directory, self._drag_files = new_directory, self._drag_files.copy()
            self._journal = self._written_mask = None
            self._session_latents.mark_all_unwritten()
            try:
                if previous_state[0].path is not None:
                    copy_drags(previous_state[0].path, directory)
                self.write()
            except DragganError:
                self._session_directory.release()
                _remove_unfinished(directory, is_new)
                self._session_directory, self._journal, self._written_mask, self._drag_files = previous_state
                self._session_latents.mark_all_unwritten()
                self.tuning_path = previous_tuning
                raise
            previous_state[0].release()

    def announce_close(self) -> None:
        """Tell other processes that the editor is gone, and that what remains is being written."""
        with self._state_lock:
            self._session_directory.mark_closing()

    def close(self) -> None:
        """Unlock the session: it was closed in order."""
        with self._state_lock:
            self._session_directory.release()

    # Drags --------------------------------------------------------------------------------------------

    def next_drag_number(self) -> int:
        """Return the number of the next drag; one that a killed engine left unfinished is not used again."""
        with self._state_lock:
            drag_records = () if self.history is None else self.history.drag_records
            return next_drag_number(drag_records, self.directory)

    def drag_directory(self, drag_number: int) -> DragDirectory:
        """Return the directory of a drag, whose events are written within its context.

        Raises:
            OutputError, StorageError: the session's directory cannot be made.
        """
        with self._state_lock:
            return DragDirectory(self._open_directory() / drag_directory_name(drag_number))

    def add_drag(
        self,
        revision: Revision,
        before: NDArray[np.float32],
        after: NDArray[np.float32],
        trajectory: TrajectoryRecorder | None = None,
    ) -> None:
        """Add the result of a drag as the current revision, in memory; `write` puts it on the disk.

        Args:
            before, after: the latents `[1, num_ws, w_dim]` that the drag started from and ended with.
            trajectory: the steps, unless they are on the disk already.
        """
        with self._state_lock:
            assert revision.record is not None and revision.parent is not None, "a drag has a record and a parent"
            self._session_latents.add_drag(revision.record.number, before, after)
            self._drag_files.add(UnwrittenDrag(revision.record, revision.parent, trajectory))
            self.merge((revision,), revision.id)

    def stored_trajectory(self, drag_number: int) -> StoredTrajectory:
        """Return the trajectory of a drag with its latents.

        Raises:
            InputError: it was not kept, or cannot be read.
        """
        with self._state_lock:
            return self._drag_files.trajectory(drag_number, self.directory)

    def trajectory(self, drag_number: int) -> Trajectory:
        """Return the trajectory of a drag as the editor needs it; without any step if it was not kept."""
        try:
            return self.stored_trajectory(drag_number).trajectory
        except InputError as read_error:
            log.warning("%s", read_error)
            return Trajectory(number=drag_number, steps=(), handles=())

    # --------------------------------------------------------------------------------------------------

    def _require_history(self) -> History:
        assert self.history is not None, "a revision is merged before anything is written"
        return self.history

    def _open_directory(self) -> Path:
        return self._session_directory.open(session_name(self.model, self._require_history().edit))

    def _write_manifest(self, directory: Path) -> None:
        history, model = self._require_history(), self._model_reference
        write_manifest(directory, SessionManifest.of_history(history, self._creation_time, model, self.result))

    def _resume(self, directory: Path) -> None:
        manifest = read_manifest(directory)  # before the lock: a session that cannot be resumed stays untouched
        self._session_directory.lock_existing()
        self._creation_time, self.result = manifest.created, manifest.result
        self._journal = Journal(directory)
        self.history = self._journal.read() or read_history(directory, manifest)
        self._session_latents.read(directory)
        self.tuning_path = find_tuning(directory)
        _recover_interrupted_drags(self, directory)


def _recover_interrupted_drags(store: SessionStore, directory: Path) -> None:
    """Make branches of the drags whose engine was killed, as far as they are on the disk."""
    assert store.history is not None, "the history has been read"
    for stored_trajectory in unfinished_trajectories(directory, store.history.drag_records):
        history = store.history
        parent_revision = history.revisions.get(stored_trajectory.parent)
        has_result = history.drag_result(stored_trajectory.record.number) is not None
        if has_result or parent_revision is None or not stored_trajectory.record.steps:
            continue
        revision = Revision.of_drag(parent_revision, stored_trajectory.record)
        store.add_drag(revision, stored_trajectory.before, stored_trajectory.latent_at(stored_trajectory.record.steps))
        store.history = store.history.jump_to(history.current)
        store.recovered_drags += (stored_trajectory.record.number,)


def _remove_unfinished(directory: Path, is_new: bool) -> None:
    """Remove what a failed move has left, at least the manifest: a second attempt must not find half a session."""
    if is_new:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        with suppress(OSError):
            (directory / MANIFEST_FILE).unlink(missing_ok=True)
