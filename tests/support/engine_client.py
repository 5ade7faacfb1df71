"""A client of a real engine process, for tests that send commands and wait for events."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

from draggan_engine.core.edit import Edit
from draggan_engine.core.history import History
from draggan_engine.server.codec import HEADER, body_length, decode_event, encode
from draggan_engine.server.messages import (
    Command,
    DragEnded,
    DragPreview,
    Event,
    Failed,
    PreviewShown,
    PreviewSize,
    Save,
    StartDrag,
)
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE

T = TypeVar("T")


def receive_event(connection: socket.socket) -> Event | None:
    """Return the next event, or None at the end of the connection."""
    header = _receive(connection, HEADER.size)
    body = None if header is None else _receive(connection, body_length(header))
    return None if body is None else decode_event(body)


def _receive(connection: socket.socket, count: int) -> bytes | None:
    received = bytearray()
    while len(received) < count:
        try:
            part = connection.recv(count - len(received))
        except ConnectionResetError:  # the engine was killed before it had read everything
            return None
        if not part:
            return None
        received += part
    return bytes(received)


class Engine:
    """An engine process. A context manager: when it exits, the process is gone.

    Args:
        arguments: of the command line.

    Attributes:
        events: all that have arrived.
        history: as the client knows it.
        shows_previews: whether each preview of a drag is acknowledged, as by a screen that shows it.
        has_model: whether the engine can load its model; if not, its failure to start does not fail the test.
    """

    def __init__(self, *arguments: str) -> None:
        self.shows_previews = self.has_model = True
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(PATIENCE)
        command = [sys.executable, "-m", "draggan_engine.server.server", "--fd", str(theirs.fileno()), *arguments]
        path = os.pathsep.join([str(ROOT / "engine"), os.environ.get("PYTHONPATH", "")])
        with theirs:
            self.process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], start_new_session=True, env={**os.environ, "PYTHONPATH": path}
            )
        self.events: list[Event] = []
        self.history: History | None = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.close()

    def send(self, command: Command) -> None:
        self.socket.sendall(encode(command))

    def save(self, edit: Edit, change_count: int = 1) -> None:
        """Make an edit the current revision, and let the engine write it."""
        self.history = History.of(edit) if self.history is None else self.history.change(edit)
        entries = tuple(self.history.revisions.values())
        self.send(Save(change_count=change_count, revisions=entries, current=self.history.current))

    def drag(self, edit: Edit, live_pair: int | None = None) -> None:
        """Save the edit and drag it."""
        self.save(edit)
        self.start_drag(live_pair)

    def start_drag(self, live_pair: int | None = None) -> None:
        """Drag the current revision."""
        assert self.history is not None, "a revision has been saved"
        size = PreviewSize(width=32, height=32)
        self.send(StartDrag(revision=self.history.current, preview_size=size, live_pair=live_pair))

    def next(self) -> Event:
        """Return the next event.

        Raises:
            EOFError: the engine is gone.
        """
        event = receive_event(self.socket)
        if event is None:
            raise EOFError
        self.events.append(event)
        if self.shows_previews and isinstance(event, DragPreview):
            with suppress(OSError):  # the engine may be gone
                self.send(PreviewShown())
        if isinstance(event, DragEnded) and event.revision is not None and self.history is not None:
            self.history = self.history.merge([event.revision]).jump_to(event.revision.id)
        return event

    def wait_for(self, kind: type[T], fits: Callable[[T], bool] = lambda _: True) -> T:
        while True:
            event = self.next()
            if isinstance(event, Failed) and kind is not Failed and (self.has_model or event.task != "start"):
                raise AssertionError(event)
            if isinstance(event, kind) and fits(event):
                return event
