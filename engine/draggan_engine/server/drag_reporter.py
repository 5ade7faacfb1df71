"""How a running drag is told to the client: progress and pictures, as often as a person notices and the drag can bear."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .drag_control import Steering
from .messages import DragPreview, DragProgress, ImageData
from .outbox import Outbox

if TYPE_CHECKING:
    from draggan_engine.dragging import DragLoop, DragStep
    from draggan_engine.networks.preview_fidelity import PreviewHeights

log = logging.getLogger("draggan_engine")
# Where pictures hold a drag up, they may take so much of its time, which slows it by a seventh; and they come at most so
# often (seconds).
PREVIEW_SHARE = 1 / 8
PREVIEW_INTERVAL = 1 / 15
PROGRESS_INTERVAL = 1 / 30  # waking the client for each of 100 steps a second costs a drag a twentieth


class DragTeller:
    """Of one drag; for the thread that runs it. A context manager: afterwards nothing more is said.

    Args:
        max_steps: that it may take; None: it is led by hand.
        heights: in which its images may be shown.
        beside: whether pictures can be drawn while the drag goes on.
    """

    def __init__(
        self,
        outbox: Outbox,
        steering: Steering,
        session: DragLoop,
        max_steps: int | None,
        heights: PreviewHeights,
        *,
        beside: bool,
    ) -> None:
        self._outbox, self._steering, self._session, self._max_steps = outbox, steering, session, max_steps
        self._heights = heights
        self._painter = ThreadPoolExecutor(1, "painter") if beside else None
        self._painting: Future[None] | None = None
        self._began = self._seen = self._shown = time.monotonic()
        self._resting, self._rendering, self._told = False, 0.0, 0.0
        self._blind = False  # a picture could not be drawn
        self._complete = False  # the last step's full image is on its way, or has been
        self._uncounted = 0  # steps that ended a rest: how long they took is not known
        self._untold: DragProgress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._painter is not None:
            self._painter.shutdown()

    def step(self, event: DragStep) -> None:
        """A step is done: says so and shows it, if it is time for that. A picture comes with its handles."""
        self._uncounted += self._resting
        self._complete = False
        now = self._now(resting=False)
        self._untold = DragProgress(
            step=event.step,
            max_steps=self._max_steps,
            loss=event.loss,
            mean_distance=event.mean_distance,
            handles=event.handles,
            steps_per_second=(event.step - self._uncounted) / (now - self._began),
        )
        if self._painting is not None and not self._painting.done():
            return
        affordable = self._rendering <= PREVIEW_SHARE * (now - self._began)
        if now - self._shown >= PREVIEW_INTERVAL and affordable and not self._steering.unseen and not self._blind:
            self._show(now, self._heights.cheapest_height(self._steering.look))
        elif now - self._told >= PROGRESS_INTERVAL:
            self._tell(now)

    def rest(self) -> None:
        """The drag waits for the hand: nothing that has happened is left out, and there is time for the full image."""
        now = self._now(resting=True)
        if not self._complete:
            self._show(now, self._heights.image_size.height)

    def end(self) -> None:
        """The drag is over: its last step has not been told, perhaps."""
        self._await_painter()
        self._tell(time.monotonic())

    def _now(self, resting: bool) -> float:
        now = time.monotonic()
        self._began += (now - self._seen) * self._resting  # waiting for the hand is no work
        self._seen, self._resting = now, resting
        return now

    def _tell(self, now: float) -> None:
        if self._untold is not None:
            self._outbox.send(self._untold)
            self._told, self._untold = now, None

    def _show(self, now: float, height: int) -> None:
        """Says what is to be said with the picture, not before: handles and picture move together."""
        self._await_painter()
        untold, resting = self._untold, self._resting
        draw = self._session.image_renderer(height)

        def paint() -> None:
            began, worked = time.monotonic(), time.thread_time()
            preview = None
            try:
                preview = DragPreview(image=ImageData.from_array(draw()))
            except (MemoryError, RuntimeError):  # a drag is worth more than to be seen
                log.exception("a drag goes on without pictures")
                self._blind, self._steering.unseen = True, False
            if untold is not None:
                self._outbox.send(untold)
            if preview is not None:
                self._outbox.send(preview)
            if not resting:
                self._rendering += self._held_up(time.monotonic() - began, time.thread_time() - worked)

        self._steering.unseen = True
        self._untold = None
        self._complete = height == self._heights.image_size.height
        self._told = self._shown = now
        if self._painter is None:
            paint()
        else:
            self._painting = self._painter.submit(paint)

    def _held_up(self, seconds: float, work: float) -> float:
        """Return how long an image has held the drag up. An image that is drawn beside the drag does not while a core is
        idle; a painter that had to wait for a core has taken as much time from the other threads, the drag's among them.

        Args:
            seconds: how long the image took.
            work: for how many of them the thread was computing.
        """
        return seconds if self._painter is None else max(min(work, seconds - work), 0)

    def _await_painter(self) -> None:
        if self._painting is not None:
            self._painting.result()
            self._painting = None
