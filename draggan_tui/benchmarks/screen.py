"""`draggan-tui bench screen`: what a frame costs, how soon a key is painted, and what the screen costs a drag."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .drag_pace import Dragged, Watched, drag_headless, drag_in_editor
from .editor import SIZE, TYPED_PAIR, open_editor, until_picture
from .frame_cost import SIZES, frame_costs
from .key_paint import Paint, paints
from .statistics import median_ratio, percentile, spread_line, target_line

AT_REST, DRAGGING = 30.0, 60.0  # ms, p95 of a key's paint
FRAME_RATE = 10.0
STEPS = 200  # of a drag
SLOWER = 1.2  # times a step's time without a screen


def bench_screen(keys: int, rounds: int) -> None:
    """Measures, and prints.

    Args:
        keys: pressed at rest, and again during a drag.
        rounds: of the frames, and of the drags.

    Raises:
        BenchmarkError: the editor does not do what it should.
    """
    for size in SIZES:
        _show_frames(size, rounds)
    _show_keys(keys)
    _show_drags(rounds)


def _show_frames(size: tuple[int, int], rounds: int) -> None:
    costs = asyncio.run(frame_costs(size, rounds))
    ours = next(iter(costs.values()))
    print(f"a frame of {size[0]}×{size[1]} pixels")
    for name, cost in costs.items():
        ratio = cost.spent / ours.spent
        print(f"  {name:<24} {cost.spent:7.1f} ms  {ratio:6.1f} ×  {cost.sent / 1e3:7.1f} kB", flush=True)


def _show_keys(count: int) -> None:
    columns, rows = SIZE
    with tempfile.TemporaryDirectory() as directory, open_editor(Path(directory)) as terminal:
        until_picture(terminal)
        terminal.send("\x1b")  # no hints
        terminal.rest(1.0)
        print(f"from a key to its paint, {count} keys, {columns}×{rows} cells")
        resting = _show_paints("at rest", paints(terminal, count), AT_REST)
        terminal.send(f"{TYPED_PAIR}9999.")
        terminal.until(lambda output: b"steps/s" in output[-100_000:], "the drag's first step")
        dragging = _show_paints("during a drag", paints(terminal, count), DRAGGING)
    print(f"  ratio of the p95s: {dragging / resting:.2f}", flush=True)


def _show_paints(name: str, measured: Sequence[Paint], target: float) -> float:
    """Returns the p95 of the whole way."""
    done = [paint.done for paint in measured]
    p95 = percentile(done, 0.95)
    print(f" {name}, {statistics.mean(paint.bytes for paint in measured) / 1e3:.1f} kB a key")
    print(spread_line("first byte", [paint.first for paint in measured], "ms"))
    print(spread_line("painted", done, "ms"))
    print(target_line(f"p95 of painted ≤ {target:.0f} ms", p95 <= target), flush=True)
    return p95


def _show_drags(rounds: int) -> None:
    print(f"a drag of {STEPS} steps, {SIZE[0]}×{SIZE[1]} cells")
    watched: list[Watched] = []
    headless: list[Dragged] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            watched.append(drag_in_editor(Path(directory), STEPS))
        with tempfile.TemporaryDirectory() as directory:
            headless.append(drag_headless(Path(directory), STEPS))
        print(f"  {watched[-1].pace:6.1f} steps/s in the editor, {headless[-1].pace:6.1f} without a screen", flush=True)
    slower = median_ratio([drag.pace for drag in headless], [drag.pace for drag in watched])
    rate = statistics.median(drag.frame_rate for drag in watched)
    sent = statistics.median(drag.frame_bytes for drag in watched)
    print(f"  {rate:.1f} frames/s, {sent / 1e3:.0f} kB a frame")
    print(target_line(f"≥ {FRAME_RATE:.0f} frames/s", rate >= FRAME_RATE))
    print(f"  a step takes {slower:.2f} × as long as without a screen")
    print(target_line(f"≤ {SLOWER} ×", slower <= SLOWER))
    screen, engine = max(drag.screen for drag in watched), max(drag.memory for drag in watched)
    alone = max(drag.memory for drag in headless)
    print(f"  peak memory: screen {screen:.0f} MB, engine {engine:.0f} MB; without a screen {alone:.0f} MB")
