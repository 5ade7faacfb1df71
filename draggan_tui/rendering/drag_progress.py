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
_SPARK_BLOCKS = "▁▂▃▄▅▆▇█"


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
    step_numbers, distances, last_report = curves.steps, curves.distances, curves.last
    if last_report is None or len(step_numbers) < 2 or last_report.steps_per_second <= 0:
        return None
    first_recent = next(
        report_index
        for report_index, step_number in enumerate(step_numbers)
        if step_number >= step_numbers[-1] - RECENT_STEPS
    )
    if step_numbers[first_recent] == step_numbers[-1]:
        return None
    step_decrease = (distances[first_recent] - distances[-1]) / (step_numbers[-1] - step_numbers[first_recent])
    if step_decrease <= 0:
        return None
    steps_left = max(distances[-1] - curves.stop_distance, 0) / step_decrease
    if last_report.max_steps is not None:
        steps_left = min(steps_left, last_report.max_steps - step_numbers[-1])
    return steps_left / last_report.steps_per_second


def covered_share(curves: DragCurves) -> float:
    """Return 0 … 1: how much of the distance from the first report to the stop distance is covered."""
    if not curves.distances or curves.live:
        return 0.0
    total_distance = curves.distances[0] - curves.stop_distance
    covered_part = (curves.distances[0] - curves.distances[-1]) / total_distance if total_distance > 0 else 0.0
    return min(max(covered_part, 0.0), 1.0)


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
    last_report = curves.last
    steps_text = "" if last_report is None else _steps_text(last_report)
    loss_text = f"{curves.losses[-1]:.4f}" if curves.losses else "–"
    distance_text = f"{curves.distances[-1]:.1f}" if curves.distances else "–"
    rate_text = "" if last_report is None else f"{last_report.steps_per_second:.1f} steps/s"
    return Content("\n").join(
        [
            Content.styled(_justified(f"drag {curves.number}{' · live' if curves.live else ''}", steps_text), MUTED),
            progress_bar(completed_share(curves) if outcome is None else covered_share(curves)),
            Content(_justified(*outcome) if outcome is not None else _justified(rate_text, _time_left_text(curves))),
            _curve_line("loss", loss_text, curves.losses),
            _curve_line("distance", distance_text, curves.distances),
        ]
    )


def progress_text(curves: DragCurves) -> str:
    """Return one line, for screens without a side panel: `34/300  12.4 px to go  0:04 left`."""
    if curves.last is None:
        return ""
    progress_parts = (_steps_text(curves.last), f"{curves.distances[-1]:.1f} px to go", _time_left_text(curves))
    return "  ".join(progress_part for progress_part in progress_parts if progress_part)


def progress_bar(thick_share: float, width: int = PANEL_WIDTH) -> Content:
    """Return a line of `width` columns whose first part is thick."""
    half_columns = round(2 * width * thick_share)
    thick_part = "━" * (half_columns // 2) + "╸" * (half_columns % 2)
    return Content.assemble((thick_part, ACCENT), ("─" * (width - len(thick_part)), MUTED))


def sparkline(values: Sequence[float], width: int) -> str:
    """Return one block for each value, or for the mean of neighbours; the lowest value is ▁, the highest █."""
    if not values:
        return ""
    value_groups = np.array_split(np.asarray(values, dtype=np.float64), min(len(values), width))
    group_means = np.array([value_group.mean() for value_group in value_groups])
    lowest_mean, highest_mean = group_means.min(), group_means.max()
    block_levels = (
        np.rint((group_means - lowest_mean) / (highest_mean - lowest_mean) * 7)
        if highest_mean > lowest_mean
        else np.zeros(len(group_means))
    )
    return "".join(_SPARK_BLOCKS[int(block_level)] for block_level in block_levels)


def _steps_text(progress: DragProgress) -> str:
    return f"{progress.step}" if progress.max_steps is None else f"{progress.step}/{progress.max_steps}"


def _time_left_text(curves: DragCurves) -> str:
    if curves.last is None or curves.live:
        return ""
    return time_left_text(remaining_seconds(curves))


def time_left_text(seconds_left: float | None) -> str:
    """Return `0:35 left`, or `– left` if it is not known."""
    if seconds_left is None:
        return "– left"
    whole_minutes, rest_seconds = divmod(round(min(seconds_left, 5999)), 60)
    return f"{whole_minutes}:{rest_seconds:02} left"


def _curve_line(curve_label: str, value_text: str, curve_values: Sequence[float]) -> Content:
    return Content.assemble(
        (f"{curve_label:>8}", MUTED), f" {value_text:>7} ", (sparkline(curve_values, _CURVE_WIDTH), ACCENT)
    )


def _justified(left_text: str, right_text: str) -> str:
    """Return two texts at both ends of a line."""
    return f"{left_text}{right_text:>{PANEL_WIDTH - len(left_text)}}"
