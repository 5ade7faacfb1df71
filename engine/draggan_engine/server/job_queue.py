"""The jobs that wait for the engine's main thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from draggan_engine.dragging.drag_control import SIGNAL_CHECK_SECONDS, DragControl

from .messages import Export, ExportFile, LoadModel, Render, StartDrag
from .photograph_messages import InvertPhotograph, OpenPhotograph, ReadInversionMask, ViewPhotograph


@dataclass(frozen=True)
class DragJob:
    """Run the drag of a command; `control` has received the commands that came after it."""

    command: StartDrag
    control: DragControl


@dataclass(frozen=True)
class InversionJob:
    """Invert the photograph of a command; `control` has received the commands that came after it."""

    command: InvertPhotograph
    control: DragControl


class UpdateResult:
    """Bring the images in the session's directory up to date with what was saved."""


Job = (
    Render | DragJob | Export | ExportFile | OpenPhotograph | InversionJob | ViewPhotograph | ReadInversionMask | LoadModel
    | UpdateResult
)  # fmt: skip


class JobQueue:
    """Jobs in the order in which they came. A newer `Render` or `UpdateResult` replaces an older one. Any thread may put."""

    def __init__(self) -> None:
        self._waiting_jobs: deque[Job] = deque()
        self._jobs_changed = threading.Condition()
        self._is_closed = False
        self._idle_since: float | None = None

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def idle_since(self) -> float | None:
        """Since when the main thread has waited for a job, on the clock `time.monotonic`; None while it works."""
        with self._jobs_changed:
            return None if self._waiting_jobs else self._idle_since

    def put(self, job: Job) -> None:
        with self._jobs_changed:
            if isinstance(job, Render | UpdateResult):
                self._waiting_jobs = deque(
                    waiting_job for waiting_job in self._waiting_jobs if type(waiting_job) is not type(job)
                )
            self._waiting_jobs.append(job)
            self._jobs_changed.notify()

    def take_render(self) -> Render | None:
        """Remove and return the waiting `Render`, or return None. It can be done while a drag runs."""
        with self._jobs_changed:
            waiting_render = next((job for job in self._waiting_jobs if isinstance(job, Render)), None)
            if waiting_render is not None:
                self._waiting_jobs.remove(waiting_render)
            return waiting_render

    def close(self) -> None:
        """Drop the waiting jobs except those that write files; `get` returns these, and then None."""
        with self._jobs_changed:
            self._is_closed = True
            self._waiting_jobs = deque(
                job for job in self._waiting_jobs if isinstance(job, Export | ExportFile | UpdateResult)
            )
            self._jobs_changed.notify()

    def get(self) -> Job | None:
        """Wait for the next job and return it; return None at the end."""
        with self._jobs_changed:
            self._idle_since = time.monotonic()
            while not self._waiting_jobs and not self._is_closed:
                self._jobs_changed.wait(SIGNAL_CHECK_SECONDS)
            self._idle_since = None
            return self._waiting_jobs.popleft() if self._waiting_jobs else None
