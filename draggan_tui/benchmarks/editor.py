"""The editor in a pseudo-terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from draggan_tui import SCRIPT_MODEL

from .processes import isolated_environment
from .pseudo_terminal import PseudoTerminal

PROGRAM = (sys.executable, "-c", "from draggan_tui.__main__ import main; main()")  # as the installed script does
SEED = "42"
TERMINAL_SIZE = (192, 64)
"""Columns and rows: beside the inspector a square image gets 124×124 pixels, as many as 160×96."""

PairPoints = tuple[tuple[float, float], tuple[float, float]]
"""Handle and target (x, y), in pixels of the image."""
ENDLESS_PAIR: PairPoints = ((128, 128), (12, 12))
"""No drag reaches this target; the paper's method goes on to the step limit."""
_TYPED_PAIR = "".join(f":{x},{y}\r\r" for x, y in ENDLESS_PAIR)

HALF_BLOCK = "▀".encode()
_MIN_IMAGE_CELLS = 1000  # fewer half-blocks may be an ornament


def open_editor(directory: Path, *arguments: str, model: str = SCRIPT_MODEL) -> PseudoTerminal:
    """Start the editor.

    Args:
        directory: an empty one, for all its files, also the user's settings.
        arguments: besides the model and the seed.
    """
    editor_command = [*PROGRAM, "--model", model, "--seed", SEED, *arguments]
    environment_variables = isolated_environment(directory / "home")
    terminal = PseudoTerminal(editor_command, directory=directory, variables=environment_variables, size=TERMINAL_SIZE)
    terminal.synchronize()
    return terminal


def place_endless_pair(terminal: PseudoTerminal) -> None:
    """Close the hints, choose the paper's method, and place `ENDLESS_PAIR`."""
    terminal.send("\x1b")
    terminal.read_for(1.0)
    terminal.send_and_wait(",", "applies")  # the settings open with the focus on the method
    terminal.send_and_wait("draggan\r", "settings changed")
    terminal.send_and_wait(_TYPED_PAIR, "pair 1 is set")
    terminal.read_for(1.0)


def wait_for_image(terminal: PseudoTerminal) -> float:
    """Wait for the first image, and return the `time.perf_counter` at which it has come."""
    return terminal.read_until(shows_image, "the first image")


def shows_image(output: bytes | bytearray) -> bool:
    """Return whether an output contains an image, or a good part of one."""
    return output.count(HALF_BLOCK) >= _MIN_IMAGE_CELLS
