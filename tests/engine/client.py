"""A client of the engine process that only waits."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from draggan_engine.protocol.messages import (
    HEADER,
    Command,
    Event,
    Failed,
    body_length,
    decode_event,
    encode,
)

T = TypeVar("T")


class Engine:
    """The process with these arguments; a context manager that leaves none behind."""

    def __init__(self, *arguments: str) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(120)
        command = [sys.executable, "-m", "draggan_engine.process", "--fd", str(theirs.fileno()), *arguments]
        path = os.pathsep.join([str(Path(__file__).parents[2] / "engine"), os.environ.get("PYTHONPATH", "")])
        with theirs:
            self.process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], start_new_session=True, env={**os.environ, "PYTHONPATH": path}
            )
        self.seen: list[Event] = []

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

    def next(self) -> Event:
        header = self.socket.recv(HEADER.size, socket.MSG_WAITALL)
        if len(header) < HEADER.size:
            raise EOFError
        event = decode_event(self.socket.recv(body_length(header), socket.MSG_WAITALL))
        self.seen.append(event)
        return event

    def wait_for(self, kind: type[T], fits: Callable[[T], bool] = lambda _: True) -> T:
        while True:
            event = self.next()
            if isinstance(event, Failed) and kind is not Failed:
                raise AssertionError(event)
            if isinstance(event, kind) and fits(event):
                return event
