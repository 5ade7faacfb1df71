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
        self._waiting_events: deque[Event] = deque()
        self._events_changed = threading.Condition()
        self._is_closed = False
        self._writer_thread = threading.Thread(target=self._send_waiting, name="writer", daemon=True)
        self._writer_thread.start()

    def send(self, event: Event) -> None:
        with self._events_changed:
            if isinstance(event, LOSSY):
                self._waiting_events = deque(
                    waiting_event for waiting_event in self._waiting_events if type(waiting_event) is not type(event)
                )
            self._waiting_events.append(event)
            self._events_changed.notify()

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Send what is waiting; return when that is done, or after `timeout_seconds`."""
        with self._events_changed:
            self._is_closed = True
            self._events_changed.notify()
        self._writer_thread.join(timeout_seconds)

    def _send_waiting(self) -> None:
        while (event := self._next()) is not None:
            try:
                self._connection.sendall(encode(event))
            except OSError:
                return  # the client is gone, which the thread that reads its commands notices too

    def _next(self) -> Event | None:
        """Wait for the next event and return it; return None at the end."""
        with self._events_changed:
            while not self._waiting_events and not self._is_closed:
                self._events_changed.wait()
            return self._waiting_events.popleft() if self._waiting_events else None
