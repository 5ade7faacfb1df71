"""How long from a key to its paint? At rest, and while a drag runs.

The cursor goes round in a small square. A key is painted when the frame ends that has the cursor's new place in its
read-out (the canvas is in the same frame); nothing else of the output is looked at. Frames of the drag may come in
between: they count.
"""

from __future__ import annotations

import itertools
import random
import re
import time
from dataclasses import dataclass

from draggan_engine.core.errors import BenchmarkError

from .pseudo_terminal import PseudoTerminal

READ_OUT = re.compile(rb"\d+\.\d +\d+\.\d")
AROUND = "ljhk"
PAUSES = (0.02, 0.06)  # seconds between a paint and the next key, at random: not in step with the drag's frames


@dataclass(frozen=True)
class Paint:
    """Milliseconds from the key to the first byte of the frame that shows it, and to that frame's end; all that came."""

    first: float
    done: float
    bytes: int


def paints(terminal: PseudoTerminal, count: int) -> list[Paint]:
    """Of so many keys.

    Args:
        terminal: an editor that rests, or drags, with the picture on the screen.

    Raises:
        BenchmarkError: one is not painted.
    """
    terminal.rest(0.2)
    keyboard, chance, measured = _Keyboard(terminal), random.Random(1), []
    for key in itertools.islice(itertools.cycle(AROUND), count):
        measured.append(keyboard.press(key))
        terminal.rest(chance.uniform(*PAUSES))
    return measured


class _Keyboard:
    """Presses keys and waits for their paint."""

    def __init__(self, terminal: PseudoTerminal) -> None:
        self._terminal = terminal
        self._shown = READ_OUT.findall(terminal.raw)[-1]  # where the cursor is

    def press(self, key: str) -> Paint:
        start = time.perf_counter()
        self._terminal.send(key)
        count = 0
        for frame in self._terminal.frames():
            count += len(frame.bytes)
            if self._is_new(frame.bytes):
                return Paint(1e3 * (frame.first - start), 1e3 * (frame.done - start), count)
        raise BenchmarkError(f"the editor did not paint the key {key!r}")

    def _is_new(self, frame: bytes) -> bool:
        """Whether the cursor has another place in it; if so, that is noted."""
        found = [place for place in READ_OUT.findall(frame) if place != self._shown]
        self._shown = found[-1] if found else self._shown
        return bool(found)
