"""Report a running drag to the client: progress and previews, as often as a person notices and the drag can afford."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Self

from draggan_engine import MOST_PREVIEWS_PER_SECOND
from draggan_engine.networks.cpu_threads import threads_for_image

from .image_data import ImageData
from .messages import DragPreview, DragProgress
from .outbox import Outbox

if TYPE_CHECKING:
    from draggan_engine.dragging.drag_loop import DragLoop, DragStep
    from draggan_engine.networks.preview_fidelity import PreviewFidelity, PreviewFormat

log = logging.getLogger("draggan_engine")

PREVIEW_SHARE, LIVE_PREVIEW_SHARE = 1 / 8, 2 / 3
"""How much of the time of a drag, and of a live drag, previews may take where rendering them holds the drag up. In a live
drag a hand is waiting for them."""
PREVIEW_INTERVAL = 1 / MOST_PREVIEWS_PER_SECOND  # seconds between previews, at least
PROGRESS_INTERVAL = 1 / 30  # seconds between progress events, at least; each wakes the client and costs the drag time


class DragReporter:
    """Reports one drag. The thread that runs the drag calls its methods. It is a context manager: after its exit nothing is sent.

    Args:
        drag: renders the previews; its control says whether the client is ready for one.
        max_steps: how many steps the drag may take; None for a live drag.
        fidelity: what the previews may be.
        renders_beside_drag: whether previews are rendered by a thread of their own while the drag continues. Otherwise the
            drag waits for them, and they may use all cores.
        clock, thread_clock: seconds that have passed, and that the calling thread has computed.
    """

    def __init__(
        self,
        outbox: Outbox,
        drag: DragLoop,
        max_steps: int | None,
        fidelity: PreviewFidelity,
        *,
        renders_beside_drag: bool,
        clock: Callable[[], float] = time.monotonic,
        thread_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._preview_share = LIVE_PREVIEW_SHARE if max_steps is None else PREVIEW_SHARE
        self._outbox, self._drag, self._max_steps, self._fidelity = outbox, drag, max_steps, fidelity
        self._clock, self._thread_clock = clock, thread_clock
        self._preview_thread = ThreadPoolExecutor(1, "preview") if renders_beside_drag else None
        self._running_preview: Future[None] | None = None
        now = clock()
        self._work_start = now  # moves forward by the time that the drag rests
        self._last_event = self._last_preview = now
        self._last_progress = 0.0
        self._is_resting = False
        self._preview_seconds = 0.0  # for which previews have held the drag up
        self._rendering_failed = False
        self._full_image_sent = False  # of the last step
        self._untimed_steps = 0  # steps that ended a rest: nobody knows how long they took
        self._unsent_progress: DragProgress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, error_traceback: TracebackType | None
    ) -> None:
        if self._preview_thread is not None:
            self._preview_thread.shutdown()

    def step(self, drag_step: DragStep) -> None:
        """Report a step if it is time to: its progress alone, or together with a preview."""
        self._untimed_steps += self._is_resting
        self._full_image_sent = False
        now = self._advance(is_resting=False)
        self._unsent_progress = DragProgress(
            step=drag_step.step,
            max_steps=self._max_steps,
            loss=drag_step.loss,
            mean_distance=drag_step.mean_distance,
            handles=drag_step.handles,
            sigma=drag_step.sigma,
            steps_per_second=(drag_step.step - self._untimed_steps) / (now - self._work_start),
            is_fallback=drag_step.is_fallback,
        )
        if self._running_preview is not None and not self._running_preview.done():
            return
        if self._is_preview_due(now):
            self._send_preview(now, self._fidelity.cheapest_format(self._drag.control.preview_size))
        elif now - self._last_progress >= PROGRESS_INTERVAL:
            self._send_progress(now)

    def rest(self) -> None:
        """Report that the drag waits for its live target: send what has not been sent, and the full image."""
        now = self._advance(is_resting=True)
        if not self._full_image_sent:
            self._send_preview(now, self._fidelity.exact_format)

    def end(self) -> None:
        """Report the last step if that has not happened yet."""
        self.finish_preview()
        self._send_progress(self._clock())

    def finish_preview(self) -> None:
        """Wait until the preview that is being rendered has been sent."""
        if self._running_preview is not None:
            self._running_preview.result()
            self._running_preview = None

    def _advance(self, is_resting: bool) -> float:
        """Note that the drag rests or works from now on, and return the time."""
        now = self._clock()
        if self._is_resting:
            self._work_start += now - self._last_event
        self._last_event, self._is_resting = now, is_resting
        return now

    def _is_preview_due(self, now: float) -> bool:
        return (
            now - self._last_preview >= PREVIEW_INTERVAL
            and self._preview_seconds <= self._preview_share * (now - self._work_start)
            and not self._drag.control.preview_pending
            and not self._rendering_failed
        )

    def _send_progress(self, now: float) -> None:
        if self._unsent_progress is not None:
            self._outbox.send(self._unsent_progress)
            self._last_progress, self._unsent_progress = now, None

    def _send_preview(self, now: float, preview_format: PreviewFormat) -> None:
        """Render a preview and send it right after the progress, so that handles and image move together."""
        self.finish_preview()
        unsent_progress, is_resting = self._unsent_progress, self._is_resting
        render_image = self._drag.image_renderer(*preview_format)
        render_threads = nullcontext() if self._preview_thread else threads_for_image(preview_format.height)

        def render_and_send() -> None:
            start_time, computed_before = self._clock(), self._thread_clock()
            preview = None
            try:
                with render_threads:
                    preview = DragPreview(image=ImageData.from_array(render_image()))
            except (MemoryError, RuntimeError):
                log.exception("the drag continues without previews")
                self._rendering_failed = True
                self._drag.control.preview_shown()
            if unsent_progress is not None:
                self._outbox.send(unsent_progress)
            if preview is not None:
                self._outbox.send(preview)
            if not is_resting:
                self._preview_seconds += self._delay(self._clock() - start_time, self._thread_clock() - computed_before)

        self._drag.control.announce_preview()
        self._unsent_progress = None
        self._full_image_sent = preview_format == self._fidelity.exact_format
        self._last_progress = self._last_preview = now
        if self._preview_thread is None:
            render_and_send()
        else:
            self._running_preview = self._preview_thread.submit(render_and_send)

    def _delay(self, preview_seconds: float, computed_seconds: float) -> float:
        """Return for how many seconds a preview has held the drag up. A preview that is rendered beside the drag does not
        hold it up while a core is idle; if its thread had to wait for a core, the drag's thread had to wait as long.

        Args:
            preview_seconds: how long the preview took.
            computed_seconds: for how many of these seconds its thread was running.
        """
        if self._preview_thread is None:
            return preview_seconds
        return max(min(computed_seconds, preview_seconds - computed_seconds), 0)
