"""What the client is told of a drag: enough, and no more than the drag can bear."""

from __future__ import annotations

import threading
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from draggan_engine.core.geometry import Size
from draggan_engine.dragging import DragStep
from draggan_engine.networks.preview_fidelity import PreviewHeights
from draggan_engine.server import drag_reporter
from draggan_engine.server.drag_control import Steering
from draggan_engine.server.drag_reporter import PREVIEW_INTERVAL, PREVIEW_SHARE, PROGRESS_INTERVAL, DragTeller
from draggan_engine.server.messages import DragPreview, DragProgress, Event
from tests.support.patience import PATIENCE


class Drag:
    """A teller, its clock, and what it has said."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        picture_seconds: float = 0.0,
        *,
        painted: threading.Event | None = None,
        error: Exception | None = None,
        heights: PreviewHeights = PreviewHeights(Size(8, 8)),  # noqa: B008 (frozen)
    ) -> None:
        """`painted`: pictures are drawn beside the drag and done when that is set; `error`: what becomes of them then."""
        self.now = 100.0
        self.said: list[Event] = []
        self.steering = Steering()
        monkeypatch.setattr(drag_reporter.time, "monotonic", lambda: self.now)

        def picture(height: int) -> np.ndarray:
            if painted is not None:
                painted.wait(PATIENCE)
            self.now += picture_seconds
            if error is not None:
                raise error
            return np.zeros((height, height, 3), np.uint8)

        session = Mock(image_renderer=lambda height: lambda: picture(height))
        outbox = Mock(send=self.said.append)
        self.teller = DragTeller(outbox, self.steering, session, 9, heights, beside=painted is not None)
        self.count = 0

    def steps(self, count: int, seconds: float, *, seen: bool = True) -> None:
        for _ in range(count):
            self.now += seconds
            self.count += 1
            self.steering.unseen = self.steering.unseen and not seen
            self.teller.step(DragStep(self.count, 1.0, ((1.0, 2.0),), 3.0, torch.zeros(1)))

    def await_painter(self) -> None:
        if self.teller._painting is not None:
            self.teller._painting.result(PATIENCE)

    def told(self) -> list[int]:
        return [event.step for event in self.said if isinstance(event, DragProgress)]

    def shown(self) -> int:
        return sum(isinstance(event, DragPreview) for event in self.said)


def test_slow_steps_are_all_told(monkeypatch: pytest.MonkeyPatch) -> None:
    drag = Drag(monkeypatch)
    drag.steps(8, 1.01 * PROGRESS_INTERVAL)
    assert drag.told() == list(range(1, 9))


def test_quick_steps_are_told_now_and_then_and_the_last_one_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    drag = Drag(monkeypatch)
    drag.steps(99, PROGRESS_INTERVAL / 3.01)
    assert drag.told()[0] == 1
    assert len(drag.told()) < 40
    assert drag.told()[-1] != 99
    drag.teller.rest()
    assert drag.told()[-1] == 99
    drag.teller.rest()
    assert drag.told().count(99) == 1


def test_the_last_step_is_told_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    drag = Drag(monkeypatch)
    drag.steps(5, PROGRESS_INTERVAL / 10)
    drag.teller.end()
    drag.teller.end()
    assert drag.told() == [1, 5]


def test_a_picture_comes_with_its_handles(monkeypatch: pytest.MonkeyPatch) -> None:
    drag = Drag(monkeypatch)
    for _ in range(50):
        before = len(drag.said)
        drag.steps(1, 0.01)
        new = drag.said[before:]
        if any(isinstance(event, DragPreview) for event in new):
            assert [type(event) for event in new] == [DragProgress, DragPreview]
            assert drag.told()[-1] == drag.count
    assert drag.shown() > 3


@pytest.mark.parametrize("seconds", [0.001, 0.05, 0.4])
def test_pictures_take_no_more_than_their_share(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    drag = Drag(monkeypatch, seconds)
    began = drag.now
    drag.steps(2000, 0.01)
    spent = drag.now - began
    assert drag.shown() * seconds <= PREVIEW_SHARE * spent + seconds
    assert drag.shown() <= spent / PREVIEW_INTERVAL
    assert drag.shown() > 0.8 * min(PREVIEW_SHARE / seconds, 1 / PREVIEW_INTERVAL) * spent - 2


def test_a_picture_beside_the_drag_comes_with_its_handles_and_nothing_overtakes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    painted = threading.Event()
    drag = Drag(monkeypatch, painted=painted)
    with drag.teller:
        drag.steps(5, 1.01 * PREVIEW_INTERVAL)
        assert drag.said == [], "the first step is being drawn"
        painted.set()
        drag.teller.end()
    assert [type(event) for event in drag.said] == [DragProgress, DragPreview, DragProgress]
    assert drag.told() == [1, 5]


def test_pictures_beside_the_drag_need_no_share_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    painted = threading.Event()
    painted.set()
    drag = Drag(monkeypatch, 10.0, painted=painted)
    with drag.teller:
        for _ in range(200):
            drag.steps(1, 1.01 * PREVIEW_INTERVAL)
            drag.await_painter()
    assert drag.shown() > 50, "with their share there would be one in 80 s"


@pytest.mark.parametrize(("busy", "least", "most"), [(0.0, 100, 130), (0.5, 25, 35), (0.8, 25, 35)])
def test_pictures_beside_a_drag_keep_to_their_share_where_no_core_is_idle(
    monkeypatch: pytest.MonkeyPatch, busy: float, least: int, most: int
) -> None:
    """Each takes a tenth of a second of work; `busy` is the part of the time in which the painter waits for a core."""
    painted = threading.Event()
    painted.set()
    drag = Drag(monkeypatch, 0.1 / (1 - busy), painted=painted)
    monkeypatch.setattr(drag_reporter.time, "thread_time", lambda: (1 - busy) * drag.now)
    with drag.teller:
        while drag.now < 125:
            drag.steps(1, 0.1)
            drag.teller._await_painter()
    assert least < drag.shown() < most


@pytest.mark.parametrize("beside", [True, False])
def test_a_drag_goes_on_without_pictures(monkeypatch: pytest.MonkeyPatch, beside: bool) -> None:
    painted = threading.Event()
    painted.set()
    drag = Drag(monkeypatch, painted=painted if beside else None, error=MemoryError("all gone"))
    with drag.teller:
        drag.steps(20, 1.0)
        drag.teller.end()
    assert drag.shown() == 0
    assert drag.told()[-1] == 20
    assert not drag.steering.unseen


def test_pictures_at_rest_take_nothing_of_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    drag = Drag(monkeypatch, 0.2)
    for _ in range(30):
        drag.steps(1, 0.3)
        drag.teller.rest()
    shown = drag.shown()
    drag.steps(40, 0.3)
    assert drag.shown() > shown + 4


def test_no_picture_before_the_last_one_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    drag = Drag(monkeypatch)
    drag.steps(200, 0.01, seen=False)
    assert drag.shown() == 1
    drag.steps(20, 0.01)
    assert drag.shown() > 1


def test_time_at_rest_does_not_slow_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    drag = Drag(monkeypatch)
    drag.steps(10, 0.1)
    drag.teller.rest()
    drag.now += 1000
    drag.steps(10, 0.1)
    rates = [event.steps_per_second for event in drag.said if isinstance(event, DragProgress)]
    assert rates == pytest.approx([10] * 20)


def test_steps_that_each_end_a_rest_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    drag = Drag(monkeypatch)
    drag.steps(4, 0.1)
    for _ in range(50):
        drag.teller.rest()
        drag.steps(1, 1.0)
    assert [event.steps_per_second for event in drag.said if isinstance(event, DragProgress)] == pytest.approx(
        [10] * 54
    )


def test_a_drag_is_shown_by_images_like_the_full_one_and_at_rest_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    drag = Drag(monkeypatch, heights=PreviewHeights(Size(64, 64), faithful_heights=(16, 32)))
    for view in (Size(8, 8), Size(32, 20), Size(33, 8)):
        drag.steering.look = view
        drag.steps(1, 1.0)
    drag.steering.look = Size(8, 8)
    drag.steps(1, 1.0)
    drag.teller.rest()
    drag.teller.rest()
    heights = [event.image.height for event in drag.said if isinstance(event, DragPreview)]
    assert heights == [16, 32, 64, 16, 64], "the one at rest is drawn once"


def test_what_is_on_the_screen_is_not_drawn_again_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    drag = Drag(monkeypatch)
    drag.steps(1, 1.0)
    drag.teller.rest()
    assert drag.shown() == 1
    drag.steps(1, 0.0)
    drag.teller.rest()
    assert drag.shown() == 2
