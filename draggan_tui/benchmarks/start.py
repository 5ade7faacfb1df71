"""`draggan-tui bench start`: the time to the first frame and the first image, beside an empty Textual app."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from draggan_tui import DEFAULT_MODEL
from draggan_tui.rendering.loading_text import model_label

from .editor import TERMINAL_SIZE, open_editor, wait_for_image
from .imports import import_times
from .processes import isolated_environment, peak_process_memory
from .pseudo_terminal import PseudoTerminal
from .statistics import median_ratio, spread_line, target_line

EMPTY_APP = "from textual.app import App\nclass Empty(App): pass\nEmpty().run()"
FIRST_FRAME_TARGET = 1.5  # in times that of the empty app
FIRST_IMAGE_TARGET = 3.0  # seconds
IMPORTED_MODULES = {
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
LISTED_PACKAGES = 6


@dataclass(frozen=True)
class EditorStart:
    """How the editor started.

    Attributes:
        frame, editor, image: seconds to the first frame, to the whole editor, and to the first image.
        screen_memory, engine_memory: peaks of the two processes, MB.
    """

    frame: float
    editor: float
    image: float
    screen_memory: float
    engine_memory: float


def bench_start(rounds: int) -> None:
    """Measure everything and print it.

    Raises:
        BenchmarkError: a program does not do what it should.
    """
    empty_frames: list[float] = []
    editor_starts: list[EditorStart] = []
    for _ in range(rounds):
        empty_frames.append(start_empty_app())
        editor_starts.append(start_editor())
    frame_seconds = [editor_start.frame for editor_start in editor_starts]
    image_seconds = [editor_start.image for editor_start in editor_starts]
    frame_ratio = median_ratio(frame_seconds, empty_frames)
    print(f"from the start of the process, {rounds} rounds, {TERMINAL_SIZE[0]}×{TERMINAL_SIZE[1]} cells")
    print(spread_line("empty Textual app", [1e3 * seconds for seconds in empty_frames], "ms"))
    print(spread_line("first frame", [1e3 * seconds for seconds in frame_seconds], "ms"))
    print(f"  ratio of the first frames: {frame_ratio:.2f}")
    print(target_line(f"≤ {FIRST_FRAME_TARGET} ×", frame_ratio <= FIRST_FRAME_TARGET))
    print(spread_line("the editor", [1e3 * editor_start.editor for editor_start in editor_starts], "ms"))
    print(spread_line("first image", [1e3 * seconds for seconds in image_seconds], "ms"))
    print(target_line(f"≤ {FIRST_IMAGE_TARGET} s", statistics.median(image_seconds) <= FIRST_IMAGE_TARGET))
    screen_memory = max(editor_start.screen_memory for editor_start in editor_starts)
    engine_memory = max(editor_start.engine_memory for editor_start in editor_starts)
    print(f"  peak memory: screen {screen_memory:.0f} MB, engine {engine_memory:.0f} MB")
    for start_phase, module_names in IMPORTED_MODULES.items():
        print(f"  imports of {start_phase}: {_largest_times(import_times(*module_names))}")


def start_empty_app() -> float:
    """Return the seconds to the first frame of an app without content."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        app_command, environment_variables = [sys.executable, "-c", EMPTY_APP], isolated_environment(directory / "home")
        with PseudoTerminal(
            app_command, directory=directory, variables=environment_variables, size=TERMINAL_SIZE
        ) as terminal:
            terminal.synchronize()
            return terminal.read_until(lambda output: is_painted(output, b""), "an empty frame") - terminal.started


def start_editor() -> EditorStart:
    """Measure one start of the editor."""
    model_text, inspector_text = model_label(DEFAULT_MODEL).encode(), b"cursor"
    with tempfile.TemporaryDirectory() as directory, open_editor(Path(directory), model=DEFAULT_MODEL) as terminal:
        frame = terminal.read_until(lambda output: is_painted(output, model_text), "the first frame")
        editor = terminal.read_until(lambda output: is_painted(output, inspector_text), "the editor")
        image, start = wait_for_image(terminal), terminal.started
        screen_memory, engine_memory = peak_process_memory(terminal.pid), peak_process_memory(terminal.engine_pid)
    return EditorStart(frame - start, editor - start, image - start, screen_memory, engine_memory)


def _largest_times(import_milliseconds: Mapping[str, float]) -> str:
    """Return a text like `612 ms: torch 480, numpy 80, …`."""
    slowest_packages = sorted(import_milliseconds, key=import_milliseconds.__getitem__, reverse=True)[:LISTED_PACKAGES]
    return f"{sum(import_milliseconds.values()):.0f} ms: " + ", ".join(
        f"{package_name} {import_milliseconds[package_name]:.0f}" for package_name in slowest_packages
    )


def is_painted(output: bytes | bytearray, text: bytes) -> bool:
    """Return whether an output contains a frame with a text, down to the terminal's last row."""
    last_row = b"\x1b[%d;" % TERMINAL_SIZE[1]
    return text in output and output.find(last_row, output.find(text)) >= 0
