"""The editor, on a terminal of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from draggan_tui import SCRIPT_MODEL

from .processes import isolated_environment
from .pseudo_terminal import SYNCHRONIZED, PseudoTerminal

PROGRAM = (sys.executable, "-c", "from draggan_tui.__main__ import main; main()")  # as the installed script does
SEED = "42"
SIZE = (192, 64)
"""Columns and rows: beside the inspector a square picture gets 124×124 pixels, as many as 160×96 has."""

PAIR = ((128, 128), (12, 12))  # handle and target, in picture pixels: no drag arrives there
TYPED_PAIR = "".join(f":{x},{y}\r\r" for x, y in PAIR)

_HALF_BLOCK = "▀".encode()
_CELLS = 1000  # half-blocks that are no ornament


def open_editor(directory: Path, *arguments: str, model: str = SCRIPT_MODEL) -> PseudoTerminal:
    """
    Args:
        directory: an empty one, for all its files, the user's settings among them.
        arguments: besides the model and the seed.
    """
    command = [*PROGRAM, "--model", model, "--seed", SEED, *arguments]
    terminal = PseudoTerminal(
        command, directory=directory, variables=isolated_environment(directory / "home"), size=SIZE
    )
    terminal.send(SYNCHRONIZED)
    return terminal


def until_picture(terminal: PseudoTerminal) -> float:
    """Waits for the first picture; returns when it has come, as `time.perf_counter` tells it."""
    return terminal.until(shows_picture, "the first picture")


def shows_picture(output: bytes | bytearray) -> bool:
    """Whether there is a picture in it, at least a good part of one."""
    return output.count(_HALF_BLOCK) >= _CELLS
