"""drag-NNN/, the directories of a session's drags: their events, records and trajectories."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from draggan_engine.core.errors import InputError, StorageError
from draggan_engine.core.history import DragRecord
from draggan_engine.core.revision_id import RevisionId

from .atomic import atomic_write
from .session_directory import drag_directory_name, make_directory
from .trajectory import TRAJECTORY_FILE, StoredTrajectory, TrajectoryRecorder, read_trajectory

log = logging.getLogger("draggan_engine")

EVENTS_FILE = "events.jsonl"
RECORD_FILE = "drag.json"
DRAG_PHOTOGRAPH_FILE = "photograph.png"
"""The photograph of the session with the result of the drag pasted back."""


class DragDirectory:
    """The directory of one drag; within the context, `append_event` appends lines to its events.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events_file: IO[str] | None = None

    def __enter__(self) -> DragDirectory:
        make_directory(self.path)
        with self._report_storage_errors():
            self._events_file = (self.path / EVENTS_FILE).open("w", encoding="utf-8")
        return self

    def append_event(self, event_fields: dict[str, object]) -> None:
        """Append a line.

        Raises:
            StorageError: it cannot be written.
        """
        assert self._events_file is not None, "events are appended within the context"
        with self._report_storage_errors():
            self._events_file.write(json.dumps(event_fields) + "\n")
            self._events_file.flush()

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, error_traceback: TracebackType | None
    ) -> None:
        assert self._events_file is not None
        with suppress(OSError):  # every line has been flushed, or its error has been reported
            self._events_file.close()

    @contextmanager
    def _report_storage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as write_error:
            raise StorageError.of(self.path / EVENTS_FILE, write_error) from write_error


@dataclass(frozen=True)
class UnwrittenDrag:
    """A finished drag whose files have not been written yet.

    Attributes:
        parent: the id of the revision that was dragged.
        trajectory: the steps, unless they are on the disk already.
    """

    record: DragRecord
    parent: RevisionId
    trajectory: TrajectoryRecorder | None


class DragFiles:
    """The files of a session's drags: those that are still to be written, and the trajectory that was read last."""

    def __init__(self) -> None:
        self._unwritten_drags: dict[int, UnwrittenDrag] = {}
        self._last_trajectory: StoredTrajectory | None = None

    def add(self, drag: UnwrittenDrag) -> None:
        self._unwritten_drags[drag.record.number] = drag

    def copy(self) -> DragFiles:
        """Return a copy, to which one can return if writing to another directory fails."""
        copied_files = DragFiles()
        copied_files._unwritten_drags = dict(self._unwritten_drags)
        copied_files._last_trajectory = self._last_trajectory
        return copied_files

    def write(self, session_directory: Path) -> None:
        """Write the records and trajectories of the drags that have not been written yet.

        Raises:
            StorageError: a file cannot be written; it and those after it remain unwritten.
        """
        for drag_number, drag in tuple(self._unwritten_drags.items()):
            drag_directory = session_directory / drag_directory_name(drag_number)
            make_directory(drag_directory)
            if drag.trajectory is not None:
                drag.trajectory.write(drag_directory, drag.parent, drag.record)
            with atomic_write(drag_directory / RECORD_FILE) as temporary_path:
                temporary_path.write_text(drag.record.model_dump_json(indent=2) + "\n", encoding="utf-8")
            del self._unwritten_drags[drag_number]

    def trajectory(self, drag_number: int, session_directory: Path | None) -> StoredTrajectory:
        """Return the trajectory of a drag.

        Raises:
            InputError: it was not kept, or cannot be read.
        """
        if self._last_trajectory is None or self._last_trajectory.record.number != drag_number:
            if session_directory is None:
                raise InputError(f"the steps of drag {drag_number} were not kept")
            self._last_trajectory = read_trajectory(session_directory / drag_directory_name(drag_number))
        return self._last_trajectory


def next_drag_number(finished_records: Iterable[DragRecord], session_directory: Path | None) -> int:
    """Return the number of a session's next drag; one that an unfinished drag has on the disk is not used again.

    Args:
        finished_records: the finished drags.
        session_directory: the session's directory; None if there is none yet.
    """
    drag_number = 1 + max((record.number for record in finished_records), default=0)
    while session_directory is not None and (session_directory / drag_directory_name(drag_number)).exists():
        drag_number += 1
    return drag_number


def unfinished_trajectories(
    session_directory: Path, finished_records: Iterable[DragRecord]
) -> Iterator[StoredTrajectory]:
    """Yield the trajectories of the drags that are not among the finished ones; one that cannot be read is left out."""
    finished_names = {drag_directory_name(record.number) for record in finished_records}
    for trajectory_path in sorted(session_directory.glob(f"drag-*/{TRAJECTORY_FILE}")):
        if trajectory_path.parent.name in finished_names:
            continue
        try:
            yield read_trajectory(trajectory_path.parent)
        except InputError as read_error:
            log.warning("%s", read_error)
