"""Graphics go to the terminal one after another, on the line's terms."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import numpy as np
import pytest

from draggan_engine.core.geometry import Size
from draggan_tui.terminal import graphics_sender
from draggan_tui.terminal.graphics_sender import Graphic, GraphicsSender
from draggan_tui.terminal.kitty_graphics import RATE_TEST
from tests.support.editing import until
from tests.support.graphics_terminal import GraphicsParser

SEQUENCE = re.compile(r"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\")


class FakeTerminal:
    """A terminal that answers when it is told to, or at once."""

    def __init__(self, *, answers_at_once: bool = True) -> None:
        self.answers_at_once = answers_at_once
        self.parser = GraphicsParser()
        self.written: list[str] = []
        self.is_busy = self.is_busy_after_write = False
        self.changes = 0
        self.failures: list[str] = []
        self.paints_at_once = True
        self.waiting_for_paint: list[Callable[[], object]] = []
        self.sender = GraphicsSender(
            self.write,
            lambda: self.is_busy,
            lambda: Size(8, 16),
            self.call_when_painted,
            changed=self.count_change,
            failed=self.failures.append,
        )

    def call_when_painted(self, function: Callable[[], object]) -> None:
        if self.paints_at_once:
            function()
        else:
            self.waiting_for_paint.append(function)

    def write(self, sequence: str) -> None:
        self.written.append(sequence)
        self.is_busy |= self.is_busy_after_write
        match = SEQUENCE.fullmatch(sequence)
        assert match
        self.parser.take(match[1], (match[2] or "").encode())
        if self.answers_at_once:
            asyncio.get_running_loop().call_soon(self.answer)

    def answer(self, problem: str = "") -> None:
        answers, self.parser.answers = self.parser.answers, ""
        for number in re.findall(r"i=(\d+)", answers):
            self.sender.answered(int(number), problem)

    def count_change(self) -> None:
        self.changes += 1


def graphic(level: int, drawn: Callable[[int], None] = lambda _: None) -> Graphic:
    def draw() -> np.ndarray:
        drawn(level)
        return np.full((32, 32, 3), level, dtype=np.uint8)

    return Graphic(level, draw, 4, 2)


def levels(terminal: FakeTerminal) -> dict[int, int]:
    return {number: int(pixels[0, 0, 0]) for number, pixels in terminal.parser.graphics.items()}


async def test_the_line_is_measured_first_and_two_numbers_are_used_in_turn() -> None:
    terminal = FakeTerminal()
    sender = terminal.sender
    assert sender.seconds_for(1) == float("inf")
    sender.start()
    await until(lambda: sender.seconds_for(1000) < 10)
    assert f"i={RATE_TEST}," in terminal.written[0] and not terminal.parser.graphics
    numbers = []
    for level in (1, 2, 3):
        sender.send(graphic(level))
        await until(lambda level=level: sender.shown is not None and sender.shown.shows == level)
        assert sender.shown is not None
        numbers.append(sender.shown.number)
        assert levels(terminal)[sender.shown.number] == level
    assert numbers[0] == numbers[2] and abs(numbers[0] - numbers[1]) == 1
    assert set(terminal.parser.graphics) == set(numbers[:2])
    for sequence in re.findall(r"\x1b_G.*?\x1b\\", sender.stop()):
        terminal.parser.take(sequence[3:-2], b"")
    assert not terminal.parser.graphics


async def test_while_a_graphic_is_on_its_way_only_the_newest_of_the_others_is_kept() -> None:
    terminal = FakeTerminal()
    sender = terminal.sender
    sender.start()
    await until(lambda: sender.seconds_for(1000) < 10)
    terminal.answers_at_once = False
    drawn: list[int] = []
    sender.send(graphic(1, drawn.append))
    await until(lambda: terminal.parser.answers != "")
    for level in (2, 3, 4):
        sender.send(graphic(level, drawn.append))
    await asyncio.sleep(0.05)
    assert drawn == [1] and sender.shown is None
    terminal.answers_at_once = True
    terminal.answer()
    await until(lambda: sender.shown is not None and sender.shown.shows == 4)
    assert drawn == [1, 4]


async def test_the_graphic_on_the_screen_is_not_replaced_before_the_cells_show_the_next_one() -> None:
    terminal = FakeTerminal()
    sender = terminal.sender
    sender.start()
    sender.send(graphic(1))
    await until(lambda: sender.shown is not None and sender.shown.shows == 1)
    terminal.paints_at_once = False
    sender.send(graphic(2))
    await until(lambda: sender.shown is not None and sender.shown.shows == 2)
    sender.send(graphic(3))
    await asyncio.sleep(0.05)
    assert sorted(levels(terminal).values()) == [1, 2]  # the cells still show the first
    terminal.waiting_for_paint.pop()()
    await until(lambda: sender.shown is not None and sender.shown.shows == 3)
    assert sorted(levels(terminal).values()) == [2, 3]


async def test_other_output_is_written_between_the_pieces() -> None:
    terminal = FakeTerminal()
    terminal.is_busy = True
    terminal.sender.start()
    await asyncio.sleep(0.05)
    assert not terminal.written
    terminal.is_busy = False
    await until(lambda: terminal.sender.seconds_for(1000) < 10)


async def test_a_graphic_that_does_not_arrive_is_late_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics_sender, "LATE_SECONDS", 0.02)
    terminal = FakeTerminal()
    sender = terminal.sender
    sender.start()
    await until(lambda: sender.seconds_for(1000) < 10)
    terminal.answers_at_once = False
    changes = terminal.changes
    sender.send(graphic(1))
    await until(lambda: sender.is_late)
    assert terminal.changes > changes and sender.shown is None
    terminal.answer()
    await until(lambda: sender.shown is not None)
    assert not sender.is_late


async def test_a_line_that_seems_slow_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics_sender, "SLOW_RATE", 1e12)
    monkeypatch.setattr(graphics_sender, "REPEAT_AFTER", (0.01, 0.01, 0.0))
    terminal = FakeTerminal()
    terminal.sender.start()
    terminal.sender.send(graphic(1))
    await until(lambda: terminal.sender.shown is not None)
    assert sum(f"i={RATE_TEST}," in sequence for sequence in terminal.written) == 3


@pytest.mark.parametrize("at", ["the measurement", "a graphic"])
async def test_a_terminal_that_refuses_gets_no_more(at: str) -> None:
    terminal = FakeTerminal(answers_at_once=False)
    sender = terminal.sender
    sender.start()
    await until(lambda: terminal.parser.answers != "")
    if at == "a graphic":
        terminal.answer()
        await until(lambda: sender.seconds_for(1000) < 100)
        sender.send(graphic(1))
        await until(lambda: terminal.parser.answers != "")
    terminal.answer("EINVAL:no")
    await until(lambda: terminal.failures == ["EINVAL:no"])
    assert sender.shown is None


async def test_after_the_end_nothing_is_sent() -> None:
    terminal = FakeTerminal()
    terminal.sender.start()
    await until(lambda: terminal.sender.seconds_for(1000) < 10)
    assert re.fullmatch(r"(\x1b_Ga=d,d=I,i=\d+,q=2\x1b\\){2}", terminal.sender.stop())
    written = len(terminal.written)
    terminal.sender.send(graphic(1))
    await asyncio.sleep(0.05)
    assert len(terminal.written) == written


async def test_the_end_completes_a_transfer_that_is_on_its_way() -> None:
    terminal = FakeTerminal()
    terminal.is_busy_after_write = True
    terminal.sender.start()
    await until(lambda: bool(terminal.written))
    assert len(terminal.written) == 1
    assert terminal.sender.stop().startswith("\x1b_Gm=0,q=2;\x1b\\")
