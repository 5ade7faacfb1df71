"""The events that wait to be sent to the client."""

from __future__ import annotations

import socket
import threading
from collections import deque

from .codec import encode
from .messages import LOSSY, Event


class Outbox:
    """Sends events in a thread of its own. Of a lossy class only the newest event waits. Any thread may send."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._waiting: deque[Event] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._writer = threading.Thread(target=self._send_waiting, name="writer", daemon=True)
        self._writer.start()

    def send(self, event: Event) -> None:
        with self._changed:
            if isinstance(event, LOSSY):
                self._waiting = deque(waiting for waiting in self._waiting if type(waiting) is not type(event))
            self._waiting.append(event)
            self._changed.notify()

    def close(self, timeout: float = 5.0) -> None:
        """Send what is waiting; return when that is done, or after `timeout` seconds."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._writer.join(timeout)

    def _send_waiting(self) -> None:
        while (event := self._next()) is not None:
            try:
                self._connection.sendall(encode(event))
            except OSError:
                return  # the client is gone, which the thread that reads its commands notices too

    def _next(self) -> Event | None:
        """Wait for the next event and return it; return None at the end."""
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            return self._waiting.popleft() if self._waiting else None
