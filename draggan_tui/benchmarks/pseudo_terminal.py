"""A command in a pseudo-terminal: what it writes, and when."""

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

OUTPUT_TIMEOUT = 300.0  # seconds; one slow, busy core may need a minute for torch's import and a drag
PIECE_BYTES = 1 << 16
SYNC_QUESTION, SYNCHRONIZED = b"\x1b[?2026$p", "\x1b[?2026;2$y"
"""The question whether a terminal wants to know where frames end (DEC mode 2026), and the answer of one that does."""
FRAME_END = b"\x1b[?2026l"


@dataclass(frozen=True)
class Frame:
    """What a program painted at once, or two such frames if they ended together.

    Attributes:
        first: the `time.perf_counter` at which its first byte came.
        done: the same for its last byte.
    """

    first: float
    done: float
    bytes: bytes


class PseudoTerminal:
    """A command in a pseudo-terminal; a context manager that kills the command and the processes it has started.

    Args:
        directory: the working directory.
        variables: the whole environment.
        size: columns and rows.

    Attributes:
        started: the `time.perf_counter` at which the command was started.
        pid: of the command.
        raw: all output that has been read.
    """

    def __init__(
        self, command: Sequence[str], *, directory: Path, variables: Mapping[str, str], size: tuple[int, int]
    ) -> None:
        columns, rows = size
        self._our_end, command_end = pty.openpty()
        termios.tcsetwinsize(command_end, (rows, columns))
        self.raw = bytearray()
        self._unanswered_questions: int | None = None  # less than 0: answered before they came; None: none is answered
        self.started = time.perf_counter()
        try:
            self._process = subprocess.Popen(
                command, stdin=command_end, stdout=command_end, stderr=command_end, cwd=directory, env=variables,
                start_new_session=True, preexec_fn=_become_controlling_terminal,
            )  # fmt: skip
        except BaseException:
            os.close(self._our_end)
            raise
        finally:
            os.close(command_end)
        self.pid = self._process.pid
        self._pids_to_kill = {self.pid}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, error_trace: TracebackType | None
    ) -> None:
        for pid in {*self._pids_to_kill, *child_processes(self.pid)}:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.hang_up()
        self._process.wait()

    @property
    def engine_pid(self) -> int:
        """The process id of an editor's engine, the only process that the editor starts.

        Raises:
            BenchmarkError: there is none, or there are several.
        """
        running_pids = [pid for pid in child_processes(self.pid) if is_alive(pid)]
        if len(running_pids) != 1:
            raise BenchmarkError(f"one engine was expected, but {len(running_pids)} are running; see the log")
        self._pids_to_kill.update(running_pids)
        return running_pids[0]

    @property
    def status(self) -> int | None:
        """The exit status, or minus the signal that ended the command; None while it runs."""
        return self._process.poll()

    def send(self, keys: str) -> None:
        """Type keys."""
        unsent_bytes = keys.encode()
        while unsent_bytes:
            unsent_bytes = unsent_bytes[os.write(self._our_end, unsent_bytes) :]

    def synchronize(self) -> None:
        """Answer each `SYNC_QUESTION`, the first before it comes, so that the first frame is marked; called at the start."""
        self.send(SYNCHRONIZED)
        self._unanswered_questions = -1

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the window, and let the program know."""
        termios.tcsetwinsize(self._our_end, (rows, columns))

    def hang_up(self) -> None:
        """Close our end, as a lost connection does."""
        if self._our_end >= 0:
            os.close(self._our_end)
            self._our_end = -1

    def read_piece(self, timeout: float = OUTPUT_TIMEOUT) -> bytes:
        """Return the next piece of output; nothing at the end, or if nothing comes within `timeout` seconds."""
        try:
            if self._our_end < 0 or not select.select([self._our_end], [], [], timeout)[0]:
                return b""
            output_piece = os.read(self._our_end, PIECE_BYTES)
        except OSError:  # the program has closed its end
            return b""
        self.raw += output_piece
        if self._unanswered_questions is not None:
            # The question may have come in two pieces.
            new_start = len(self.raw) - len(output_piece) - len(SYNC_QUESTION) + 1
            self._unanswered_questions += self.raw.count(SYNC_QUESTION, max(new_start, 0))
            self.send(SYNCHRONIZED * self._unanswered_questions)
            self._unanswered_questions = min(self._unanswered_questions, 0)
        return output_piece

    def read_until(self, condition: Callable[[bytearray], bool], description: str) -> float:
        """Read until the output meets a condition, and return the `time.perf_counter` at which it does.

        Args:
            description: what is waited for, in words.

        Raises:
            BenchmarkError: the program ends or `OUTPUT_TIMEOUT` passes before.
        """
        deadline = time.perf_counter() + OUTPUT_TIMEOUT
        while not condition(self.raw):
            if not self.read_piece(max(deadline - time.perf_counter(), 0)):
                raise BenchmarkError(f"{description} did not come; the last output: {_last_words(self.raw)!r}")
        return time.perf_counter()

    def send_and_wait(self, keys: str, text: str) -> None:
        """Send keys, and read until the program has written a text after them.

        Raises:
            BenchmarkError: see `read_until`.
        """
        start, encoded_text = len(self.raw), text.encode()
        self.send(keys)
        self.read_until(lambda output: encoded_text in output[start:], repr(text))

    def read_for(self, seconds: float) -> None:
        """Read whatever comes for some seconds."""
        end_time = time.perf_counter() + seconds
        while (remaining_seconds := end_time - time.perf_counter()) > 0:
            if not self.read_piece(remaining_seconds):
                time.sleep(max(end_time - time.perf_counter(), 0))

    def frames(self) -> Iterator[Frame]:
        """Yield each frame as soon as it is complete, until no more output comes.

        The program has to mark the ends of its frames.
        """
        frame_bytes, first_time = bytearray(), 0.0
        while output_piece := self.read_piece():
            read_time = time.perf_counter()
            first_time = first_time if frame_bytes else read_time
            frame_bytes += output_piece
            # Each byte is searched only once, because the terminal must be faster than the program.
            frame_end = frame_bytes.rfind(FRAME_END, max(len(frame_bytes) - len(output_piece) - len(FRAME_END), 0))
            if frame_end >= 0:
                frame_end += len(FRAME_END)
                yield Frame(first_time, read_time, bytes(frame_bytes[:frame_end]))
                frame_bytes, first_time = frame_bytes[frame_end:], read_time


def _become_controlling_terminal() -> None:
    """In the new process: make its standard input the terminal whose hang-up sends SIGHUP."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _last_words(output: bytearray) -> str:
    """Return the end of an output, without control sequences."""
    printable_text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", " ", output[-4000:].decode(errors="replace"))
    return " ".join(printable_text.split())[-200:]
