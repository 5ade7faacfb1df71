"""Tuning of a generator to a photograph after the search for its latent: hybrid refinement, or all weights (PTI)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from draggan_engine.dragging.adam import Adam
from draggan_engine.networks.feature_blend import BlendTensors
from draggan_engine.networks.generator_tuning import (
    GeneratorTuning,
    can_blend,
    choose_blend_block,
    compact_tuning,
    own_features,
    tuned_generator,
)

from .in_domain import in_domain_area
from .inversion import InversionEnd, InversionReason, InversionStage, InversionStep, InversionTask
from .losses import peak_signal_to_noise, rgb_images

# Roich et al. 2022 (PTI) have a fixed step size of 3e-4, hybrid refinement (arXiv 2301.12141) has 1.5e-3 and 9e-2. Here they
# are shares of the root mean square of each variable, because the weights and features of some models are a thousand times as
# large as those of others.
WEIGHT_STEP_SHARE, FEATURE_STEP_SHARE = 2e-4, 1.0
HYBRID_WEIGHT_SHARE = 0.5  # of the steps of a hybrid refinement, after which the weights stay
LARGE_ROWS = 512  # of images that are rendered twice in each step, to save memory
RAMP_UP_SHARE, RAMP_DOWN_SHARE = 0.2, 0.5  # of the steps of a variable


@dataclass(frozen=True, eq=False)
class RefinementState:
    """All that a refinement needs to continue as if it had not been interrupted.

    Attributes:
        step: number of steps made, including those of the search.
        ws: the latent, `[1, num_ws, w_dim]`.
        variables: the weights that change and the free tensors, by name.
        first_moments, second_moments: of Adam, with the same names and shapes.
    """

    step: int
    ws: Tensor
    variables: Mapping[str, Tensor]
    first_moments: Mapping[str, Tensor]
    second_moments: Mapping[str, Tensor]


class Refinement(InversionStage):
    """Tunes a copy of a generator so that its image of a latent becomes the target.

    `pti` changes the weights of the synthesis network. `hybrid` changes them for the area that the generator can show, in
    the first half of the steps; outside this area free features take the place of the generator's own. The strengths of
    the noise stay, because noise that is fitted to a photograph would not move with what is dragged.

    Args:
        task: the method of its settings is `hybrid` or `pti`. Its generator stays as it is.
        ws: the latent, `[1, num_ws, w_dim]`, which stays.
        state: of a refinement with the same arguments, to continue it.
    """

    def __init__(self, task: InversionTask, ws: Tensor, state: RefinementState | None = None) -> None:
        super().__init__(task, task.settings.search_steps)
        self._ws = ws
        generator = task.generator
        with torch.no_grad():
            pivot_image = rgb_images(generator.synthesis(ws).image)
            self._pivot_loss = float(self._loss(pivot_image))
            self._inside = in_domain_area(pivot_image, self._target)
            self._blend = self._initial_blend()
        self._tuned = tuned_generator(generator, GeneratorTuning({}, self._blend))
        self._weights: dict[str, Tensor] = {
            name: parameter.requires_grad_()
            for name, parameter in self._tuned.synthesis.named_parameters()
            if not name.endswith("noise_strength")
        }
        self._free: dict[str, Tensor] = {
            name: buffer.requires_grad_()
            for name, buffer in self._tuned.synthesis.named_buffers()
            if name.endswith((".blend.features", ".blend.image"))
        }
        self._scales = {
            name: float(variable.detach().square().mean().sqrt()) for name, variable in self._variables.items()
        }
        self._adams = {name: Adam(variable, 0.0) for name, variable in self._variables.items()}
        if state is not None:
            self._restore(state)

    @property
    def state(self) -> RefinementState:
        """The state after the last step. It shares its tensors with the refinement, so the next step changes them."""
        return RefinementState(
            self._step,
            self._ws,
            {name: variable.detach() for name, variable in self._variables.items()},
            {name: adam.first_moment for name, adam in self._adams.items()},
            {name: adam.second_moment for name, adam in self._adams.items()},
        )

    # --------------------------------------------------------------------------------------------------

    @property
    def _last_step(self) -> int:
        return self._settings.steps

    @property
    def _variables(self) -> dict[str, Tensor]:
        return {**self._weights, **self._free}

    @property
    def _weight_steps(self) -> int:
        """In how many steps the weights change."""
        tuning_steps = self._settings.steps - self._settings.search_steps
        return math.ceil(HYBRID_WEIGHT_SHARE * tuning_steps) if self._free else tuning_steps

    def _initial_blend(self) -> BlendTensors | None:
        """Return the blend that changes nothing yet; None if there is to be none."""
        synthesis = self._generator.synthesis
        outside_pixels = float((1 - self._inside).sum())
        if self._settings.method != "hybrid" or outside_pixels < 1 or not can_blend(synthesis):
            return None
        return own_features(synthesis, choose_blend_block(synthesis), self._ws, self._inside)

    @torch.no_grad()
    def _restore(self, state: RefinementState) -> None:
        self._step = state.step
        steps_made = self._step - self._settings.search_steps
        for name, variable in self._variables.items():
            adam = self._adams[name]
            variable.copy_(state.variables[name])
            adam.first_moment.copy_(state.first_moments[name])
            adam.second_moment.copy_(state.second_moments[name])
            adam.step_count.fill_(min(steps_made, self._weight_steps) if name in self._weights else steps_made)

    def _make_step(self) -> InversionStep | None:
        with torch.set_grad_enabled(not self._is_large):
            image = self._render()
        areas = [torch.ones_like(self._inside), *([self._inside, 1 - self._inside] if self._free else [])]
        loss, image_gradients = self._image_gradients(image.detach(), areas)
        if self._is_large:
            image = self._render()
        weights_move = self._step - self._settings.search_steps < self._weight_steps
        gradients: dict[str, Tensor] = {}
        if self._free:
            gradients |= _gradients(image, self._free, image_gradients[-1], retain_graph=weights_move)
        if weights_move:
            gradients |= _gradients(image, self._weights, image_gradients[0])
        if not all(bool(torch.isfinite(x).all()) for x in (loss, *gradients.values())):
            return None
        for name, gradient in gradients.items():
            self._adams[name].step_size = self._step_size(name)
            self._adams[name].descend(self._variables[name], gradient)
        self._step += 1
        image = image.detach()
        return self._event("tuning", loss.detach(), peak_signal_to_noise(image, self._target), lambda: image)

    def _render(self) -> Tensor:
        return rgb_images(self._tuned.synthesis(self._ws).image)

    @property
    def _is_large(self) -> bool:
        return self._target.shape[2] >= LARGE_ROWS

    def _image_gradients(self, image: Tensor, areas: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the loss in the first area, `[1]`, and the gradients of the losses in the others for the image, or in the
        first area if there is no other, `[1, 3, H, W]` each.

        They are computed apart from the gradients of the generator, so that what the discriminator keeps for them is freed
        before. For a large image the generator does not keep anything meanwhile either: it renders the image again.
        """
        image = image.requires_grad_()
        loss, *area_losses = self._loss.in_areas(image, areas)
        area_losses = area_losses or [loss]
        is_last = [area_loss is area_losses[-1] for area_loss in area_losses]
        gradients = [
            torch.autograd.grad(area_loss.sum(), image, retain_graph=not last)[0]
            for area_loss, last in zip(area_losses, is_last, strict=True)
        ]
        return loss.detach(), gradients

    def _step_size(self, name: str) -> float:
        """Return the step size of a variable: ramped up, constant, and ramped down as a cosine."""
        tuning_steps = self._settings.steps - self._settings.search_steps
        is_free = name in self._free
        progress = (self._step - self._settings.search_steps + 1) / (tuning_steps if is_free else self._weight_steps)
        ramp_down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - progress) / RAMP_DOWN_SHARE))
        peak = (FEATURE_STEP_SHARE if is_free else WEIGHT_STEP_SHARE) * self._scales[name]
        return peak * min(1.0, progress / RAMP_UP_SHARE) * max(ramp_down, 0.01)

    @torch.no_grad()
    def _end(self, reason: InversionReason, start_time: float) -> InversionEnd:
        """Return the last event; without a tuning if the latent alone is nearer to the target."""
        tuning = self._tuning() if self._step > self._settings.search_steps else None
        generator = self._generator if tuning is None else tuned_generator(self._generator, tuning)
        image = rgb_images(generator.synthesis(self._ws).image)
        if tuning is not None and not bool(self._loss(image) < self._pivot_loss):
            tuning, image = None, rgb_images(self._generator.synthesis(self._ws).image)
        return self._end_at(reason, start_time, image, self._ws, tuning)

    def _tuning(self) -> GeneratorTuning:
        """Return what the steps have changed."""
        own_weights = dict(self._generator.synthesis.named_parameters())
        changes = {name: (weight - own_weights[name]).detach() for name, weight in self._weights.items()}
        blend = self._blend
        if blend is not None:
            free = {name.rpartition(".")[2]: tensor.detach().clone() for name, tensor in self._free.items()}
            blend = BlendTensors(blend.block_name, blend.mask, free["features"], free.get("image"))
        changed_weights = {name: change for name, change in changes.items() if bool(change.any())}
        return compact_tuning(self._generator, GeneratorTuning(changed_weights, blend), self._ws)


def _gradients(
    image: Tensor, variables: Mapping[str, Tensor], image_gradient: Tensor, *, retain_graph: bool = False
) -> dict[str, Tensor]:
    """Return the gradients of a loss for variables, given its gradient for the image that was made with them."""
    gradients = torch.autograd.grad(image, list(variables.values()), image_gradient, retain_graph=retain_graph)
    return dict(zip(variables, gradients, strict=True))
