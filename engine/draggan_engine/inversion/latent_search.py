"""The search for the latent whose image is nearest to a photograph, the first stage of an inversion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from draggan_engine.dragging.adam import Adam
from draggan_engine.networks.w_statistics import w_statistics

from .in_domain import search_weights
from .inversion import InversionEnd, InversionReason, InversionStage, InversionStep, InversionTask, Phase
from .latent_rows import LatentRows
from .latents import average_w
from .losses import peak_signal_to_noise, rgb_images
from .starts import SmallComparison, choose_starts

START_COUNT = 3
PEAK_STEP_SIZE = 0.2  # in standard deviations of w
RAMP_UP_SHARE, RAMP_DOWN_SHARE = 0.05, 0.5  # of the steps of a phase


@dataclass(frozen=True, eq=False)
class LatentSearchState:
    """All that a search needs to continue as if it had not been interrupted.

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


class LatentSearch(InversionStage):
    """Looks for the latent whose image is nearest to a target.

    The average w and the best of some random or given images are improved side by side, by their small images. The best of
    them is improved further, with one w for all rows of ws, and in `w+` finally with rows of their own. In `hybrid` the middle
    of the image counts more.

    Args:
        label: class of a conditional model.
        state: of a search with the same arguments, to continue it.
        near_z: see `choose_starts`.
    """

    _best_ws: Tensor
    _best_loss: Tensor

    def __init__(
        self, task: InversionTask, label: int = 0, state: LatentSearchState | None = None, near_z: Tensor | None = None
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
            state = LatentSearchState(0, coordinates, zeros, zeros, start_ws, coordinates.new_tensor(torch.inf))
        self._restore(state)

    @property
    def state(self) -> LatentSearchState:
        """A copy of the state after the last step."""
        first_moment, second_moment, _ = self._adam.state
        moments = first_moment.clone(), second_moment.clone()
        return LatentSearchState(self._step, self._coordinates.clone(), *moments, self._best_ws, self._best_loss)

    @property
    def phase(self) -> Phase:
        """The phase of the next step; after the last step, the last phase."""
        phases = [phase for phase, end in self._phase_ends.items() if self._step < end]
        return phases[0] if phases else ("w+" if self._settings.has_free_rows else "w")

    def next_variables(self) -> tuple[Tensor, Tensor]:
        """Return what the next step changes, `[N, groups, w_dim]`, and the latents that follow from it,
        `[N, num_ws, w_dim]`, ready for gradients. N is above 1 while several starts compete."""
        self._enter_phase()
        coordinates = self._coordinates.detach().requires_grad_()
        return coordinates, self._rows.to_ws(coordinates)

    def render(self, ws: Tensor) -> Tensor:
        """Return the images that the phase compares, `[N, 3, H, W]`, of latents `[N, num_ws, w_dim]`."""
        return self._small.images(ws) if self.phase == "starts" else self._render(ws)

    def losses(self, images: Tensor) -> Tensor:
        """Return the losses of images that `render` returned, `[N]`."""
        return self._small.losses(images) if self.phase == "starts" else self._loss.weighted(images, self._weights)

    @torch.no_grad()
    def descend(self, ws: Tensor, images: Tensor, losses: Tensor, gradient: Tensor) -> InversionStep | None:
        """Make the next step and return it; None, without a change, if a loss is not finite.

        Args:
            ws: as `next_variables` returned them.
            images, losses: of these latents.
            gradient: of the sum of the losses, for the variables.
        """
        if not bool(torch.isfinite(losses).all() and torch.isfinite(gradient).all()):
            return None
        phase = self.phase
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

    # --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def _end(self, reason: InversionReason, start_time: float) -> InversionEnd:
        """Return the last event, with the best latent of all steps."""
        self._keep_best_start()
        last_ws = self._rows.to_ws(self._coordinates)
        is_last_best = bool(self._loss.weighted(self._render(last_ws), self._weights) < self._best_loss)
        ws = last_ws if is_last_best else self._best_ws
        return self._end_at(reason, start_time, self._render(ws), ws)

    @property
    def _last_step(self) -> int:
        return self._settings.search_steps

    @property
    def _rows(self) -> LatentRows:
        is_free = self._coordinates.shape[1] > 1
        return self._free_rows if is_free else self._w_rows

    def _restore(self, state: LatentSearchState) -> None:
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
        (inversion_step,) = step_together([self])
        return inversion_step

    def _render(self, ws: Tensor) -> Tensor:
        """Return whole images, `[N, 3, H, W]`, of latents `[N, num_ws, w_dim]`."""
        return rgb_images(self._generator.synthesis(ws).image)

    @cached_property
    def _small(self) -> SmallComparison:
        """Compares the images of several starts."""
        return SmallComparison(self._generator, self._target, self._label, self._weights)

    def _enter_phase(self) -> None:
        """Bring the variables into the form of the next step's phase, with Adam starting anew."""
        if self._steps_in_phase() or not self._step:
            return
        if self.phase != "starts":
            self._keep_best_start()
        if self.phase == "w+" and self._free_rows.group_count > 1:
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


def step_together(searches: Sequence[LatentSearch]) -> list[InversionStep | None]:
    """Make the next step of several searches, whose images the generator renders together.

    Args:
        searches: of one generator, in the same phase, at least one.

    Returns:
        For each search what `LatentSearch.descend` returns.
    """
    variables, latents = zip(*(search.next_variables() for search in searches), strict=True)
    rendered_images = searches[0].render(torch.cat(latents))
    images = torch.split(rendered_images, [len(ws) for ws in latents])
    losses = [search.losses(x) for search, x in zip(searches, images, strict=True)]
    gradients = torch.autograd.grad(torch.cat(losses).sum(), variables)
    return [
        search.descend(*results) for search, *results in zip(searches, latents, images, losses, gradients, strict=True)
    ]
