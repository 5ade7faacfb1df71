"""`draggan-tui bench screen`: the cost of a frame, the delay of a key, and how much the screen slows a drag."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .drag_pace import EditorDrag, HeadlessDrag, drag_headless, drag_in_editor
from .editor import TERMINAL_SIZE, open_editor, place_endless_pair, wait_for_image
from .frame_cost import IMAGE_SIZES, measure_frame_costs
from .key_paint import KeyPaint, measure_key_paints
from .statistics import median_ratio, percentile, spread_line, target_line

RESTING_TARGET, DRAGGING_TARGET = 30.0, 60.0  # ms, the 95th percentile of the time to paint a key
FRAME_RATE_TARGET = 10.0
DRAG_STEPS = 200
SLOWDOWN_TARGET = 1.2  # the time of a step in the editor, in times that without a screen


def bench_screen(
    keys: int, rounds: int, image_sizes: Sequence[tuple[int, int]] = IMAGE_SIZES, drag_steps: int = DRAG_STEPS
) -> None:
    """Measure everything and print it.

    Args:
        keys: how many are pressed at rest, and again during a drag.
        rounds: of the frames, and of the drags.
        image_sizes: width and height of the images in the frames.

    Raises:
        BenchmarkError: the editor does not do what it should.
    """
    for image_size in image_sizes:
        _print_frame_costs(image_size, rounds)
    _print_key_paints(keys)
    _print_drags(rounds, drag_steps)


def _print_frame_costs(image_size: tuple[int, int], round_count: int) -> None:
    frame_costs = asyncio.run(measure_frame_costs(image_size, round_count))
    canvas_cost = next(iter(frame_costs.values()))
    print(f"a frame of {image_size[0]}×{image_size[1]} pixels")
    for method_name, frame_cost in frame_costs.items():
        cost_ratio = frame_cost.milliseconds / canvas_cost.milliseconds
        print(
            f"  {method_name:<24} {frame_cost.milliseconds:7.1f} ms  {cost_ratio:6.1f} ×  {frame_cost.bytes / 1e3:7.1f} kB",
            flush=True,
        )


def _print_key_paints(key_count: int) -> None:
    columns, rows = TERMINAL_SIZE
    with tempfile.TemporaryDirectory() as directory, open_editor(Path(directory)) as terminal:
        wait_for_image(terminal)
        terminal.send("\x1b")  # closes the hints
        terminal.read_for(1.0)
        print(f"from a key to its paint, {key_count} keys, {columns}×{rows} cells")
        resting_p95 = _print_paints("at rest", measure_key_paints(terminal, key_count), RESTING_TARGET)
        place_endless_pair(terminal)
        terminal.send("9999.")
        terminal.read_until(lambda output: b"steps/s" in output[-100_000:], "the drag's first step")
        dragging_p95 = _print_paints("during a drag", measure_key_paints(terminal, key_count), DRAGGING_TARGET)
    print(f"  ratio of the p95s: {dragging_p95 / resting_p95:.2f}", flush=True)


def _print_paints(moment_name: str, key_paints: Sequence[KeyPaint], target_milliseconds: float) -> float:
    """Print some paints, and return the 95th percentile of the time to the last byte."""
    paint_milliseconds = [key_paint.done for key_paint in key_paints]
    p95 = percentile(paint_milliseconds, 0.95)
    print(f" {moment_name}, {statistics.mean(key_paint.bytes for key_paint in key_paints) / 1e3:.1f} kB a key")
    print(spread_line("first byte", [key_paint.first for key_paint in key_paints], "ms"))
    print(spread_line("painted", paint_milliseconds, "ms"))
    print(target_line(f"p95 of painted ≤ {target_milliseconds:.0f} ms", p95 <= target_milliseconds), flush=True)
    return p95


def _print_drags(round_count: int, step_count: int) -> None:
    print(f"a drag of {step_count} steps, {TERMINAL_SIZE[0]}×{TERMINAL_SIZE[1]} cells")
    editor_drags: list[EditorDrag] = []
    headless_drags: list[HeadlessDrag] = []
    for _ in range(round_count):
        with tempfile.TemporaryDirectory() as directory:
            editor_drags.append(drag_in_editor(Path(directory), step_count))
        with tempfile.TemporaryDirectory() as directory:
            headless_drags.append(drag_headless(Path(directory), step_count))
        print(
            f"  {editor_drags[-1].pace:6.1f} steps/s in the editor, {headless_drags[-1].pace:6.1f} without a screen",
            flush=True,
        )
    step_slowdown = median_ratio([drag.pace for drag in headless_drags], [drag.pace for drag in editor_drags])
    frame_rate = statistics.median(drag.frame_rate for drag in editor_drags)
    frame_bytes = statistics.median(drag.frame_bytes for drag in editor_drags)
    print(f"  {frame_rate:.1f} frames/s, {frame_bytes / 1e3:.0f} kB a frame")
    print(target_line(f"≥ {FRAME_RATE_TARGET:.0f} frames/s", frame_rate >= FRAME_RATE_TARGET))
    print(f"  a step takes {step_slowdown:.2f} × as long as without a screen")
    print(target_line(f"≤ {SLOWDOWN_TARGET} ×", step_slowdown <= SLOWDOWN_TARGET))
    screen_memory = max(drag.screen_memory for drag in editor_drags)
    engine_memory = max(drag.memory for drag in editor_drags)
    headless_memory = max(drag.memory for drag in headless_drags)
    print(
        f"  peak memory: screen {screen_memory:.0f} MB, engine {engine_memory:.0f} MB; "
        f"without a screen {headless_memory:.0f} MB"
    )
