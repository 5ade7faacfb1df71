"""The time from a key to its paint, at rest and while a drag runs.

The cursor moves round in a small square. A key is painted at the end of the frame that shows the new coordinates of the
cursor (the canvas is in the same frame); the rest of the output is ignored. Frames of a drag that come before it count.
"""

from __future__ import annotations

import itertools
import random
import re
import time
from dataclasses import dataclass

from draggan_engine.core.errors import BenchmarkError

from .pseudo_terminal import PseudoTerminal

_COORDINATES = re.compile(rb"\d+\.\d +\d+\.\d")
ROUND_KEYS = "ljhk"
PAUSE_RANGE = (0.02, 0.06)  # seconds between a paint and the next key; random, out of step with the drag's frames


@dataclass(frozen=True)
class KeyPaint:
    """How a key was painted.

    Attributes:
        first: milliseconds from the key to the first byte of the frame that shows it.
        done: the same to the frame's last byte.
        bytes: all bytes that came from the key on.
    """

    first: float
    done: float
    bytes: int


def measure_key_paints(terminal: PseudoTerminal, key_count: int) -> list[KeyPaint]:
    """Press keys and wait for the paint of each.

    Args:
        terminal: an editor at rest or during a drag, with its image on the screen.
        key_count: how many keys are pressed.

    Raises:
        BenchmarkError: a key is not painted.
    """
    terminal.read_for(0.2)
    keyboard, random_generator, key_paints = _Keyboard(terminal), random.Random(1), []
    for pressed_key in itertools.islice(itertools.cycle(ROUND_KEYS), key_count):
        key_paints.append(keyboard.press(pressed_key))
        terminal.read_for(random_generator.uniform(*PAUSE_RANGE))
    return key_paints


class _Keyboard:
    """Press keys and wait for their paint."""

    def __init__(self, terminal: PseudoTerminal) -> None:
        self._terminal = terminal
        self._shown_coordinates = _COORDINATES.findall(terminal.raw)[-1]

    def press(self, pressed_key: str) -> KeyPaint:
        """
        Raises:
            BenchmarkError: the key is not painted.
        """
        start_time = time.perf_counter()
        self._terminal.send(pressed_key)
        byte_count = 0
        for painted_frame in self._terminal.frames():
            byte_count += len(painted_frame.bytes)
            new_coordinates = [
                text for text in _COORDINATES.findall(painted_frame.bytes) if text != self._shown_coordinates
            ]
            if new_coordinates:
                self._shown_coordinates = new_coordinates[-1]
                return KeyPaint(
                    1e3 * (painted_frame.first - start_time), 1e3 * (painted_frame.done - start_time), byte_count
                )
        raise BenchmarkError(f"the editor did not paint the key {pressed_key!r}")
