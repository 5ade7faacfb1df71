"""A client of the engine process that only waits."""

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
from draggan_engine.server.messages import Command, DragEnded, Event, Failed, Preview, Save, Shown, StartDrag
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE

T = TypeVar("T")


class Engine:
    """The process with these arguments; a context manager that leaves none behind.

    Attributes:
        watches: whether a drag's pictures are acknowledged, as by a screen that shows each.
        has_model: whether the engine can load its model; where it cannot, its failure to start is not the test's.
    """

    def __init__(self, *arguments: str) -> None:
        self.watches = self.has_model = True
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(PATIENCE)
        command = [sys.executable, "-m", "draggan_engine.server.server", "--fd", str(theirs.fileno()), *arguments]
        path = os.pathsep.join([str(ROOT / "engine"), os.environ.get("PYTHONPATH", "")])
        with theirs:
            self.process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], start_new_session=True, env={**os.environ, "PYTHONPATH": path}
            )
        self.seen: list[Event] = []
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

    def save(self, edit: Edit, revision: int = 1) -> None:
        """Makes it the present edit of the history, and has that written."""
        self.history = History.of(edit) if self.history is None else self.history.change(edit)
        entries = tuple(self.history.revisions.values())
        self.send(Save(revision=revision, entries=entries, at=self.history.current))

    def drag(self, edit: Edit, live: int | None = None) -> None:
        self.save(edit)
        self.send(StartDrag(width=32, height=32, live=live))

    def next(self) -> Event:
        try:
            header = self.socket.recv(HEADER.size, socket.MSG_WAITALL)
        except ConnectionResetError:  # it was killed before it had read everything
            raise EOFError from None
        if len(header) < HEADER.size:
            raise EOFError
        event = decode_event(self.socket.recv(body_length(header), socket.MSG_WAITALL))
        self.seen.append(event)
        if self.watches and isinstance(event, Preview) and event.request == 0:
            with suppress(OSError):  # it may be gone
                self.send(Shown())
        if isinstance(event, DragEnded) and event.entry is not None and self.history is not None:
            self.history = self.history.merge([event.entry]).jump_to(event.entry.id)
        return event

    def wait_for(self, kind: type[T], fits: Callable[[T], bool] = lambda _: True) -> T:
        while True:
            event = self.next()
            if isinstance(event, Failed) and kind is not Failed and (self.has_model or event.command != "start"):
                raise AssertionError(event)
            if isinstance(event, kind) and fits(event):
                return event
