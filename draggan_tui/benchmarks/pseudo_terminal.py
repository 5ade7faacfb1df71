"""A command on a terminal of its own: what it writes, and when."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from draggan_engine.core.errors import BenchmarkError

from .processes import child_processes, is_alive

PATIENCE = 300.0  # seconds; one slow, busy core may need a minute for torch's import and a drag
PIECE = 1 << 16
SYNCHRONIZED = "\x1b[?2026;2$y"
"""What a terminal answers that wants to be told where frames end (DEC mode 2026)."""
FRAME_ENDS = b"\x1b[?2026l"


@dataclass(frozen=True)
class Frame:
    """What a program painted at once (or two of that, if they ended together): when the first and the last of it came, as
    `time.perf_counter` tells it, and the bytes."""

    first: float
    done: float
    bytes: bytes


class PseudoTerminal:
    """A context manager that leaves no process behind: neither the command's nor one that it has started.

    Args:
        size: columns and rows.

    Attributes:
        started: when, as `time.perf_counter` tells it.
        pid: the command's.
        raw: all that it has written, as far as it has been read.
    """

    def __init__(
        self, command: Sequence[str], *, directory: Path, variables: Mapping[str, str], size: tuple[int, int]
    ) -> None:
        columns, rows = size
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (rows, columns))
        self.raw = bytearray()
        self.started = time.perf_counter()
        try:
            self._process = subprocess.Popen(
                command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=directory, env=variables,
                start_new_session=True, preexec_fn=_own_terminal,
            )  # fmt: skip
        except BaseException:
            os.close(self._ours)
            raise
        finally:
            os.close(theirs)
        self.pid = self._process.pid
        self._known = {self.pid}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in {*self._known, *child_processes(self.pid)}:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.hang_up()
        self._process.wait()

    @property
    def engine(self) -> int:
        """The process id of an editor's engine, the one process that it starts.

        Raises:
            BenchmarkError: there is none, or there are several.
        """
        running = [pid for pid in child_processes(self.pid) if is_alive(pid)]
        if len(running) != 1:
            raise BenchmarkError(f"one engine was expected, there are {len(running)}; the log may say why")
        self._known.update(running)
        return running[0]

    @property
    def status(self) -> int | None:
        """The exit status, or minus the signal that ended it; none: it runs."""
        return self._process.poll()

    def send(self, keys: str) -> None:
        data = keys.encode()
        while data:
            data = data[os.write(self._ours, data) :]

    def resize(self, columns: int, rows: int) -> None:
        """The window is another size, and the program is told so."""
        termios.tcsetwinsize(self._ours, (rows, columns))

    def hang_up(self) -> None:
        """Closes our end, as a lost connection does."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1

    def piece(self, patience: float = PATIENCE) -> bytes:
        """The next of what it writes, as soon as it is there; nothing if nothing comes within so many seconds, or at the
        end."""
        try:
            if self._ours < 0 or not select.select([self._ours], [], [], patience)[0]:
                return b""
            piece = os.read(self._ours, PIECE)
        except OSError:  # the program has closed its end
            return b""
        self.raw += piece
        return piece

    def until(self, found: Callable[[bytearray], bool], what: str) -> float:
        """Reads until something is found in the output; returns when, as `time.perf_counter` tells it.

        Args:
            what: is waited for, in words.

        Raises:
            BenchmarkError: the program ends, or `PATIENCE` does, and it was not found.
        """
        deadline = time.perf_counter() + PATIENCE
        while not found(self.raw):
            if not self.piece(max(deadline - time.perf_counter(), 0)):
                raise BenchmarkError(f"{what} did not come; the program's last words: {_words(self.raw)!r}")
        return time.perf_counter()

    def frames(self) -> Iterator[Frame]:
        """Each frame, as soon as it is there, from a program that says where they end; to the end of the program, or until
        nothing comes for a long time."""
        frame, first = bytearray(), 0.0
        while piece := self.piece():
            now = time.perf_counter()
            first = first if frame else now
            frame += piece
            # Each byte is searched but once: the terminal must be quicker than the program.
            end = frame.rfind(FRAME_ENDS, max(len(frame) - len(piece) - len(FRAME_ENDS), 0))
            if end >= 0:
                end += len(FRAME_ENDS)
                yield Frame(first, now, bytes(frame[:end]))
                frame, first = frame[end:], now

    def rest(self, seconds: float) -> None:
        """Takes what comes of itself."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if not self.piece(left):
                time.sleep(max(end - time.perf_counter(), 0))


def _own_terminal() -> None:
    """In the new process: its standard input is the terminal whose hanging up it is told of."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _words(output: bytearray) -> str:
    """The end of an output, without what steers the terminal."""
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", " ", output[-4000:].decode(errors="replace"))
    return " ".join(text.split())[-200:]
