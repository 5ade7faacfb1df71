"""The pace finds what a simulated line carries; no test waits for real time."""

from __future__ import annotations

import pytest

from draggan_tui.terminal.line_pace import (
    ANSWER_TIMEOUT,
    LARGEST_PIECE,
    SMALLEST_PIECE,
    LinePace,
)


class Line:
    """A line with a queue without end, and a terminal that answers."""

    def __init__(self, bytes_per_second: float, round_trip: float) -> None:
        self.now = 0.0
        self.rate, self.round_trip = bytes_per_second, round_trip
        self.free_time = 0.0
        self.answer_times: list[float] = []
        self.longest_wait = 0.0
        self.pace = LinePace(clock=lambda: self.now)
        self.pace.answered()

    def send_for(self, seconds: float) -> int:
        """Send as much as the pace allows; return the bytes."""
        end_time, sent_bytes = self.now + seconds, 0
        while self.now < end_time:
            while self.answer_times and self.answer_times[0] <= self.now:
                self.answer_times.pop(0)
                self.pace.answered()
            piece_size = self.pace.piece_size
            if self.pace.may_send(piece_size):
                asks = self.pace.should_ask(piece_size)
                self.pace.sent(piece_size, asks=asks)
                self.longest_wait = max(self.longest_wait, self.free_time - self.now)
                self.free_time = max(self.free_time, self.now) + piece_size / self.rate
                sent_bytes += piece_size
                if asks:
                    self.answer_times.append(self.free_time + self.round_trip)
            else:
                self.now += 0.0005
        return sent_bytes


@pytest.mark.parametrize(("rate", "round_trip"), [(50_000, 0.2), (50_000, 0.02), (1e6, 0.1), (20_000, 0.3)])
def test_a_line_is_busy_and_nothing_waits_in_it_for_long(rate: float, round_trip: float) -> None:
    line = Line(rate, round_trip)
    line.send_for(5)
    line.longest_wait = 0.0
    assert line.send_for(10) > 0.8 * 10 * rate
    assert line.longest_wait < max(0.1, 3 * SMALLEST_PIECE / rate)


def test_a_line_that_becomes_slow_is_noticed() -> None:
    line = Line(1e6, 0.05)
    line.send_for(5)
    line.rate = 50_000
    line.send_for(5)
    line.longest_wait = 0.0
    line.send_for(5)
    assert line.longest_wait < 0.15


def test_a_fast_line_has_large_pieces_and_few_questions() -> None:
    line = Line(1e8, 0.002)
    line.send_for(1)
    assert line.pace.piece_size == LARGEST_PIECE
    assert not line.pace.should_ask(LARGEST_PIECE)


def test_an_echo_need_not_wait_for_its_turn() -> None:
    pace = LinePace(clock=lambda: 0.0)
    pace.answered()
    while pace.may_send(2000):
        pace.sent(2000, asks=True)
    assert pace.may_send(2000, is_echo=True)
    pace.sent(4000, asks=True)
    assert not pace.may_send(2000, is_echo=True), "but there is an end to it"


def test_a_terminal_that_does_not_answer_is_not_waited_for() -> None:
    pace = LinePace(clock=lambda: 0.0)
    for _ in range(100):
        assert pace.may_send(4000)
        pace.sent(4000, asks=False)
    assert pace.has_answer(1)


def test_a_lost_answer_does_not_stop_the_output() -> None:
    now = 0.0
    pace = LinePace(clock=lambda: now)
    pace.answered()
    while pace.may_send(2000):
        pace.sent(2000, asks=True)
    question = pace.asked_count
    assert not pace.has_answer(question)
    now = ANSWER_TIMEOUT - 0.1
    pace.expire()
    assert not pace.may_send(2000) and pace.seconds_to_timeout == pytest.approx(0.1)
    now = ANSWER_TIMEOUT
    pace.expire()
    assert pace.may_send(2000) and pace.has_answer(question) and not pace.is_waiting
    assert pace.should_ask(100), "it may answer again"
    pace.sent(100, asks=True)
    assert not pace.should_ask(10_000), "but it gets one question at a time"
    pace.answered()
    assert pace.is_answering and not pace.is_waiting
