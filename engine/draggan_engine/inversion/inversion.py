"""One inversion: an iterator of frozen events that looks for the latent whose image is nearest to a photograph."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.inversion_choices import InversionMethod
from draggan_engine.dragging.adam import Adam
from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.networks.generate import to_uint8
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.generator_tuning import GeneratorTuning
from draggan_engine.networks.w_statistics import w_statistics

from .in_domain import search_weights
from .latent_rows import LatentRows
from .latents import average_w
from .losses import ImageLoss, peak_signal_to_noise, rgb_images
from .starts import SmallComparison, choose_starts

Phase = Literal["starts", "w", "w+", "tuning"]
InversionReason = Literal["finished", "stopped", "diverged"]

START_COUNT = 3
STARTS_SHARE, W_SHARE = 0.15, 0.25  # parts of all steps after which the starts, and in W+ the search in W, have ended
PEAK_STEP_SIZE = 0.2  # in standard deviations of w
RAMP_UP_SHARE, RAMP_DOWN_SHARE = 0.05, 0.5  # of the steps of a phase
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
class InversionState:
    """All that an inversion needs to continue as if it had not been interrupted.

    Attributes:
        step: number of steps made.
        coordinates: see `LatentRows`, `[N, groups, w_dim]`.
        first_moment, second_moment: of Adam, with the same shape.
        best_ws: the latent with the least loss since one start was chosen, `[1, num_ws, w_dim]`.
        best_loss: its loss, `[]`; infinite before.
    """

    step: int
    coordinates: Tensor
    first_moment: Tensor
    second_moment: Tensor
    best_ws: Tensor
    best_loss: Tensor


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
        reason: InversionReason = "finished"
        while self._step < self._last_step:
            if self._task.control.stop_requested:
                reason = "stopped"
                break
            inversion_step = self._make_step()
            if inversion_step is None:
                reason = "diverged"
                break
            yield inversion_step
        yield self._end(reason, start_time)

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


class Inversion(InversionStage):
    """Looks for the latent whose image is nearest to a target.

    The average w and the best of some random or given images are improved side by side, by their small images. The best of
    them is improved further, with one w for all rows of ws, and in `w+` finally with rows of their own. In `hybrid` the middle
    of the image counts more.

    Args:
        label: class of a conditional model.
        state: of an inversion with the same arguments, to continue it.
        near_z: see `choose_starts`.
    """

    def __init__(
        self, task: InversionTask, label: int = 0, state: InversionState | None = None, near_z: Tensor | None = None
    ) -> None:
        super().__init__(task, 0)
        generator, settings = task.generator, task.settings
        self._label = label
        self._weights = search_weights(task.target) if settings.method == "hybrid" else None
        self._phase_ends = settings.phase_ends()
        statistics = w_statistics(generator.mapping)
        self._w_rows = LatentRows(average_w(generator, label), statistics, (0,) * generator.num_ws)
        self._free_rows = self._w_rows.with_free_rows(min(settings.shared_rows, generator.num_ws))
        if state is None:
            starts = choose_starts(generator, self._small, START_COUNT, settings.seed, label, near_z)
            coordinates = self._w_rows.to_coordinates(starts)
            zeros, start_ws = torch.zeros_like(coordinates), self._w_rows.to_ws(coordinates[:1])
            state = InversionState(0, coordinates, zeros, zeros, start_ws, coordinates.new_tensor(torch.inf))
        self._restore(state)

    @property
    def state(self) -> InversionState:
        """A copy of the state after the last step."""
        first_moment, second_moment, _ = self._adam.state
        moments = first_moment.clone(), second_moment.clone()
        return InversionState(self._step, self._coordinates.clone(), *moments, self._best_ws, self._best_loss)

    # --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def _end(self, reason: InversionReason, start_time: float) -> InversionEnd:
        """Return the last event, with the best latent of all steps."""
        self._keep_best_start()
        last_ws = self._rows.to_ws(self._coordinates)
        is_last_best = bool(self._compare(last_ws)[1] < self._best_loss)
        ws = last_ws if is_last_best else self._best_ws
        return self._end_at(reason, start_time, self._render(ws), ws)

    @property
    def _last_step(self) -> int:
        return self._settings.search_steps

    @property
    def _phase(self) -> Phase:
        """The phase of the next step; after the last step, the last phase."""
        phases = [phase for phase, end in self._phase_ends.items() if self._step < end]
        return phases[0] if phases else ("w+" if self._settings.has_free_rows else "w")

    @property
    def _rows(self) -> LatentRows:
        is_free = self._coordinates.shape[1] > 1
        return self._free_rows if is_free else self._w_rows

    def _restore(self, state: InversionState) -> None:
        self._step = state.step
        self._coordinates = state.coordinates.clone()
        self._adam = Adam(self._coordinates, PEAK_STEP_SIZE)
        self._adam.first_moment.copy_(state.first_moment)
        self._adam.second_moment.copy_(state.second_moment)
        self._adam.step_count.fill_(self._steps_in_phase())
        self._best_ws, self._best_loss = state.best_ws, state.best_loss

    def _steps_in_phase(self) -> int:
        return self._step - max((end for end in self._phase_ends.values() if end <= self._step), default=0)

    def _make_step(self) -> InversionStep | None:
        self._enter_phase()
        phase = self._phase
        coordinates = self._coordinates.detach().requires_grad_()
        ws = self._rows.to_ws(coordinates)
        images, losses = self._small(ws) if phase == "starts" else self._compare(ws)
        (gradient,) = torch.autograd.grad(losses.sum(), coordinates)
        if not bool(torch.isfinite(losses).all() and torch.isfinite(gradient).all()):
            return None
        best = slice(int(losses.argmin()), int(losses.argmin()) + 1)
        best_ws, best_loss, best_image = ws[best].detach(), losses[best].detach()[0], images[best].detach()
        if phase != "starts" and bool(best_loss < self._best_loss):
            self._best_ws, self._best_loss = best_ws, best_loss
        self._adam.step_size = self._step_size(phase)
        self._adam.descend(self._coordinates, gradient)
        self._step += 1
        if phase == "starts":
            psnr = peak_signal_to_noise(best_image, self._small.target)
            return self._event(phase, best_loss, psnr, lambda: self._render(best_ws))
        return self._event(phase, best_loss, peak_signal_to_noise(best_image, self._target), lambda: best_image)

    @torch.no_grad()
    def _render(self, ws: Tensor) -> Tensor:
        return rgb_images(self._generator.synthesis(ws).image)

    def _compare(self, ws: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images of latents `[N, num_ws, w_dim]`, `[N, 3, H, W]`, and their losses, `[N]`."""
        images = rgb_images(self._generator.synthesis(ws).image)
        return images, self._loss.weighted(images, self._weights)

    @cached_property
    def _small(self) -> SmallComparison:
        """Compares the images of several starts."""
        return SmallComparison(self._generator, self._target, self._label, self._weights)

    def _enter_phase(self) -> None:
        """Bring the variables into the form of the next step's phase, with Adam starting anew."""
        if self._steps_in_phase() or not self._step:
            return
        if self._phase != "starts":
            self._keep_best_start()
        if self._phase == "w+" and self._free_rows.group_count > 1:
            self._coordinates = self._coordinates[:, :1].repeat(1, self._free_rows.group_count, 1)
        self._adam = Adam(self._coordinates, PEAK_STEP_SIZE)

    @torch.no_grad()
    def _keep_best_start(self) -> None:
        """Continue with the best of several starts."""
        if len(self._coordinates) == 1:
            return
        _, losses = self._small(self._rows.to_ws(self._coordinates))
        best = int(losses.argmin())
        self._coordinates = self._coordinates[best : best + 1].clone()
        self._adam.select(torch.arange(len(losses), device=losses.device) == best)

    def _step_size(self, phase: Phase) -> float:
        """Return the step size: ramped up, constant, and ramped down as a cosine at the end of each phase."""
        phase_start = self._step - self._steps_in_phase()
        progress = (self._steps_in_phase() + 1) / (self._phase_ends[phase] - phase_start)
        ramp_down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - progress) / RAMP_DOWN_SHARE))
        return PEAK_STEP_SIZE * min(1.0, progress / RAMP_UP_SHARE) * max(ramp_down, 0.01)
