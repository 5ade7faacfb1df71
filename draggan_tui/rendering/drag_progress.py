"""How far a drag is: a bar, how long it may still take, and its curves, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from textual.content import Content

from draggan_engine.server.messages import DragProgress

from .inspector_text import ACCENT, MUTED

PANEL_WIDTH = 30
RECENT_STEPS = 20
"""Steps over which the decrease of the distance is measured."""
_CURVE = 13  # columns of a sparkline
_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass
class DragCurves:
    """What a drag has reported so far.

    Attributes:
        number: of the drag.
        stop_distance: in pixels; the drag ends when every handle is that near.
        live: the target follows the cursor, so nothing is known of the drag's end.
        last: the newest report.
        steps, distances: of all reports.
        losses: of those that have one.
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


def remaining_seconds(
    steps: Sequence[int],
    distances: Sequence[float],
    stop_distance: float,
    steps_per_second: float,
    max_steps: int | None,
) -> float | None:
    """How long the drag still takes if the mean distance goes on to fall as it did in the last `RECENT` steps.

    Args:
        steps, distances: step numbers, and the mean distance in pixels after each.
        stop_distance: the distance at which the drag ends.
        max_steps: the step at which it ends in any case, if there is one.

    Returns:
        None while the distance does not fall; never more than the step limit allows.
    """
    if len(steps) < 2 or steps_per_second <= 0:
        return None
    first = next(index for index, step in enumerate(steps) if step >= steps[-1] - RECENT_STEPS)
    if steps[first] == steps[-1]:
        return None
    decrease = (distances[first] - distances[-1]) / (steps[-1] - steps[first])
    if decrease <= 0:
        return None
    left = max(distances[-1] - stop_distance, 0) / decrease
    if max_steps is not None:
        left = min(left, max_steps - steps[-1])
    return left / steps_per_second


def covered_share(curves: DragCurves) -> float:
    """0 … 1: how much of the way from the first distance to the stop distance is behind."""
    if not curves.distances or curves.live:
        return 0.0
    way = curves.distances[0] - curves.stop_distance
    covered = (curves.distances[0] - curves.distances[-1]) / way if way > 0 else 0.0
    return min(max(covered, 0.0), 1.0)


def completed_share(curves: DragCurves) -> float:
    """0 … 1: the covered share, or that of the steps, which may end the drag sooner."""
    if curves.last is None or curves.live or not curves.last.max_steps:
        return covered_share(curves)
    return max(covered_share(curves), min(curves.last.step / curves.last.max_steps, 1.0))


def drag_lines(curves: DragCurves, outcome: tuple[str, str] | None = None) -> Content:
    """Title and steps; bar; rate and remaining time; loss and distance, each with its curve.

    Args:
        outcome: of a drag that is over: why it ended, and what is left.
    """
    last = curves.last
    steps = "" if last is None else _steps(last)
    loss = f"{curves.losses[-1]:.4f}" if curves.losses else "–"
    distance = f"{curves.distances[-1]:.1f}" if curves.distances else "–"
    rate = "" if last is None else f"{last.steps_per_second:.1f} steps/s"
    return Content("\n").join(
        [
            Content.styled(_apart(f"drag {curves.number}{' · live' if curves.live else ''}", steps), MUTED),
            progress_bar(completed_share(curves) if outcome is None else covered_share(curves)),
            Content(_apart(*outcome) if outcome is not None else _apart(rate, _time_left(curves))),
            _curve("loss", loss, curves.losses),
            _curve("distance", distance, curves.distances),
        ]
    )


def progress_text(curves: DragCurves) -> str:
    """One line where there is no room for more: `34/300  12.4 px to go  0:04 left`."""
    if curves.last is None:
        return ""
    parts = (_steps(curves.last), f"{curves.distances[-1]:.1f} px to go", _time_left(curves))
    return "  ".join(part for part in parts if part)


def progress_bar(share: float, width: int = PANEL_WIDTH) -> Content:
    """A line of `width` columns, its first part thick."""
    halves = round(2 * width * share)
    done = "━" * (halves // 2) + "╸" * (halves % 2)
    return Content.assemble((done, ACCENT), ("─" * (width - len(done)), MUTED))


def sparkline(values: Sequence[float], width: int) -> str:
    """One sign for each value, or for the mean of several neighbours; the lowest is ▁, the highest █."""
    if not values:
        return ""
    parts = np.array_split(np.asarray(values, dtype=np.float64), min(len(values), width))
    means = np.array([part.mean() for part in parts])
    low, high = means.min(), means.max()
    levels = np.rint((means - low) / (high - low) * 7) if high > low else np.zeros(len(means))
    return "".join(_BLOCKS[int(level)] for level in levels)


def _steps(progress: DragProgress) -> str:
    return f"{progress.step}" if progress.max_steps is None else f"{progress.step}/{progress.max_steps}"


def _time_left(curves: DragCurves) -> str:
    last = curves.last
    if last is None or curves.live:
        return ""
    seconds = remaining_seconds(
        curves.steps, curves.distances, curves.stop_distance, last.steps_per_second, last.max_steps
    )
    if seconds is None:
        return "– left"
    minutes, rest = divmod(round(min(seconds, 5999)), 60)
    return f"{minutes}:{rest:02} left"


def _curve(label: str, value: str, values: Sequence[float]) -> Content:
    return Content.assemble((f"{label:>8}", MUTED), f" {value:>7} ", (sparkline(values, _CURVE), ACCENT))


def _apart(left: str, right: str) -> str:
    return f"{left}{right:>{PANEL_WIDTH - len(left)}}"
