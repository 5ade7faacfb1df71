"""The settings and the events of an inversion, which looks for the latent whose image is nearest to a photograph, and what its stages have in common."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.inversion_choices import InversionMethod
from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.networks.generate import to_uint8
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.generator_tuning import GeneratorTuning

from .losses import ImageLoss, peak_signal_to_noise

Phase = Literal["starts", "w", "w+", "tuning"]
InversionReason = Literal["finished", "stopped", "diverged"]

STARTS_SHARE, W_SHARE = 0.15, 0.25  # parts of all steps after which the starts, and in W+ the search in W, have ended
TUNING_SHARE = 1 / 3  # of all steps, in the methods that tune the generator


@dataclass(frozen=True)
class InversionSettings:
    """How an inversion searches.

    Attributes:
        method: `w` for one w in all rows of ws; `w+` to continue with rows of their own, except for those that drags move;
            `pti` and `hybrid` to tune the generator after `w` or `w+` (see `Refinement`).
        steps: how many in all, at least 1.
        shared_rows: how many rows, from the first, keep one w in `w+`.
        seed: of the random images among which the starts are chosen.
        image_interval: a step has an image if its number is a multiple of this.
    """

    method: InversionMethod
    steps: int
    shared_rows: int
    seed: int = 0
    image_interval: int = 10

    @property
    def tunes_generator(self) -> bool:
        return self.method in ("pti", "hybrid")

    @property
    def search_steps(self) -> int:
        """How many of the steps search for the latent; the others tune the generator."""
        return self.steps - math.floor(TUNING_SHARE * self.steps) if self.tunes_generator else self.steps

    @property
    def has_free_rows(self) -> bool:
        """Whether the search ends with rows of their own."""
        return self.method in ("w+", "hybrid")

    def phase_ends(self) -> dict[Phase, int]:
        """Return the step after which each phase of the search ends; a phase without steps ends where the one before does."""
        starts_end = math.ceil(STARTS_SHARE * self.search_steps)
        w_end = math.ceil(W_SHARE * self.search_steps) if self.has_free_rows else self.search_steps
        return {"starts": starts_end, "w": w_end, "w+": self.search_steps}


@dataclass(frozen=True)
class InversionStep:
    """The state before the change that a step made.

    Attributes:
        step: 1 for the first step.
        phase: `starts` while several starts compete, then `w` and `w+`; `tuning` of the generator.
        loss: see `ImageLoss`; in the phase `starts`, of the small image of the best start.
        psnr: in dB, of the same.
        image: of the same latent, `uint8 [H, W, 3]`, at intervals; otherwise None.
    """

    step: int
    phase: Phase
    loss: float
    psnr: float
    image: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class InversionEnd:
    """The last event of an inversion.

    Attributes:
        step: number of steps, also those before it was resumed.
        seconds: since it was started or resumed.
        loss, psnr, image: of the final latent.
        ws: the final latent, `[1, num_ws, w_dim]`, on the generator's device.
        tuning: of the generator that makes the image; None: the model's own makes it.
    """

    reason: InversionReason
    step: int
    seconds: float
    loss: float
    psnr: float
    image: NDArray[np.uint8]
    ws: Tensor
    tuning: GeneratorTuning | None = None


@dataclass(frozen=True, eq=False)
class InversionTask:
    """What all stages of an inversion work on.

    Attributes:
        generator: in eval mode, with parameters that require no gradient.
        target: `[1, 3, H, W]` in −1…1, as large as the generator's images, on the generator's device.
        loss: of images against the target.
        control: what other threads use to stop the inversion.
    """

    generator: Generator
    target: Tensor
    loss: ImageLoss
    settings: InversionSettings
    control: DragControl


class InversionStage(ABC):
    """A part of an inversion that makes steps until its last one, until it is stopped, or until its loss is not finite."""

    def __init__(self, task: InversionTask, step: int) -> None:
        self._task = task
        self._settings, self._generator = task.settings, task.generator
        self._target, self._loss = task.target, task.loss
        self._step = step

    def steps(self) -> Iterator[InversionStep | InversionEnd]:
        """Yield an `InversionStep` after each step, and finally an `InversionEnd`."""
        start_time = time.monotonic()
        while self.has_next_step:
            inversion_step = self._make_step()
            if inversion_step is None:
                yield self._end("diverged", start_time)
                return
            yield inversion_step
        yield self._end("stopped" if self._step < self._last_step else "finished", start_time)

    @property
    def has_next_step(self) -> bool:
        """Whether steps are left, and it has not been stopped."""
        return self._step < self._last_step and not self._task.control.stop_requested

    @property
    @abstractmethod
    def _last_step(self) -> int:
        """The number of the stage's last step."""

    @abstractmethod
    def _make_step(self) -> InversionStep | None:
        """Make a step and return it; None, without a change, if the loss is not finite."""

    @abstractmethod
    def _end(self, reason: InversionReason, start_time: float) -> InversionEnd:
        """Return the last event."""

    def _event(self, phase: Phase, loss: Tensor, psnr: Tensor, draw_image: Callable[[], Tensor]) -> InversionStep:
        """Return the event of the step that has been made.

        Args:
            loss, psnr: of one image.
            draw_image: is called if the step has an image, and returns it as `[1, 3, H, W]`.
        """
        has_image = self._step % self._settings.image_interval == 0
        image = to_uint8(draw_image()) if has_image else None
        return InversionStep(self._step, phase, float(loss), float(psnr), image)

    def _end_at(
        self,
        reason: InversionReason,
        start_time: float,
        image: Tensor,
        ws: Tensor,
        tuning: GeneratorTuning | None = None,
    ) -> InversionEnd:
        """Return the last event, whose image is `[1, 3, H, W]`."""
        loss, psnr = float(self._loss(image)), float(peak_signal_to_noise(image, self._target))
        seconds = time.monotonic() - start_time
        return InversionEnd(reason, self._step, seconds, loss, psnr, to_uint8(image), ws, tuning)
