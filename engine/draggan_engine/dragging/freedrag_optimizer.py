"""FreeDrag (Ling et al., CVPR 2024): features are pulled to templates that move to the targets; no point is tracked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.profiler import record_function

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Size
from draggan_engine.networks.generator import Generator

from .drag_task import PRECISION_DTYPES, DragTask, PairBatch, check_tasks, fixed_areas, usable_settings
from .feature_sampling import window_around
from .feature_sources import FeatureWindows, feature_source
from .latent_offset import LatentOffset
from .motion_supervision import AveragedMaskLoss
from .moving_templates import MovingTemplates, template_reach

RELATIVE_MASK_WEIGHT = 0.5
"""γ relative to the λ of eq. 1 of Pan et al. 2023: the published defaults are 10 and 20."""


class FreeDragOptimizer:
    """N drags of one generator that advance together, none of them affecting another.

    A step of Adam lowers Σ_i mean |F_r(h_i) − T_i| + γ·mean |(F − F_0)(1 − M)|, where T_i is the template of pair i and
    h_i its position; `MovingTemplates` says how they move. This differs from the paper:

    - The loops of drags end when all handles are within the stop distance of their targets. A template is there before
      the content of the image is. So a handle becomes the position of its template only when a stage has ended with a
      loss of at most 0.5·l, the paper's condition for moving on; at the target with at most 0.25·l, the condition with
      which the authors' code ends a drag.
    - l is measured on the start features, d is relative to the image's height, and γ is relative to the settings' λ.
    - The latent space, the number of layers and the step size of Adam are those of the settings.

    Of the settings, r2 and the tracking norm are not used.

    Args:
        generator: in eval mode, with parameters that require no gradient.
        settings: the same for all drags.
        tasks: at least one.

    Attributes:
        settings, start_ws, ws, pairs, optimized_rows, source: as in `Optimizer`.
        templates: of all pairs.
        reach: how far from the templates features are needed along either axis, in image pixels.
        uses_whole_maps: whether feature maps are computed whole instead of in windows.

    Raises:
        EditError: a task has no pairs, its mask does not fit the image, or the model has no such feature block.
    """

    settles_after: int = 50
    ends_when_settled: bool = False

    def __init__(self, generator: Generator, settings: DragSettings, tasks: Sequence[DragTask]) -> None:
        check_tasks(tasks, generator, settings)
        self.generator, self.settings = generator, usable_settings(settings, generator, "freedrag")
        device = generator.device
        height, width = generator.image_shape
        self.start_ws = torch.cat([task.ws.detach().to(device) for task in tasks]).clone()
        self.ws = self.start_ws.clone()
        self.pairs = PairBatch.of(tasks, Size(width, height), like=self.start_ws)
        self.offset = LatentOffset(self.start_ws, settings)
        self.optimized_rows = self.offset.optimized_rows
        fixed = fixed_areas(tasks, generator) if settings.mask_weight > 0 else None
        self.uses_whole_maps = fixed is not None or device.type == "cuda"
        self.source = feature_source(
            generator.synthesis,
            settings.feature_block,
            self.optimized_rows,
            PRECISION_DTYPES[self.settings.precision],
            self.uses_whole_maps,
        )
        self.reach = template_reach(settings.r1, self.pairs.image_size)
        self.features = self._compute_features(self.pairs.handles)
        self.mask_loss = None if fixed is None else AveragedMaskLoss(self.features.whole_map.detach(), fixed)
        self.templates = MovingTemplates(self.features, self.pairs, settings.r1)

    def step(self) -> tuple[Tensor, Tensor]:
        """Advance all drags by one step of Adam, after the templates have moved where a stage has ended.

        Returns:
            The loss before the step, `[N]`, and whether each drag has stayed finite, bool `[N]`. A drag that has not keeps
            its latent and handles, and cannot be continued.
        """
        positions_before = self.templates.positions
        with record_function("templates"):
            self.templates.begin_stages(self.features, self.pairs.targets)
        with record_function("loss"):
            template_losses = self.templates.losses(self.features)
            loss = template_losses.sum(dim=1)
            if self.mask_loss is not None:
                mask_weight = RELATIVE_MASK_WEIGHT * self.settings.mask_weight
                loss = loss + mask_weight * self.mask_loss(self.features.whole_map)
        offset_before = self.offset.descend(loss)
        loss = loss.detach()
        has_finite_loss = torch.isfinite(loss)[:, None, None]
        self.templates.positions = torch.where(has_finite_loss, self.templates.positions, positions_before)
        with record_function("synthesis"):
            self.features = self._compute_features(self.templates.positions)
        is_finite = torch.isfinite(loss) & self.offset.is_finite() & self.features.is_finite()
        self.templates.end_step(template_losses.detach(), self.features)
        self._take_over(is_finite, offset_before)
        return loss, is_finite

    @property
    def is_fallback(self) -> Tensor:
        """Bool `[N]`, all False: the method never gives way to another one."""
        return torch.zeros(len(self.ws), dtype=torch.bool)

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""
        self.offset.select(kept)
        self.start_ws, self.ws = self.offset.start_ws, self.ws[kept]
        self.pairs = self.pairs.select(kept)
        self.templates.select(kept)
        if self.mask_loss is not None:
            self.mask_loss.select(kept)
        self.features = self._compute_features(self.templates.positions)

    def _compute_features(self, positions: Tensor) -> FeatureWindows:
        """Return the features of the current offsets, as far as templates at these positions need them."""
        if self.uses_whole_maps:
            return self.source(self.offset.ws())
        windows = [
            window_around(point, self.reach, self.pairs.image_size, self.source.map_size)
            for point in self.pairs.existing_points(positions)
        ]
        return self.source(self.offset.ws(), windows)

    @torch.no_grad()
    def _take_over(self, is_finite: Tensor, offset_before: Tensor) -> None:
        """Take over the new latents and handles of the drags that are finite; the others get back what they had."""
        has_match = self.templates.has_match(self.pairs.targets) & is_finite[:, None]
        new_handles = torch.where(has_match[..., None], self.templates.positions, self.pairs.handles)
        self.pairs.handles.copy_(new_handles)
        self.ws.copy_(torch.where(is_finite[:, None, None], self.offset.ws(), self.ws))
        self.offset.restore(offset_before, ~is_finite)
