"""Report a running inversion to the client: its progress, and its images."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .image_data import ImageData
from .outbox import Outbox
from .photograph_messages import InversionPhase, InversionPreview, InversionProgress

PROGRESS_INTERVAL = 1 / 15  # seconds between progress events, at least
TIMED_STEPS = 20  # by which the pace is measured


class InversionReporter:
    """Reports one inversion, from its alignment to its last step.

    Args:
        clock: seconds that have passed.
    """

    def __init__(self, outbox: Outbox, clock: Callable[[], float] = time.monotonic) -> None:
        self._outbox, self._clock = outbox, clock
        self._phase: InversionPhase | None = None
        self._step_times: deque[float] = deque(maxlen=TIMED_STEPS + 1)
        self._last_progress = -PROGRESS_INTERVAL

    def step(self, phase: InversionPhase, step: int, step_count: int, psnr: float | None = None) -> None:
        """Report a step, unless the one before was reported just now. In a new phase, steps take another time than before."""
        now = self._clock()
        if phase != self._phase:
            self._phase = phase
            self._step_times.clear()
        self._step_times.append(now)
        if now - self._last_progress < PROGRESS_INTERVAL and step < step_count:
            return
        self._last_progress = now
        self._outbox.send(
            InversionProgress(
                phase=phase, step=step, step_count=step_count, psnr=psnr, steps_per_second=self._steps_per_second()
            )
        )

    def show(self, image: NDArray[np.uint8]) -> None:
        """Send an image `uint8 [H, W, 3]`."""
        self._outbox.send(InversionPreview(image=ImageData.from_array(image)))

    def _steps_per_second(self) -> float | None:
        passed_seconds = self._step_times[-1] - self._step_times[0]
        return (len(self._step_times) - 1) / passed_seconds if passed_seconds > 0 else None
