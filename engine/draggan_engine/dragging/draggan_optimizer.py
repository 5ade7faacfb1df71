"""The method of Pan et al. (SIGGRAPH 2023): motion supervision (eq. 1) by Adam, then point tracking (eq. 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.profiler import record_function

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Size
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.windows import MapWindow

from .cuda_graph import record_step
from .drag_task import PRECISION_DTYPES, DragTask, PairBatch, check_tasks, fixed_areas, usable_settings
from .feature_sampling import window_around
from .feature_sources import FeatureWindows, feature_source
from .latent_offset import LatentOffset
from .motion_supervision import AveragedMaskLoss, MaskLoss, supervision_loss
from .point_tracking import FeatureTracker, PointTracker

SETTLES_AFTER_STEPS = 50
RECORD_AFTER_STEPS = 10  # steps of unchanged shapes; recording a step costs about as much as eight steps


@dataclass(frozen=True)
class _RecordedStep:
    """A recorded step, and the tensors that it writes the results of `step` to."""

    replay: Callable[[], None]
    loss: Tensor
    is_finite: Tensor


class DragganOptimizer:
    """N drags of one generator that advance together, none of them affecting another.

    What is optimised is a `LatentOffset`. The features of a latent serve its tracking and then its supervision, so a
    step needs one forward pass (two if it is recorded, on CUDA). torch's profiler finds the phases of a step by name:
    loss, backward, optimiser, synthesis, tracking.

    Args:
        generator: in eval mode, with parameters that require no gradient.
        settings: the paper's parameters, the same for all drags.
        tasks: at least one.
        mask_loss_type: makes the second term of eq. 1 from F_0 `[N, C, h, w]` and 1 − M `[N, H, W]`.

    Attributes:
        settings: as given, but with the precision that is used; see `why_not_bfloat16`.
        start_ws: the latents that the drags start from, `[N, num_ws, w_dim]`.
        ws: the current latents, `[N, num_ws, w_dim]`, without a gradient. A step changes them in place.
        pairs: handles, targets and image size; a step changes the handles in place.
        optimized_rows: how many rows of ws, from the first, are optimised.
        tracker: the paper's, unless another one replaces it before the first step.
        has_mask: whether something may not move in any of the images. The second term of eq. 1 then needs whole maps.
        uses_whole_maps: whether feature maps are computed whole instead of in windows.
        records_steps: whether a step is recorded as a CUDA graph, where this is possible. The profiler does not find the
            phases of a recorded step.

    Raises:
        EditError: a task has no pairs, its mask does not fit the image, or the model has no such feature block.
    """

    settles_after: int = SETTLES_AFTER_STEPS
    ends_when_settled: bool = False

    def __init__(
        self,
        generator: Generator,
        settings: DragSettings,
        tasks: Sequence[DragTask],
        *,
        mask_loss_type: Callable[[Tensor, Tensor], MaskLoss] = AveragedMaskLoss,
    ) -> None:
        check_tasks(tasks, generator, settings)
        self.generator, self.settings = generator, usable_settings(settings, generator, "draggan")
        device = generator.device
        height, width = generator.image_shape
        self.start_ws = torch.cat([task.ws.detach().to(device) for task in tasks]).clone()
        self.ws = self.start_ws.clone()
        self.pairs = PairBatch.of(tasks, Size(width, height), like=self.start_ws)
        self.offset = LatentOffset(self.start_ws, settings)
        self.optimized_rows = self.offset.optimized_rows
        fixed = fixed_areas(tasks, generator) if settings.mask_weight > 0 else None
        self.has_mask = fixed is not None
        # Windows save arithmetic, which a GPU has in plenty, but no kernel launches; and they move with the handles,
        # which a recorded step cannot.
        self.uses_whole_maps = self.has_mask or device.type == "cuda"
        self._handle_points = self.pairs.existing_points(self.pairs.handles)
        dtype = PRECISION_DTYPES[self.settings.precision]
        self.source = feature_source(
            generator.synthesis, settings.feature_block, self.optimized_rows, dtype, self.uses_whole_maps
        )
        self.features = self._compute_features(settings.r2)
        self.mask_loss = None if fixed is None else mask_loss_type(self.features.whole_map.detach(), fixed)
        self.tracker: PointTracker = FeatureTracker(self.features, self.pairs, settings)
        self.records_steps = device.type == "cuda"
        self._recorded_step: _RecordedStep | None = None
        self._steps_of_same_shapes = 0

    def step(self) -> tuple[Tensor, Tensor]:
        """Advance all drags by motion supervision and then point tracking.

        Returns:
            Eq. 1 before the step, `[N]`, and whether each drag has stayed finite, bool `[N]`. A drag that has not keeps
            its latent and handles, and cannot be continued.
        """
        if self.records_steps and self._steps_of_same_shapes == RECORD_AFTER_STEPS:
            self._recorded_step = self._record()
        self._steps_of_same_shapes += 1
        if self._recorded_step is not None:
            self._recorded_step.replay()
            return self._recorded_step.loss.clone(), self._recorded_step.is_finite.clone()
        loss, offset_before = self._supervise(self.features)
        with record_function("synthesis"):
            self.features = self._compute_features(self.tracker.search_radius)
        is_finite = self._track(self.features, loss, offset_before)
        self._handle_points = self.pairs.existing_points(self.pairs.handles)
        return loss, is_finite

    def step_in_place(self, loss: Tensor, is_finite: Tensor) -> None:
        """Do the same as `step` in a form that a CUDA graph can hold, writing the results to two tensors `[N]`.

        Everything is computed in place and on whole maps, and the features of the last step are computed again.
        Afterwards `source` renders the image of this step, and of each replay.
        """
        new_loss, offset_before = self._supervise(self.source(self.offset.ws()))
        with torch.no_grad():
            features = self.source(self.offset.ws())
        is_finite.copy_(self._track(features, new_loss, offset_before))
        loss.copy_(new_loss)

    @torch.no_grad()
    def continue_from(self, ws: Tensor, handles: Tensor) -> None:
        """Continue drags that another method has begun, before the first step.

        Args:
            ws: latents that differ from the start as the settings allow, `[N, num_ws, w_dim]`.
            handles: where the handles are in their images, `[N, P, 2]` in image pixels.
        """
        self.ws.copy_(ws)
        self.offset.values.copy_((ws - self.start_ws)[:, : self.offset.values.shape[1]])
        self.pairs.handles.copy_(handles)
        self._handle_points = self.pairs.existing_points(self.pairs.handles)
        with torch.enable_grad():
            self.features = self._compute_features(self.tracker.search_radius)

    @property
    def is_fallback(self) -> Tensor:
        """Bool `[N]`, all False: the method never gives way to another one."""
        return torch.zeros(len(self.ws), dtype=torch.bool)

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""
        self.offset.select(kept)
        self.start_ws, self.ws = self.offset.start_ws, self.ws[kept]
        self.pairs = self.pairs.select(kept)
        if self.mask_loss is not None:
            self.mask_loss.select(kept)
        self.tracker.select(kept)
        self._recorded_step, self._steps_of_same_shapes = None, 0
        self._handle_points = self.pairs.existing_points(self.pairs.handles)
        self.features = self._compute_features(0)

    def _record(self) -> _RecordedStep | None:
        """Record a step as a CUDA graph; return None if no graph can hold a step of these drags."""
        if not isinstance(self.tracker, FeatureTracker) or not isinstance(self.mask_loss, AveragedMaskLoss | None):
            return None
        loss = torch.zeros_like(self.ws[:, 0, 0])
        is_finite = torch.zeros_like(loss, dtype=torch.bool)
        with torch.no_grad():
            # Replaces features whose autograd graph belongs to another stream.
            self.features = self._compute_features(self.tracker.search_radius)
        state = [*self.offset.state, self.ws, self.pairs.handles, loss]
        replay = record_step(lambda: self.step_in_place(loss, is_finite), state)
        if replay is None:
            self.features = self._compute_features(self.tracker.search_radius)
            return None
        return _RecordedStep(replay, loss, is_finite)

    def _supervise(self, features: FeatureWindows) -> tuple[Tensor, Tensor]:
        """Move the offsets one step down eq. 1; return its value `[N]`, and the offsets before the step."""
        with record_function("loss"):
            loss = supervision_loss(features, self.pairs, self.settings.r1, self.mask_loss, self.settings.mask_weight)
        offset_before = self.offset.descend(loss)
        return loss.detach(), offset_before

    @torch.no_grad()
    def _track(self, features: FeatureWindows, loss: Tensor, offset_before: Tensor) -> Tensor:
        """Find the handles in the features of the new offsets.

        Returns:
            Which drags have stayed finite, bool `[N]`; the others get back what they had before the step.
        """
        new_ws = self.offset.ws()
        is_finite = torch.isfinite(loss) & self.offset.is_finite() & features.is_finite()
        with record_function("tracking"):
            new_handles = self.tracker.track(self.pairs.handles, new_ws, features)
        has_diverged = ~is_finite[:, None, None]
        self.ws.copy_(torch.where(has_diverged, self.ws, new_ws))
        self.pairs.handles.copy_(torch.where(has_diverged, self.pairs.handles, new_handles))
        self.offset.restore(offset_before, ~is_finite)
        return is_finite

    def _compute_features(self, search_radius: float) -> FeatureWindows:
        """Return the features of the current offsets, as far as the next tracking and supervision need them."""
        return self.source(self.offset.ws(), None if self.uses_whole_maps else self._needed_windows(search_radius))

    def _needed_windows(self, search_radius: float) -> list[MapWindow] | None:
        """Return the windows of the feature map that a step can need; None = the whole map.

        They contain the square of tracking and, around each of its points, the disc of supervision, shifted by up to a
        pixel.
        """
        if not math.isfinite(search_radius):
            return None
        radius = search_radius + math.ceil(self.settings.r1)
        return [
            window_around(point, radius, self.pairs.image_size, self.source.map_size) for point in self._handle_points
        ]
