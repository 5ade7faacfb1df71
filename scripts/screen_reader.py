"""Read the screen of a program in a pseudo-terminal, and wait for what it shows."""

from __future__ import annotations

import time
from collections.abc import Callable

import pyte

from draggan_tui.benchmarks.pseudo_terminal import PseudoTerminal

TIMEOUT = 300.0  # seconds; a slow machine may need a minute to import torch
READ_INTERVAL = 0.1  # seconds
READY_TEXT = "Enter place"  # shown once the model is loaded

Condition = Callable[[pyte.Screen], bool]


class ScreenReader:
    """Parse the output of a terminal as far as it has been read.

    Args:
        size: columns and rows.
    """

    def __init__(self, terminal: PseudoTerminal, size: tuple[int, int]) -> None:
        self._terminal = terminal
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._parsed_bytes = 0

    def wait_for(self, condition: Condition, description: str, read_for: Callable[[float], None] | None = None) -> None:
        """Read until the screen meets a condition.

        Args:
            description: of the condition, for the error message.
            read_for: reads from the terminal for some seconds; by default `PseudoTerminal.read_for`.

        Raises:
            SystemExit: the screen does not meet the condition within `TIMEOUT`.
        """
        read_for = read_for or self._terminal.read_for
        deadline = time.monotonic() + TIMEOUT
        while not condition(self._parse_screen()):
            if time.monotonic() > deadline:
                screen_text = "\n".join(self._screen.display)
                raise SystemExit(f"{description} did not appear in {TIMEOUT:g} s. The screen shows:\n{screen_text}")
            read_for(READ_INTERVAL)

    def _parse_screen(self) -> pyte.Screen:
        self._stream.feed(bytes(self._terminal.raw[self._parsed_bytes :]))
        self._parsed_bytes = len(self._terminal.raw)
        return self._screen


def shows_text(text: str) -> Condition:
    """Return a condition that is true while one row of the screen contains this text."""
    return lambda screen: any(text in row for row in screen.display)


def shows_image(screen: pyte.Screen) -> bool:
    """Return whether the model is loaded and its image is drawn, so that the screen's corner has many colours."""
    corner_colors = {screen.buffer[row][column].bg for row in range(20) for column in range(40)}
    return shows_text(READY_TEXT)(screen) and len(corner_colors) > 50
