"""What the screen costs a drag: the same steps in the editor and in the headless command, turn by turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from draggan_engine.core.errors import BenchmarkError
from draggan_tui import SCRIPT_MODEL

from .editor import PAIR, PROGRAM, SEED, TYPED_PAIR, open_editor, shows_picture, until_picture
from .processes import isolated_environment, peak_memory
from .pseudo_terminal import Frame, PseudoTerminal


@dataclass(frozen=True)
class Dragged:
    """A drag without a screen.

    Attributes:
        pace: steps a second.
        memory: the most of the process that drags, MB.
    """

    pace: float
    memory: float


@dataclass(frozen=True)
class Watched(Dragged):
    """A drag in the editor.

    Attributes:
        frame_rate: frames with a picture that were painted in a second.
        frame_bytes: in the middle.
        screen: the most memory of the screen's process, MB.
    """

    frame_rate: float
    frame_bytes: float
    screen: float


def drag_in_editor(directory: Path, steps: int) -> Watched:
    """
    Args:
        directory: an empty one.
        steps: of the drag.

    Raises:
        BenchmarkError: the drag does not come to its last step.
    """
    out = directory / "session"
    with open_editor(directory, "--out", str(out)) as terminal:
        until_picture(terminal)
        terminal.rest(1.0)
        terminal.send(f"\x1b{TYPED_PAIR}")  # Escape: no hints
        terminal.rest(1.0)
        terminal.send(f"{steps}.")
        frames = _picture_frames(terminal, f" {steps} steps, ".encode())
        screen, engine = peak_memory(terminal.pid), peak_memory(terminal.engine)
    record = json.loads(max(out.glob("drag-*/drag.json")).read_text())
    return Watched(
        pace=_pace(record, steps),
        memory=engine,
        frame_rate=(len(frames) - 1) / (frames[-1].done - frames[0].done),
        frame_bytes=statistics.median(len(frame.bytes) for frame in frames),
        screen=screen,
    )


def drag_headless(directory: Path, steps: int) -> Dragged:
    """
    Args:
        directory: an empty one.
        steps: of the drag.

    Raises:
        BenchmarkError: the drag does not come to its last step.
    """
    (x, y), (to_x, to_y) = PAIR
    command = [*PROGRAM, "drag", "--json", "--model", SCRIPT_MODEL, "--seed", SEED, "--steps", str(steps)]
    command += ["--pair", f"{x},{y}:{to_x},{to_y}", "--out", str(directory / "session")]
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=isolated_environment(directory / "home"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchmarkError(f"the headless drag ended with status {process.returncode}")
    return Dragged(_pace(json.loads(said), steps), usage.ru_maxrss * 1024 / 1e6)


def _pace(record: dict[str, Any], steps: int) -> float:
    """
    Raises:
        BenchmarkError: it was another drag than was asked for.
    """
    if record["steps"] != steps:
        raise BenchmarkError(f"the drag ended after {record['steps']} steps of {steps}: {record['reason']}")
    return steps / float(record["seconds"])


def _picture_frames(terminal: PseudoTerminal, last_words: bytes) -> list[Frame]:
    """Those with a picture in them, until those words are painted.

    Raises:
        BenchmarkError: they are not.
    """
    found = []
    for frame in terminal.frames():
        if shows_picture(frame.bytes):
            found.append(frame)
        if last_words in frame.bytes:
            return found
    raise BenchmarkError("the editor's drag did not come to its end")
