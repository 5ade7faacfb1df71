"""The progress of a drag, and the time that it still takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draggan_engine.server.messages import DragProgress
from draggan_tui.rendering.drag_progress import (
    PANEL_WIDTH,
    DragCurves,
    completed_share,
    drag_lines,
    progress_bar,
    progress_text,
    remaining_seconds,
    sparkline,
)


def progress(
    step: int, mean_distance: float, max_steps: int | None = 300, steps_per_second: float = 10
) -> DragProgress:
    return DragProgress(
        step=step,
        max_steps=max_steps,
        loss=0.1,
        mean_distance=mean_distance,
        handles=(),
        steps_per_second=steps_per_second,
    )


def curves(distances: list[float], max_steps: int | None = 300, *, live: bool = False) -> DragCurves:
    drag = DragCurves(2, 1.0, live)
    for step, mean_distance in enumerate(distances, start=1):
        drag.add(progress(step, mean_distance, max_steps))
    return drag


def left(distances: list[float], max_steps: int | None = 300) -> float | None:
    return remaining_seconds(curves(distances, max_steps))


def test_the_remaining_time_follows_the_distance() -> None:
    assert left([21, 20, 19, 18]) == pytest.approx(1.7), "17 px at 1 px a step and 10 steps a second"
    assert left([21, 20.5, 20, 19.5, 19]) == pytest.approx(3.6)


def test_only_the_recent_steps_count() -> None:
    slow_then_fast = [50 - 0.1 * step for step in range(100)] + [40 - step for step in range(21)]
    assert left(slow_then_fast) == pytest.approx(1.9, abs=0.15)


def test_the_remaining_time_is_never_longer_than_the_step_limit_allows() -> None:
    assert left([100, 99.99], max_steps=12) == pytest.approx(1.0)
    assert left([100, 99.99], max_steps=None) == pytest.approx(989.9, rel=1e-3)


@pytest.mark.parametrize("distances", [[], [5.0], [5.0, 5.0], [5.0, 6.0], [9.0, 5.0, 9.5]])
def test_there_is_no_remaining_time_while_the_distance_does_not_fall(distances: list[float]) -> None:
    assert left(distances) is None


def test_unreported_steps_are_counted() -> None:
    drag = DragCurves(1, stop_distance=1.0)
    for step, distance in ((10, 9.0), (14, 5.0)):
        drag.add(progress(step, distance, steps_per_second=2))
    assert remaining_seconds(drag) == pytest.approx(2.0)


@given(st.lists(st.floats(0, 1e4), max_size=60), st.floats(0, 100), st.floats(0, 1e3), st.integers(60, 400))
def test_the_remaining_time_is_within_its_limits_for_any_reports(
    distances: list[float], stop: float, rate: float, max_steps: int
) -> None:
    drag = DragCurves(1, stop)
    for step, distance in enumerate(distances, start=1):
        drag.add(progress(step, distance, max_steps, rate))
    seconds = remaining_seconds(drag)
    assert seconds is None or 0 <= seconds <= (max_steps - len(distances)) / rate


def test_the_completed_share_is_that_of_the_distance_or_of_the_steps() -> None:
    assert completed_share(curves([])) == 0
    assert completed_share(curves([11, 6])) == pytest.approx(0.5)
    assert completed_share(curves([11, 12, 11], max_steps=4)) == pytest.approx(0.75)
    assert completed_share(curves([0.5])) == pytest.approx(1 / 300)
    assert completed_share(curves([11, 6], None, live=True)) == 0


def test_the_lines_of_a_running_drag() -> None:
    assert drag_lines(curves([21, 20, 19, 18])).plain.splitlines() == [
        "drag 2                   4/300",
        "━━━━╸─────────────────────────",
        "10.0 steps/s         0:02 left",
        "    loss  0.1000 ▁▁▁▁",
        "distance    18.0 █▆▃▁",
    ]
    assert drag_lines(curves([5, 6])).plain.splitlines()[2] == "10.0 steps/s            – left"


def test_the_progress_in_one_line() -> None:
    assert progress_text(curves([21, 20, 19, 18])) == "4/300  18.0 px to go  0:02 left"
    assert progress_text(curves([5, 4], None, live=True)) == "2  4.0 px to go"
    assert progress_text(DragCurves(1)) == ""


def test_a_finished_drag_shows_the_covered_distance() -> None:
    lines = drag_lines(curves([11, 6], max_steps=2), ("done", "6.0 px left")).plain.splitlines()
    assert lines[1:3] == ["━" * 15 + "─" * 15, "done               6.0 px left"]


def test_a_live_drag_shows_no_remaining_time() -> None:
    lines = drag_lines(curves([5, 4], None, live=True)).plain.splitlines()
    assert lines[:3] == ["drag 2 · live                2", PANEL_WIDTH * "─", "10.0 steps/s".ljust(PANEL_WIDTH)]


@pytest.mark.parametrize("live", [False, True])
def test_progress_never_has_the_colour_of_errors(live: bool) -> None:
    styles = {str(span.style) for span in drag_lines(curves([9, 5], None if live else 300, live=live)).spans}
    assert styles == {"$foreground-muted", "$text-accent"}


@pytest.mark.parametrize(("share", "text"), [(0, "────"), (0.1, "╸───"), (0.25, "━───"), (0.6, "━━╸─"), (1, "━━━━")])
def test_the_bar(share: float, text: str) -> None:
    assert progress_bar(share, 4).plain == text


def test_sparklines() -> None:
    assert sparkline([], 5) == ""
    assert sparkline([3, 3], 5) == "▁▁"
    assert sparkline(range(8), 8) == "▁▂▃▄▅▆▇█"
    assert sparkline(range(16), 4) == "▁▃▆█"
    assert len(sparkline(range(1000), 13)) == 13
