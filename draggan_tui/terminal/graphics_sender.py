"""Sends graphics to the terminal, one at a time, without keeping other output waiting."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_tui.terminal.kitty_graphics import (
    END_OF_TRANSFER,
    FIRST_NUMBER,
    LAST_NUMBER,
    RATE_TEST,
    free,
    rate_test,
    upload,
)
from draggan_tui.terminal.tmux import through_tmux

RATE_TEST_BYTES = 16_000
SLOW_RATE = 60_000  # bytes a second, below which a line is measured again: the terminal may have been busy
REPEAT_AFTER = (3.0, 10.0, 30.0, 0.0)  # seconds after each measurement of a slow line; none follows the last one
LATE_SECONDS = 1.0  # after which a graphic that has not arrived is late
MOST_SECONDS = 2.0
"""Graphics that would take longer on the line are not sent at all."""
LIVE_SECONDS = 0.25
"""Graphics that take no longer replace each other while an image changes."""
BYTES_PER_PIXEL = 1.0  # of a photograph, as base64 of PNG; only for the first graphic, before one has been sent
_POLL_SECONDS = 0.005


@dataclass(frozen=True, eq=False)
class Graphic:
    """
    Attributes:
        shows: what the graphic is drawn from.
        draw: returns its pixels, `uint8 [H, W, 3]`. Called in a thread.
        columns, rows: of cells that it covers.
        number: that the terminal knows it by; 0: it was not sent yet.
    """

    shows: object
    draw: Callable[[], NDArray[np.uint8]]
    columns: int
    rows: int
    number: int = 0


class GraphicsSender:
    """Sends graphics: while one is on its way, only the newest of those that follow is kept.

    Two numbers are used in turn, so that the terminal keeps the graphic on the screen until the next one is complete. Each
    piece waits until the driver has written what came before it, so that the text of the screen goes between the pieces.

    Args:
        write: writes to the terminal.
        is_busy: whether something that was written before is still waiting.
        cell_pixels: returns how many pixels of the terminal a cell has.
        call_when_painted: calls a function once the terminal has been sent the cells of now.
        changed: called when the terminal has a graphic, when one is late, and when the line has been measured.
        failed: called when the terminal cannot show graphics after all, with the reason.
        in_tmux: whether what is sent has to go through tmux.

    Attributes:
        shown: the last graphic that has arrived.
        is_late: whether the terminal has not answered for a while, so that `shown` should not be waited on any longer.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        is_busy: Callable[[], bool],
        cell_pixels: Callable[[], Size],
        call_when_painted: Callable[[Callable[[], object]], object],
        changed: Callable[[], None],
        failed: Callable[[str], None],
        in_tmux: bool = False,
    ) -> None:
        self._write, self._is_busy, self._changed, self._failed = write, is_busy, changed, failed
        self.cell_pixels, self._call_when_painted, self._in_tmux = cell_pixels, call_when_painted, in_tmux
        first_number = random.randrange(FIRST_NUMBER, LAST_NUMBER)
        self._numbers = (first_number, first_number + 1)
        self._next: Graphic | None = None
        self._task: asyncio.Task[None] | None = None
        self._answer: asyncio.Future[str] | None = None
        self._awaited_number = 0
        self._bytes_per_second: float | None = None  # None: not measured yet
        self._bytes_per_pixel = BYTES_PER_PIXEL
        self.shown: Graphic | None = None
        self.is_late = False
        self._is_transferring = False  # whether the terminal waits for further sequences of a graphic

    def seconds_for(self, pixel_count: int) -> float:
        """Return how long a graphic would take on the line; infinite before the line has been measured."""
        if self._bytes_per_second is None:
            return float("inf")
        return pixel_count * self._bytes_per_pixel / self._bytes_per_second

    def start(self) -> None:
        """Measure the line, and begin to send."""
        self._task = asyncio.create_task(self._measure_and_send())

    def send(self, graphic: Graphic) -> None:
        """Send a graphic as soon as the one before it has arrived."""
        self._next = graphic
        if self._task is not None and self._task.done():
            self._task = asyncio.create_task(self._send_graphics())

    def answered(self, number: int, problem: str) -> None:
        """Take the terminal's answer."""
        if number == self._awaited_number and self._answer is not None and not self._answer.done():
            self._answer.set_result(problem)

    def stop(self) -> str:
        """Send nothing any more.

        Returns:
            What removes the graphics from the terminal; it also ends a transfer that is not complete.
        """
        if self._task is not None:
            self._task.cancel()
        self._task, self._next, self.shown = None, None, None
        last_sequences = [END_OF_TRANSFER] if self._is_transferring else []
        self._is_transferring = False
        return "".join(map(self._wrapped, [*last_sequences, *map(free, self._numbers)]))

    # --------------------------------------------------------------------------------------------------

    async def _measure_and_send(self) -> None:
        test_sequences = rate_test(RATE_TEST_BYTES)
        for pause in REPEAT_AFTER:
            seconds, problem = await self._transfer(RATE_TEST, test_sequences)
            if problem is not None:
                self._failed(problem)
                return
            self._bytes_per_second = max(sum(map(len, test_sequences)) / seconds, self._bytes_per_second or 0.0)
            self._changed()
            if self._bytes_per_second >= SLOW_RATE:
                break
            await asyncio.sleep(pause)
        await self._send_graphics()

    async def _send_graphics(self) -> None:
        while (graphic := self._next) is not None:
            self._next = None
            first_is_shown = self.shown is not None and self.shown.number == self._numbers[0]
            number = self._numbers[1] if first_is_shown else self._numbers[0]
            pixels = await asyncio.to_thread(graphic.draw)
            sequences = await asyncio.to_thread(upload, number, pixels, graphic.columns, graphic.rows)
            byte_count = sum(map(len, sequences))
            seconds, problem = await self._transfer(number, sequences)
            if problem is not None:
                self._failed(problem)
                return
            self._bytes_per_second = byte_count / seconds
            self._bytes_per_pixel = byte_count / (pixels.size / 3)
            self.shown = replace(graphic, number=number)
            self._changed()
            await self._painted()  # the other number is on the screen until then

    async def _painted(self) -> None:
        """Wait until the terminal has been sent the cells that show the last graphic."""
        is_painted = asyncio.Event()
        self._call_when_painted(is_painted.set)
        await is_painted.wait()

    async def _transfer(self, number: int, sequences: Sequence[str]) -> tuple[float, str | None]:
        """Send sequences and wait for the answer.

        Returns:
            Seconds, and why the terminal cannot show graphics; None if it can.
        """
        self._awaited_number, self._answer = number, asyncio.get_running_loop().create_future()
        start_time = monotonic()
        for sequence in sequences:
            while self._is_busy():
                await asyncio.sleep(_POLL_SECONDS)
            self._write(self._wrapped(sequence))
            self._is_transferring = True
        self._is_transferring = False
        try:
            problem = await asyncio.wait_for(asyncio.shield(self._answer), LATE_SECONDS)
        except TimeoutError:
            self.is_late = True
            self._changed()
            problem = await self._answer
            self.is_late = False
        return max(monotonic() - start_time, _POLL_SECONDS), problem or None

    def _wrapped(self, sequence: str) -> str:
        return through_tmux(sequence) if self._in_tmux else sequence
