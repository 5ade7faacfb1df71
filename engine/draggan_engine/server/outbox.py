"""The events that wait to be sent to the client."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from .codec import encode
from .messages import LOSSY, DragEnded, DragStarted, Event, ModelLoaded


class Outbox:
    """Sends events in a thread of its own. Of a lossy class only the newest event waits. Any thread may send.

    While no client is connected, events are dropped: the results are on disk, and the next client gets the session from there.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection: socket.socket | None = connection
        self._waiting_events: deque[Event] = deque()
        self._loaded_model: ModelLoaded | None = None
        self._running_drag: DragStarted | None = None
        self._events_changed = threading.Condition()
        self._is_closed = False
        self._writer_thread = threading.Thread(target=self._send_waiting, name="writer", daemon=True)
        self._writer_thread.start()

    def send(self, event: Event) -> None:
        with self._events_changed:
            self._remember(event)
            if self._connection is not None:
                self._put(event)

    def connect(self, connection: socket.socket, read_session: Callable[[], Event | None]) -> None:
        """Send events to another client from now on; first the session, its model, and the running drag.

        Args:
            read_session: returns the event with the history, if there is one. No event is sent between that and the next
                ones, so that the client misses none.
        """
        with self._events_changed:
            self._connection = connection
            for event in (read_session(), self._loaded_model, self._running_drag):
                if event is not None:
                    self._put(event)

    def disconnect(self, connection: socket.socket) -> None:
        """Drop what waits for a client that is gone."""
        with self._events_changed:
            if self._connection is connection:
                self._connection = None
                self._waiting_events.clear()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # also ends a write that the client never reads

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Send what is waiting; return when that is done, or after `timeout_seconds`."""
        with self._events_changed:
            self._is_closed = True
            self._events_changed.notify()
        self._writer_thread.join(timeout_seconds)

    def _remember(self, event: Event) -> None:
        match event:
            case ModelLoaded():
                self._loaded_model = event
            case DragStarted():
                self._running_drag = event
            case DragEnded():
                self._running_drag = None

    def _put(self, event: Event) -> None:
        if isinstance(event, LOSSY):
            self._waiting_events = deque(
                waiting_event for waiting_event in self._waiting_events if type(waiting_event) is not type(event)
            )
        self._waiting_events.append(event)
        self._events_changed.notify()

    def _send_waiting(self) -> None:
        while (delivery := self._next()) is not None:
            connection, event = delivery
            try:
                connection.sendall(encode(event))
            except OSError:
                self.disconnect(connection)  # the thread that reads its commands notices too

    def _next(self) -> tuple[socket.socket, Event] | None:
        """Wait for the next event and return it with the connection of its client; return None at the end."""
        with self._events_changed:
            while not self._waiting_events and not self._is_closed:
                self._events_changed.wait()
            if not self._waiting_events or self._connection is None:
                return None
            return self._connection, self._waiting_events.popleft()
