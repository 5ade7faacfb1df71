"""The progress of a drag, as text: a bar, the remaining time, and curves of loss and distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from textual.content import Content

from draggan_engine.server.messages import DragProgress

from .inspector_text import ACCENT, MUTED

PANEL_WIDTH = 30
RECENT_STEPS = 20
"""Number of steps over which the decrease of the distance is measured."""
_CURVE_WIDTH = 13
_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass
class DragCurves:
    """What a drag has reported so far.

    Attributes:
        number: number of the drag.
        stop_distance: in pixels; the drag ends when every handle is this near to its target.
        live: whether the target follows the cursor, so that the end of the drag cannot be foreseen.
        last: the newest report.
        steps, distances: step number and mean distance in pixels of every report.
        losses: the loss of every report that has one.
    """

    number: int
    stop_distance: float = 1.0
    live: bool = False
    last: DragProgress | None = None
    steps: list[int] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def add(self, progress: DragProgress) -> None:
        self.last = progress
        self.steps.append(progress.step)
        self.distances.append(progress.mean_distance)
        if progress.loss is not None:
            self.losses.append(progress.loss)


def remaining_seconds(curves: DragCurves) -> float | None:
    """Return how long the drag still takes if the distance keeps falling as it did in the last `RECENT_STEPS` steps.

    Returns:
        Never more than the step limit allows. None: the distance does not fall, or there are too few reports.
    """
    steps, distances, last = curves.steps, curves.distances, curves.last
    if last is None or len(steps) < 2 or last.steps_per_second <= 0:
        return None
    first = next(index for index, step in enumerate(steps) if step >= steps[-1] - RECENT_STEPS)
    if steps[first] == steps[-1]:
        return None
    decrease = (distances[first] - distances[-1]) / (steps[-1] - steps[first])
    if decrease <= 0:
        return None
    steps_left = max(distances[-1] - curves.stop_distance, 0) / decrease
    if last.max_steps is not None:
        steps_left = min(steps_left, last.max_steps - steps[-1])
    return steps_left / last.steps_per_second


def covered_share(curves: DragCurves) -> float:
    """Return 0 … 1: how much of the distance from the first report to the stop distance is covered."""
    if not curves.distances or curves.live:
        return 0.0
    total = curves.distances[0] - curves.stop_distance
    covered = (curves.distances[0] - curves.distances[-1]) / total if total > 0 else 0.0
    return min(max(covered, 0.0), 1.0)


def completed_share(curves: DragCurves) -> float:
    """Return 0 … 1: the covered share, or the share of the step limit if that is larger."""
    if curves.last is None or curves.live or not curves.last.max_steps:
        return covered_share(curves)
    return max(covered_share(curves), min(curves.last.step / curves.last.max_steps, 1.0))


def drag_lines(curves: DragCurves, outcome: tuple[str, str] | None = None) -> Content:
    """Return five lines: title and steps; bar; rate and remaining time; loss and distance, each with its curve.

    Args:
        outcome: why the drag ended, and what distance is left. None: the drag is running.
    """
    last = curves.last
    steps = "" if last is None else _steps_text(last)
    loss = f"{curves.losses[-1]:.4f}" if curves.losses else "–"
    distance = f"{curves.distances[-1]:.1f}" if curves.distances else "–"
    rate = "" if last is None else f"{last.steps_per_second:.1f} steps/s"
    return Content("\n").join(
        [
            Content.styled(_justified(f"drag {curves.number}{' · live' if curves.live else ''}", steps), MUTED),
            progress_bar(completed_share(curves) if outcome is None else covered_share(curves)),
            Content(_justified(*outcome) if outcome is not None else _justified(rate, _time_left_text(curves))),
            _curve_line("loss", loss, curves.losses),
            _curve_line("distance", distance, curves.distances),
        ]
    )


def progress_text(curves: DragCurves) -> str:
    """Return one line, for screens without a side panel: `34/300  12.4 px to go  0:04 left`."""
    if curves.last is None:
        return ""
    parts = (_steps_text(curves.last), f"{curves.distances[-1]:.1f} px to go", _time_left_text(curves))
    return "  ".join(part for part in parts if part)


def progress_bar(share: float, width: int = PANEL_WIDTH) -> Content:
    """Return a line of `width` columns whose first part is thick."""
    half_columns = round(2 * width * share)
    thick_part = "━" * (half_columns // 2) + "╸" * (half_columns % 2)
    return Content.assemble((thick_part, ACCENT), ("─" * (width - len(thick_part)), MUTED))


def sparkline(values: Sequence[float], width: int) -> str:
    """Return one block for each value, or for the mean of neighbours; the lowest value is ▁, the highest █."""
    if not values:
        return ""
    parts = np.array_split(np.asarray(values, dtype=np.float64), min(len(values), width))
    means = np.array([part.mean() for part in parts])
    low, high = means.min(), means.max()
    levels = np.rint((means - low) / (high - low) * 7) if high > low else np.zeros(len(means))
    return "".join(_BLOCKS[int(level)] for level in levels)


def _steps_text(progress: DragProgress) -> str:
    return f"{progress.step}" if progress.max_steps is None else f"{progress.step}/{progress.max_steps}"


def _time_left_text(curves: DragCurves) -> str:
    if curves.last is None or curves.live:
        return ""
    seconds = remaining_seconds(curves)
    if seconds is None:
        return "– left"
    minutes, rest = divmod(round(min(seconds, 5999)), 60)
    return f"{minutes}:{rest:02} left"


def _curve_line(label: str, value: str, values: Sequence[float]) -> Content:
    return Content.assemble((f"{label:>8}", MUTED), f" {value:>7} ", (sparkline(values, _CURVE_WIDTH), ACCENT))


def _justified(left: str, right: str) -> str:
    """Return two texts at both ends of a line."""
    return f"{left}{right:>{PANEL_WIDTH - len(left)}}"
