"""A slow line between a program and its terminal, as over SSH: what the program writes waits in the line, however much it is."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping

from draggan_engine.core.errors import BenchmarkError

from .pseudo_terminal import OUTPUT_TIMEOUT, SYNC_QUESTION, SYNCHRONIZED, PseudoTerminal

SYNC_ANSWERS = {SYNC_QUESTION: SYNCHRONIZED}
CURSOR_ANSWERS = {b"\x1b[6n": "\x1b[24;1R"}
LONGEST_QUESTION = 16  # bytes
UNIT_BYTES = 256  # that arrive at once
LONGEST_PAUSE = 0.005  # seconds between two looks at the line


class SlowLine:
    """
    Args:
        terminal: the program; nobody else reads from it.
        bytes_per_second: of the program's output. What is typed is not slowed, but comes late.
        round_trip: seconds there and back.
        answers: what the terminal answers to which questions.

    Attributes:
        arrivals: the `time.perf_counter` at which bytes came to the terminal, and how many had come by then.
        most_unread: the most bytes that were written and had not come to the terminal yet, since it was last set to 0.
    """

    def __init__(
        self,
        terminal: PseudoTerminal,
        bytes_per_second: float,
        round_trip: float,
        answers: Mapping[bytes, str],
    ) -> None:
        self._terminal, self._rate, self._delay = terminal, bytes_per_second, round_trip / 2
        self._answers = dict(answers)
        self._question = re.compile(b"|".join(map(re.escape, answers)) or b"(?!)")
        self._searched_bytes = 0  # for questions
        self._free_time = 0.0  # when the line has carried all that has been written
        self._on_line: deque[tuple[float, int]] = deque()  # when it comes to the terminal, and how many bytes then have
        self._typed: deque[tuple[float, str]] = deque()  # when it comes to the program
        self.arrivals: list[tuple[float, int]] = []
        self.most_unread = 0

    @property
    def shown(self) -> bytes:
        """All bytes that have come to the terminal."""
        return bytes(self._terminal.raw[: self._shown_count])

    @property
    def _shown_count(self) -> int:
        return self.arrivals[-1][1] if self.arrivals else 0

    def type(self, keys: str) -> float:
        """Type keys, and return the `time.perf_counter` at which that happens."""
        now = time.perf_counter()
        self._typed.append((now + self._delay, keys))
        return now

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end_time = time.perf_counter() + seconds
        while time.perf_counter() < end_time:
            self._step()

    def run_until(self, condition: Callable[[bytes], bool], description: str) -> float:
        """Let time pass until what the terminal has been sent meets a condition; return the `time.perf_counter` of that.

        Raises:
            BenchmarkError: that does not happen.
        """
        deadline = time.perf_counter() + OUTPUT_TIMEOUT
        while not condition(self.shown):
            if time.perf_counter() > deadline or self._terminal.status is not None:
                raise BenchmarkError(f"{description} did not come")
            self._step()
        return self.arrivals[-1][0]

    def run_until_quiet(self, seconds: float) -> float:
        """Let time pass until nothing has come for some seconds; return the `time.perf_counter` of the last byte."""
        while time.perf_counter() < (self.arrivals[-1][0] if self.arrivals else self._terminal.started) + seconds:
            self._step()
        return self.arrivals[-1][0]

    def _step(self) -> None:
        self._read()
        now = time.perf_counter()
        while self._on_line and self._on_line[0][0] <= now:
            self.arrivals.append(self._on_line.popleft())
            self._answer()
        while self._typed and self._typed[0][0] <= now:
            self._terminal.send(self._typed.popleft()[1])

    def _read(self) -> None:
        """Put what the program has written on the line."""
        written_before = len(self._terminal.raw)
        if not self._terminal.read_piece(LONGEST_PAUSE):
            return
        now = time.perf_counter()
        for unit_end in [
            *range(written_before + UNIT_BYTES, len(self._terminal.raw), UNIT_BYTES),
            len(self._terminal.raw),
        ]:
            self._free_time = max(self._free_time, now) + (unit_end - written_before) / self._rate
            written_before = unit_end
            self._on_line.append((self._free_time + self._delay, unit_end))
        self.most_unread = max(self.most_unread, len(self._terminal.raw) - self._shown_count)

    def _answer(self) -> None:
        """Answer the questions that have come to the terminal."""
        for question in list(self._question.finditer(self._terminal.raw, self._searched_bytes, self._shown_count)):
            self._typed.append((self.arrivals[-1][0] + self._delay, self._answers[question[0]]))
            self._searched_bytes = question.end()
        self._searched_bytes = max(self._searched_bytes, self._shown_count - LONGEST_QUESTION)
