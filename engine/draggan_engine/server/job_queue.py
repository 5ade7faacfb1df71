"""Commands that wait for the engine's main thread."""

from __future__ import annotations

import threading
from collections import deque

from .messages import Export, ExportFile, LoadModel, Render, StartDrag


class Refresh:
    """Bring final.png up to date with what was saved."""


Job = Render | StartDrag | Export | ExportFile | LoadModel | Refresh


class JobQueue:
    """What the main thread still has to do. A newer picture request replaces an older one."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._change = threading.Condition()
        self._closed = False

    def put(self, job: Job) -> None:
        with self._change:
            if isinstance(job, Render | Refresh):
                self._waiting = deque(other for other in self._waiting if type(other) is not type(job))
            self._waiting.append(job)
            self._change.notify()

    def take_render(self) -> Render | None:
        """The request for a picture, if one waits: a drag need not be over for it."""
        with self._change:
            wanted = next((job for job in self._waiting if isinstance(job, Render)), None)
            if wanted is not None:
                self._waiting.remove(wanted)
            return wanted

    def close(self) -> None:
        """No more jobs; of what is there, what is to be written is done first."""
        with self._change:
            self._closed = True
            self._waiting = deque(job for job in self._waiting if isinstance(job, Export | ExportFile | Refresh))
            self._change.notify()

    def get(self) -> Job | None:
        """The next job; None at the end."""
        with self._change:
            while not self._waiting and not self._closed:
                # With a timeout, so that signals are looked at.
                self._change.wait(0.5)
            return self._waiting.popleft() if self._waiting else None

    @property
    def closed(self) -> bool:
        return self._closed
