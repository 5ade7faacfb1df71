"""The reporter of a drag: which progress and previews it sends, and when."""

from __future__ import annotations

import threading
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from draggan_engine.core.geometry import Size
from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.dragging.drag_loop import DragStep
from draggan_engine.networks import cpu_threads
from draggan_engine.networks.preview_fidelity import PreviewFidelity
from draggan_engine.server.drag_reporter import (
    LIVE_PREVIEW_SHARE,
    PREVIEW_INTERVAL,
    PREVIEW_SHARE,
    PROGRESS_INTERVAL,
    DragReporter,
)
from draggan_engine.server.messages import DragPreview, DragProgress, Event
from tests.support.patience import PATIENCE


class ReportedDrag:
    """A reporter with a clock of its own, and the events that it has sent."""

    def __init__(
        self,
        preview_seconds: float = 0.0,
        *,
        may_render: threading.Event | None = None,
        error: Exception | None = None,
        fidelity: PreviewFidelity = PreviewFidelity(Size(8, 8)),  # noqa: B008 (frozen)
        busy_share: float = 0.0,
        is_live: bool = False,
    ) -> None:
        """
        Args:
            preview_seconds: how long it takes to render a preview.
            may_render: if it is passed, previews are rendered beside the drag, once it is set.
            error: raised by the rendering.
            busy_share: for which part of the time the rendering thread waits for a core.
        """
        self.now = 100.0
        self.events: list[Event] = []
        self.control = DragControl()

        self.dtypes: list[torch.dtype | None] = []
        self.thread_counts: list[int] = []

        def render(height: int, dtype: torch.dtype | None) -> np.ndarray:
            self.dtypes.append(dtype)
            self.thread_counts.append(torch.get_num_threads())
            if may_render is not None:
                may_render.wait(PATIENCE)
            self.now += preview_seconds
            if error is not None:
                raise error
            return np.zeros((height, height, 3), np.uint8)

        self.reporter = DragReporter(
            Mock(send=self.events.append),
            Mock(image_renderer=lambda height, dtype: lambda: render(height, dtype), control=self.control),
            None if is_live else 9,
            fidelity,
            renders_beside_drag=may_render is not None,
            clock=lambda: self.now,
            thread_clock=lambda: (1 - busy_share) * self.now,
        )
        self.step_count = 0

    def steps(self, count: int, seconds: float, *, previews_are_shown: bool = True) -> None:
        for _ in range(count):
            self.now += seconds
            self.step_count += 1
            if previews_are_shown:
                self.control.preview_shown()
            self.reporter.step(DragStep(self.step_count, 1.0, ((1.0, 2.0),), 3.0, torch.zeros(1), 1.5))

    def progress_steps(self) -> list[int]:
        return [event.step for event in self.events if isinstance(event, DragProgress)]

    def preview_count(self) -> int:
        return sum(isinstance(event, DragPreview) for event in self.events)


def set_event() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_slow_steps_are_all_reported() -> None:
    drag = ReportedDrag()
    drag.steps(8, 1.01 * PROGRESS_INTERVAL)
    assert drag.progress_steps() == list(range(1, 9))


def test_some_of_many_quick_steps_are_reported_and_the_last_one_when_the_drag_rests() -> None:
    drag = ReportedDrag()
    drag.steps(99, PROGRESS_INTERVAL / 3.01)
    assert drag.progress_steps()[0] == 1
    assert len(drag.progress_steps()) < 40
    assert drag.progress_steps()[-1] != 99
    drag.reporter.rest()
    assert drag.progress_steps()[-1] == 99
    drag.reporter.rest()
    assert drag.progress_steps().count(99) == 1


def test_a_step_of_the_fallback_is_reported_as_one() -> None:
    drag = ReportedDrag()
    for step in (1, 2):
        drag.now += 1
        drag.reporter.step(DragStep(step, 1.0, ((1.0, 2.0),), 3.0, torch.zeros(1), 1.5, is_fallback=step == 2))
        drag.reporter.end()
    progress = [event for event in drag.events if isinstance(event, DragProgress)]
    assert [(event.step, event.is_fallback) for event in progress] == [(1, False), (2, True)]


def test_the_last_step_is_reported_at_the_end() -> None:
    drag = ReportedDrag()
    drag.steps(5, PROGRESS_INTERVAL / 10)
    drag.reporter.end()
    drag.reporter.end()
    assert drag.progress_steps() == [1, 5]


def test_a_preview_comes_right_after_the_progress_of_its_step() -> None:
    drag = ReportedDrag()
    for _ in range(50):
        before = len(drag.events)
        drag.steps(1, 0.01)
        new = drag.events[before:]
        if any(isinstance(event, DragPreview) for event in new):
            assert [type(event) for event in new] == [DragProgress, DragPreview]
            assert drag.progress_steps()[-1] == drag.step_count
    assert drag.preview_count() > 3


@pytest.mark.parametrize(("is_live", "share"), [(False, PREVIEW_SHARE), (True, LIVE_PREVIEW_SHARE)])
@pytest.mark.parametrize("seconds", [0.001, 0.05, 0.4])
def test_previews_take_no_more_than_their_share_of_the_time(seconds: float, is_live: bool, share: float) -> None:
    drag = ReportedDrag(seconds, is_live=is_live)
    began = drag.now
    drag.steps(2000, 0.01)
    spent = drag.now - began
    assert drag.preview_count() * seconds <= share * spent + seconds
    assert drag.preview_count() <= spent / PREVIEW_INTERVAL
    assert drag.preview_count() > 0.8 * min(share / seconds, 1 / PREVIEW_INTERVAL) * spent - 2


def test_a_preview_rendered_beside_the_drag_comes_after_its_progress_and_before_later_progress() -> None:
    may_render = threading.Event()
    drag = ReportedDrag(may_render=may_render)
    with drag.reporter:
        drag.steps(5, 1.01 * PREVIEW_INTERVAL)
        assert drag.events == [], "the first step is being drawn"
        may_render.set()
        drag.reporter.end()
    assert [type(event) for event in drag.events] == [DragProgress, DragPreview, DragProgress]
    assert drag.progress_steps() == [1, 5]


def test_previews_rendered_beside_the_drag_are_not_limited_to_a_share() -> None:
    may_render = set_event()
    drag = ReportedDrag(10.0, may_render=may_render)
    with drag.reporter:
        for _ in range(200):
            drag.steps(1, 1.01 * PREVIEW_INTERVAL)
            drag.reporter.finish_preview()
    assert drag.preview_count() > 50, "with their share there would be one in 80 s"


@pytest.mark.parametrize(("busy", "least", "most"), [(0.0, 100, 130), (0.5, 25, 35), (0.8, 25, 35)])
def test_previews_rendered_beside_the_drag_are_limited_where_no_core_is_idle(
    busy: float, least: int, most: int
) -> None:
    """Each takes a tenth of a second of work; `busy` is the part of the time in which the painter waits for a core."""
    may_render = set_event()
    drag = ReportedDrag(0.1 / (1 - busy), may_render=may_render, busy_share=busy)
    with drag.reporter:
        while drag.now < 125:
            drag.steps(1, 0.1)
            drag.reporter.finish_preview()
    assert least < drag.preview_count() < most


@pytest.mark.parametrize("beside", [True, False])
def test_a_drag_continues_when_its_previews_cannot_be_rendered(beside: bool) -> None:
    may_render = set_event()
    drag = ReportedDrag(may_render=may_render if beside else None, error=MemoryError("all gone"))
    with drag.reporter:
        drag.steps(20, 1.0)
        drag.reporter.end()
    assert drag.preview_count() == 0
    assert drag.progress_steps()[-1] == 20
    assert not drag.control.preview_pending


def test_previews_of_a_resting_drag_do_not_count_towards_the_share() -> None:
    drag = ReportedDrag(0.2)
    for _ in range(30):
        drag.steps(1, 0.3)
        drag.reporter.rest()
    shown = drag.preview_count()
    drag.steps(40, 0.3)
    assert drag.preview_count() > shown + 4


def test_no_preview_is_sent_before_the_last_one_is_on_the_screen() -> None:
    drag = ReportedDrag()
    drag.steps(200, 0.01, previews_are_shown=False)
    assert drag.preview_count() == 1
    drag.steps(20, 0.01)
    assert drag.preview_count() > 1


def test_time_at_rest_does_not_slow_the_rate() -> None:
    drag = ReportedDrag()
    drag.steps(10, 0.1)
    drag.reporter.rest()
    drag.now += 1000
    drag.steps(10, 0.1)
    rates = [event.steps_per_second for event in drag.events if isinstance(event, DragProgress)]
    assert rates == pytest.approx([10] * 20)


def test_steps_that_end_a_rest_do_not_count_for_the_rate() -> None:
    drag = ReportedDrag()
    drag.steps(4, 0.1)
    for _ in range(50):
        drag.reporter.rest()
        drag.steps(1, 1.0)
    assert [event.steps_per_second for event in drag.events if isinstance(event, DragProgress)] == pytest.approx(
        [10] * 54
    )


def test_previews_have_the_cheapest_height_and_the_full_one_when_the_drag_rests() -> None:
    drag = ReportedDrag(fidelity=PreviewFidelity(Size(64, 64), faithful_heights=(16, 32)))
    for view in (Size(8, 8), Size(32, 20), Size(33, 8)):
        drag.control.set_preview_size(view)
        drag.steps(1, 1.0)
    drag.control.set_preview_size(Size(8, 8))
    drag.steps(1, 1.0)
    drag.reporter.rest()
    drag.reporter.rest()
    heights = [event.image.height for event in drag.events if isinstance(event, DragPreview)]
    assert heights == [16, 32, 64, 16, 64], "the one at rest is drawn once"


def test_the_image_of_a_resting_drag_is_rendered_in_the_models_own_number_type() -> None:
    drag = ReportedDrag(fidelity=PreviewFidelity(Size(64, 64), dtype=torch.bfloat16))
    drag.steps(2, 1.0)
    drag.reporter.rest()
    drag.reporter.rest()
    assert drag.dtypes == [torch.bfloat16, torch.bfloat16, None]


def test_a_full_image_is_not_sent_again_when_the_drag_rests() -> None:
    drag = ReportedDrag()
    drag.steps(1, 1.0)
    drag.reporter.rest()
    assert drag.preview_count() == 1
    drag.steps(1, 0.0)
    drag.reporter.rest()
    assert drag.preview_count() == 2


@pytest.mark.parametrize(("beside", "thread_count"), [(True, 1), (False, 3)])
def test_a_large_preview_is_rendered_by_all_threads_while_the_drag_waits(
    beside: bool, thread_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_threads, "MAX_THREADS", 3)
    thread_count_before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        drag = ReportedDrag(may_render=set_event() if beside else None, fidelity=PreviewFidelity(Size(256, 256)))
        with drag.reporter:
            drag.steps(1, 1.0)
            drag.reporter.finish_preview()
        assert torch.get_num_threads() == 1
        assert drag.thread_counts == [thread_count]
    finally:
        torch.set_num_threads(thread_count_before)
