"""Events that wait to be sent to the client."""

from __future__ import annotations

import socket
import threading
from collections import deque

from .codec import encode
from .messages import LOSSY, Event


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
                self._waiting = deque(waiting for waiting in self._waiting if type(waiting) is not type(event))
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
