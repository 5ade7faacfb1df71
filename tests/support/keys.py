"""What a person does with the keys, for the tests that need it done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.terminal import Terminal

LOADED = "Enter place"
DOWN, UP = "\x1b[B", "\x1b[A"


def open_picture(terminal: Terminal) -> None:
    """Waits until the picture and its cursor are there."""
    terminal.wait_for(LOADED)
    terminal.wait_for(lambda: len(set(terminal.backgrounds(range(40), range(20)))) > 50)


def steer(terminal: Terminal, x: float, y: float) -> None:
    """Brings the cursor to (x, y), in picture pixels, as a person who types coordinates."""
    terminal.send(f":{x:.2f},{y:.2f}\r")
    terminal.wait_for(lambda: max(abs(a - b) for a, b in zip(terminal.cursor(), (x, y), strict=True)) < 0.06)


def place_pair(terminal: Terminal, handle: tuple[float, float], target: tuple[float, float]) -> None:
    steer(terminal, *handle)
    terminal.send("\r")
    terminal.wait_for("target?")
    steer(terminal, *target)
    terminal.send("\r")
    terminal.wait_for(lambda: "target?" not in terminal.text())


def endless_drag(terminal: Terminal) -> None:
    """Starts a drag that does not end by itself."""
    never_end(terminal)
    place_pair(terminal, (138, 138), (8, 8))
    terminal.send("d")
    terminal.wait_for("steps/s")


def never_end(terminal: Terminal) -> None:
    """Settings with which no drag ends by itself: the paper's method, 100,000 steps, and only the very target would do."""
    terminal.send(",")
    terminal.wait_for("Settings of the next drag")
    terminal.send("draggan")  # other methods end when the handles come no nearer
    terminal.send(8 * DOWN + "100000")  # down to the most steps
    terminal.send(DOWN + "0.0001\r")  # and to the distance at which it stops; handles go by whole pixels
    terminal.wait_for(lambda: "Settings of the next drag" not in terminal.text())


def session_directory(directory: Path) -> Path:
    """The one session that lies under `directory`."""
    (found,) = (directory / "draggan-out").iterdir()
    return found


def read_session(directory: Path) -> dict[str, Any]:
    """The one session that lies under `directory`, with what its drags did."""
    return session_with_drags(session_directory(directory))


def session_with_drags(session: Path) -> dict[str, Any]:
    """session.json, and as `drags` what each drag did."""
    drags = [json.loads(path.read_text()) for path in sorted(session.glob("drag-*/drag.json"))]
    return {**json.loads((session / "session.json").read_text()), "drags": drags}
