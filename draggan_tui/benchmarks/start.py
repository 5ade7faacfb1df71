"""`draggan-tui bench start`: how soon the first frame and the first picture are there, beside an empty Textual app."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from draggan_tui import DEFAULT_MODEL
from draggan_tui.rendering.loading_text import model_label

from .editor import SIZE, open_editor, until_picture
from .imports import import_times
from .processes import isolated_environment, peak_memory
from .pseudo_terminal import SYNCHRONIZED, PseudoTerminal
from .statistics import median_ratio, spread_line, target_line

EMPTY = "from textual.app import App\nclass Empty(App): pass\nEmpty().run()"
FIRST_FRAME = 1.5  # times that of the empty app
FIRST_PICTURE = 3.0  # seconds
NEEDS = {
    "the first frame": (
        "draggan_tui.cli.main",
        "draggan_tui.config.settings_file",
        "draggan_tui.cli.resume",
        "draggan_tui.app",
    ),
    "the editor": ("draggan_tui.app", "draggan_tui.client.engine_client", "draggan_tui.screens.editor"),
    "the engine": (
        "draggan_engine.server.server",
        "draggan_engine.checkpoints.loader",
        "draggan_engine.server.drag_runner",
    ),
}
LARGEST = 6


@dataclass(frozen=True)
class Start:
    """Seconds to the first frame, to the whole editor, and to the first picture; peak memory of the processes, MB."""

    frame: float
    editor: float
    picture: float
    screen: float
    engine: float


def bench_start(rounds: int) -> None:
    """Measures, and prints.

    Raises:
        BenchmarkError: a program does not do what it should.
    """
    empty: list[float] = []
    editor: list[Start] = []
    for _ in range(rounds):
        empty.append(start_empty())
        editor.append(start_editor())
    frames, pictures = [start.frame for start in editor], [start.picture for start in editor]
    ratio = median_ratio(frames, empty)
    print(f"from the start of the process, {rounds} rounds, {SIZE[0]}×{SIZE[1]} cells")
    print(spread_line("empty Textual app", [1e3 * seconds for seconds in empty], "ms"))
    print(spread_line("first frame", [1e3 * seconds for seconds in frames], "ms"))
    print(f"  ratio of the first frames: {ratio:.2f}")
    print(target_line(f"≤ {FIRST_FRAME} ×", ratio <= FIRST_FRAME))
    print(spread_line("the editor", [1e3 * start.editor for start in editor], "ms"))
    print(spread_line("first image", [1e3 * seconds for seconds in pictures], "ms"))
    print(target_line(f"≤ {FIRST_PICTURE} s", statistics.median(pictures) <= FIRST_PICTURE))
    screen, engine = max(start.screen for start in editor), max(start.engine for start in editor)
    print(f"  peak memory: screen {screen:.0f} MB, engine {engine:.0f} MB")
    for what, modules in NEEDS.items():
        print(f"  imports of {what}: {_largest(import_times(*modules))}")


def start_empty() -> float:
    """Seconds to the first frame of an app without anything."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        command = [sys.executable, "-c", EMPTY]
        with PseudoTerminal(
            command, directory=directory, variables=isolated_environment(directory / "home"), size=SIZE
        ) as terminal:
            terminal.send(SYNCHRONIZED)
            return terminal.until(lambda output: is_painted(output, b""), "an empty frame") - terminal.started


def start_editor() -> Start:
    model, inspector = model_label(DEFAULT_MODEL).encode(), b"cursor"
    with tempfile.TemporaryDirectory() as directory, open_editor(Path(directory), model=DEFAULT_MODEL) as terminal:
        frame = terminal.until(lambda output: is_painted(output, model), "the first frame")
        editor = terminal.until(lambda output: is_painted(output, inspector), "the editor")
        picture, begun = until_picture(terminal), terminal.started
        memory = peak_memory(terminal.pid), peak_memory(terminal.engine)
        return Start(frame - begun, editor - begun, picture - begun, *memory)


def _largest(times: Mapping[str, float]) -> str:
    """`612 ms: torch 480, numpy 80, …`"""
    largest = sorted(times, key=times.__getitem__, reverse=True)[:LARGEST]
    return f"{sum(times.values()):.0f} ms: " + ", ".join(f"{name} {times[name]:.0f}" for name in largest)


def is_painted(output: bytes | bytearray, text: bytes) -> bool:
    """Whether a frame has come that has the text in it and goes down to the terminal's last row."""
    return output.find(b"\x1b[%d;" % SIZE[1], max(output.find(text), 0)) >= 0 and text in output
