"""What waits to be sent, and what waits to be done."""

from __future__ import annotations

import socket
import threading
from collections import deque

from .messages import LOSSY, Command, Event, Export, ExportFile, Preview, Render, encode


class Outbox:
    """Sends events in a thread of its own; of a lossy kind only the newest waits."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._waiting: deque[Event] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def send(self, event: Event) -> None:
        with self._change:
            if isinstance(event, LOSSY):
                self._waiting = deque(
                    e for e in self._waiting if type(e) is not type(event) or not _overtakes(event, e)
                )
            self._waiting.append(event)
            self._change.notify()

    def close(self, timeout: float = 5.0) -> None:
        """Sends what is left, within `timeout` seconds."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._waiting:
                    if self._closed:
                        return
                    self._change.wait()
                event = self._waiting.popleft()
            try:
                self._connection.sendall(encode(event))
            except OSError:
                return  # the client is gone; the reader notices it too


def _overtakes(new: Event, old: Event) -> bool:
    """A drag's preview does not replace the answer to a request, nor that one the preview, which is waited for too."""
    return not (isinstance(new, Preview) and isinstance(old, Preview)) or (new.request == 0) == (old.request == 0)


class Refresh:
    """Bring final.png up to date with what was saved."""


class Jobs:
    """What the main thread still has to do. A newer picture request replaces an older one."""

    def __init__(self) -> None:
        self._waiting: deque[Command | Refresh] = deque()
        self._change = threading.Condition()
        self._closed = False

    def put(self, job: Command | Refresh) -> None:
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

    def get(self) -> Command | Refresh | None:
        """The next job; None at the end."""
        with self._change:
            while not self._waiting and not self._closed:
                # With a timeout, so that signals are looked at.
                self._change.wait(0.5)
            return self._waiting.popleft() if self._waiting else None

    @property
    def closed(self) -> bool:
        return self._closed
