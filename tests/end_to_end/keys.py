"""What a person does with the keys, for the tests that need it done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.end_to_end.terminal import Terminal

LOADED = "Enter place"
DOWN = "\x1b[B"


def open_picture(terminal: Terminal) -> None:
    """Waits until the picture and its cursor are there."""
    terminal.wait_for(LOADED)
    terminal.wait_for(lambda: len(set(terminal.backgrounds(range(40), range(20)))) > 50)


def steer(terminal: Terminal, x: float, y: float) -> None:
    """Brings the cursor as near to (x, y), in picture pixels, as the preview's grid allows; by keys with counts."""
    corner, now = _step(terminal), _step(terminal)  # the first may start between two preview pixels
    pixel = (now[0] - corner[0], now[1] - corner[1])
    across, down = round((x - now[0]) / pixel[0]), round((y - now[1]) / pixel[1])
    expected = (now[0] + across * pixel[0], now[1] + down * pixel[1])
    near = pixel[0] / 2 + 0.1 * max(abs(across), abs(down))  # the read-out has one decimal
    terminal.send(_moves(across, "h", "l") + _moves(down, "k", "j"))
    terminal.wait_for(lambda: max(abs(a - b) for a, b in zip(terminal.cursor(), expected, strict=True)) < near)


def _step(terminal: Terminal) -> tuple[float, float]:
    """The cursor, after one key to the right and one down."""
    start = terminal.cursor()
    terminal.send("lj")
    terminal.wait_for(lambda: all(a > b for a, b in zip(terminal.cursor(), start, strict=True)))
    return terminal.cursor()


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
    """Settings with which no drag ends by itself: 100,000 steps, and only the very target would do."""
    terminal.send(",")
    terminal.wait_for("Settings of the next drag")
    terminal.send(6 * DOWN + "100000")  # from the step size down to the most steps
    terminal.send(DOWN + "0.0001\r")  # and to the distance at which it stops; handles go by whole pixels
    terminal.wait_for(lambda: "Settings of the next drag" not in terminal.text())


def session_folder(folder: Path) -> Path:
    """The one session that lies under `folder`."""
    (found,) = (folder / "draggan-out").iterdir()
    return found


def read_session(folder: Path) -> dict[str, Any]:
    """The one session that lies under `folder`, with what its drags did."""
    return session_with_drags(session_folder(folder))


def session_with_drags(session: Path) -> dict[str, Any]:
    """session.json, and as `drags` what each drag did."""
    drags = [json.loads(path.read_text()) for path in sorted(session.glob("drag-*/drag.json"))]
    return {**json.loads((session / "session.json").read_text()), "drags": drags}


def _moves(count: int, back: str, forth: str) -> str:
    return f"{abs(count)}{forth if count > 0 else back}" if count else ""
