"""How much of the output may be on its way to the terminal, as the terminal's own answers show it.

After some bytes the terminal is asked something that it answers in order. The time until its answer, and how many bytes
were on their way meanwhile, say how fast the line is and whether bytes wait in it. So many bytes are allowed on their way
that the line is busy and nearly nothing waits, and they are spread over the round trip: a key's echo waits behind what is
on its way already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

LARGEST_PIECE, SMALLEST_PIECE = 4000, 2000  # bytes that are written at once
FIRST_WINDOW, SMALLEST_WINDOW, LARGEST_WINDOW = 8000, 2000, 1 << 20  # bytes
WAIT_IN_LINE = 0.01  # seconds that a byte may wait in the line behind others
ECHO_BYTES = 4000  # so many more bytes may be on their way if they are an answer to a key
EARLY_SECONDS = 0.005  # by which a piece may be sent before its turn, because shorter pauses are not worth a wait
ROUND_TRIP_MEMORY = 30.0  # seconds after which the shortest round trip is measured again
ANSWER_TIMEOUT = 3.0  # seconds after which an answer does not come any more


@dataclass(frozen=True)
class _Question:
    """A question that has not been answered: when it was asked, and the bytes since the last one and on their way then."""

    time: float
    piece_bytes: int
    bytes_on_line: int


class LinePace:
    """
    Args:
        clock: seconds that have passed.

    Attributes:
        is_answering: whether the terminal answers. If it does not, nothing waits for its answers.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self.is_answering = False
        self._questions: deque[_Question] = deque()
        self._unasked_bytes = 0  # since the last question
        self._window = FIRST_WINDOW
        self._round_trips: deque[tuple[float, float]] = (
            deque()
        )  # (time, seconds); each is the shortest since the one before
        self._asked_count = self._answered_count = 0
        self._has_found_limit = False  # of the window
        self._turn_time = 0.0  # when the next piece has its turn
        self._shortest_round_trip = 0.0

    @property
    def bytes_on_line(self) -> int:
        return self._unasked_bytes + sum(question.piece_bytes for question in self._questions)

    @property
    def piece_size(self) -> int:
        """How many bytes should be written at once."""
        return max(SMALLEST_PIECE, min(LARGEST_PIECE, self._window // 6))

    @property
    def asked_count(self) -> int:
        """The number of the last question; the first is 1."""
        return self._asked_count

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is expected."""
        return bool(self._questions)

    def has_answer(self, question_number: int) -> bool:
        """Return whether this question needs no answer any more."""
        return not self.is_answering or self._answered_count >= question_number

    def may_send(self, byte_count: int, *, is_echo: bool = False) -> bool:
        """Return whether so many more bytes may be sent now."""
        if not self.is_answering or not self._questions:
            return True
        if not is_echo and self.seconds_to_turn > 0:
            return False
        return self.bytes_on_line + byte_count <= self._window + (ECHO_BYTES if is_echo else 0)

    @property
    def seconds_to_turn(self) -> float:
        """Seconds until the next piece has its turn, if there is room for it on the line."""
        seconds = self._turn_time - EARLY_SECONDS - self._clock()
        return max(seconds, 0) if self.is_answering and self._questions else 0

    def should_ask(self, byte_count: int) -> bool:
        """Return whether a question should follow a piece of so many bytes. A terminal that does not answer has one at a time."""
        is_enough = self._unasked_bytes + byte_count >= max(SMALLEST_PIECE // 2, self._window // 8)
        return is_enough if self.is_answering else not self._questions

    # What happens ---------------------------------------------------------------------------------------

    def sent(self, byte_count: int, *, asks: bool) -> None:
        """Note that bytes are sent now, with a question behind them or without one."""
        self._unasked_bytes += byte_count
        self._turn_time = max(self._turn_time, self._clock()) + byte_count * self._shortest_round_trip / self._window
        if asks:
            self._questions.append(_Question(self._clock(), self._unasked_bytes, self.bytes_on_line))
            self._unasked_bytes = 0
            self._asked_count += 1
        elif not self.is_answering:
            self._unasked_bytes = 0

    def answered(self) -> None:
        """Note that the terminal has answered the oldest question."""
        now = self._clock()
        if not self.is_answering:
            self._questions.clear()
            self.is_answering, self._answered_count, self._unasked_bytes = True, self._asked_count, 0
        elif self._questions:
            question = self._questions.popleft()
            self._answered_count += 1
            self._adapt(question, now - question.time, now)

    def expire(self) -> None:
        """Note that the terminal answers no more, if an answer is overdue."""
        if self._questions and self._clock() - self._questions[0].time >= ANSWER_TIMEOUT:
            self._questions.clear()
            self.is_answering, self._window, self._has_found_limit = False, FIRST_WINDOW, False

    @property
    def seconds_to_timeout(self) -> float | None:
        """When to call `expire`; None: no answer is expected."""
        return max(self._questions[0].time + ANSWER_TIMEOUT - self._clock(), 0) if self._questions else None

    def _adapt(self, question: _Question, round_trip: float, now: float) -> None:
        """Change the window: it shrinks to what the line has carried in its shortest time if bytes wait, and else grows:
        twofold in each round trip at first, and by a piece in each once it has been too large."""
        while self._round_trips and self._round_trips[-1][1] >= round_trip:
            self._round_trips.pop()
        self._round_trips.append((now, round_trip))
        while now - self._round_trips[0][0] > ROUND_TRIP_MEMORY:
            self._round_trips.popleft()
        piece_seconds = round_trip * question.piece_bytes / question.bytes_on_line  # that the line takes for the piece
        self._shortest_round_trip = self._round_trips[0][1]
        longest_round_trip = self._shortest_round_trip + WAIT_IN_LINE + piece_seconds
        if question.bytes_on_line < min(self._window // 2, 2 * SMALLEST_WINDOW):
            return  # so few bytes say nothing about the line
        if round_trip > longest_round_trip:
            carried_bytes = int(question.bytes_on_line * longest_round_trip / round_trip)
            self._window = max(SMALLEST_WINDOW, min(self._window, carried_bytes))
            self._has_found_limit = True
        elif question.bytes_on_line >= self._window // 2:
            round_trip_share = question.piece_bytes / self._window if self._has_found_limit else 1
            self._window = min(LARGEST_WINDOW, self._window + int(question.piece_bytes * round_trip_share))
