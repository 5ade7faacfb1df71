"""How much the screen slows a drag: the same steps in the editor and in the headless command."""

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

from .editor import (
    ENDLESS_PAIR,
    HALF_BLOCK,
    PROGRAM,
    SEED,
    PairPoints,
    open_editor,
    place_endless_pair,
    wait_for_image,
)
from .processes import isolated_environment, peak_process_memory
from .pseudo_terminal import Frame, PseudoTerminal

MIN_PREVIEW_CELLS = 30
"""So many cells of the image at least change with a preview, and fewer when something moves over the image."""


@dataclass(frozen=True)
class HeadlessDrag:
    """A drag without a screen.

    Attributes:
        pace: steps per second.
        memory: peak of the process that drags, MB.
    """

    pace: float
    memory: float


@dataclass(frozen=True)
class EditorDrag(HeadlessDrag):
    """A drag in the editor.

    Attributes:
        frame_rate: painted frames in which the image has changed, per second.
        frame_bytes: the median.
        screen_memory: peak of the screen's process, MB.
    """

    frame_rate: float
    frame_bytes: float
    screen_memory: float


def drag_in_editor(directory: Path, step_count: int) -> EditorDrag:
    """Measure a drag in the editor.

    Args:
        directory: an empty one.

    Raises:
        BenchmarkError: the drag does not come to its last step.
    """
    session_directory = directory / "session"
    with open_editor(directory, "--out", str(session_directory)) as terminal:
        wait_for_image(terminal)
        terminal.read_for(1.0)
        place_endless_pair(terminal)
        terminal.send(f"{step_count}.")
        frames = _frames_with_image(terminal, f" {step_count} steps, ".encode())
        screen_memory, engine_memory = peak_process_memory(terminal.pid), peak_process_memory(terminal.engine_pid)
    drag_record = json.loads(max(session_directory.glob("drag-*/drag.json")).read_text())
    return EditorDrag(
        pace=_pace(drag_record, step_count),
        memory=engine_memory,
        frame_rate=(len(frames) - 1) / (frames[-1].done - frames[0].done),
        frame_bytes=statistics.median(len(frame.bytes) for frame in frames),
        screen_memory=screen_memory,
    )


def drag_headless(directory: Path, step_count: int, pair: PairPoints = ENDLESS_PAIR) -> HeadlessDrag:
    """Measure a drag by the command without a screen.

    Args:
        directory: an empty one.

    Raises:
        BenchmarkError: the drag does not come to its last step.
    """
    (handle_x, handle_y), (target_x, target_y) = pair
    drag_command = [
        *PROGRAM,
        "drag",
        "--json",
        "--method",
        "draggan",
        "--model",
        SCRIPT_MODEL,
        "--seed",
        SEED,
        "--steps",
        str(step_count),
    ]
    drag_command += ["--pair", f"{handle_x},{handle_y}:{target_x},{target_y}", "--out", str(directory / "session")]
    environment_variables = isolated_environment(directory / "home")
    drag_process = subprocess.Popen(
        drag_command, cwd=directory, env=environment_variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert drag_process.stdout is not None
    with drag_process.stdout:
        report_text = drag_process.stdout.read()
    _, wait_status, resource_usage = os.wait4(drag_process.pid, 0)
    drag_process.returncode = os.waitstatus_to_exitcode(wait_status)
    if drag_process.returncode:
        raise BenchmarkError(f"the headless drag ended with status {drag_process.returncode}")
    return HeadlessDrag(_pace(json.loads(report_text), step_count), resource_usage.ru_maxrss * 1024 / 1e6)


def _pace(drag_record: dict[str, Any], step_count: int) -> float:
    """Return a drag's steps per second.

    Raises:
        BenchmarkError: the drag ended early.
    """
    if drag_record["steps"] != step_count:
        raise BenchmarkError(
            f"the drag ended after {drag_record['steps']} steps of {step_count}: {drag_record['reason']}"
        )
    return step_count / float(drag_record["seconds"])


def _frames_with_image(terminal: PseudoTerminal, last_text: bytes) -> list[Frame]:
    """Return the frames in which the image has changed, until a text is painted.

    Raises:
        BenchmarkError: the text is not painted.
    """
    frames_with_image = []
    for painted_frame in terminal.frames():
        if painted_frame.bytes.count(HALF_BLOCK) >= MIN_PREVIEW_CELLS:
            frames_with_image.append(painted_frame)
        if last_text in painted_frame.bytes:
            return frames_with_image
    raise BenchmarkError("the editor's drag did not come to its end")
