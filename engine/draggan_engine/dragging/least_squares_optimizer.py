"""Drags by damped least squares: each step is the smallest change of w that moves the handles towards their targets.

The handles' Jacobian with respect to the latent tells how to move them, as in inverse kinematics (Wampler 1986; Nakamura
and Hanafusa 1986). "Smallest" is meant in the distribution of w, so that the image stays as likely as possible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.profiler import record_function

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Size
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.w_statistics import w_statistics

from .drag_task import DragTask, PairBatch, check_tasks, fixed_areas, usable_settings
from .draggan_optimizer import DragganOptimizer
from .feature_patches import PatchShape
from .feature_sampling import window_around
from .feature_sources import FeatureSource, FeatureWindows, feature_source
from .fixed_area_metric import PROJECTIONS, FixedAreaMetric
from .handle_jacobian import MAX_EXACT_PAIRS, HandlePositions, exact_jacobian, subspace_jacobian
from .latent_coordinates import LatentCoordinates
from .least_squares_solver import LinearObservations, damped_change
from .patch_tracking import PatchTracker
from .trust_region import BAD_AGREEMENT, GOOD_AGREEMENT, TrustRegion

SETTLES_AFTER_STEPS = 6
PATCH_RADIUS = 1.5
"""Radius of the patches around handles, in pixels of the feature map."""
MAX_JACOBIAN_AGE = 4
"""For how many steps a Jacobian is used, with corrections."""
MAX_SHORTFALL = 0.5
"""How far from its target the distribution of w may hold back a handle, at most, as a share of the stop distance."""
MASK_FACTOR = 4.0
"""How much a change of the fixed area by its own size counts for each unit of λ, in squared pixels of the feature map."""
FAILED_STEPS_PER_RELOCATION = 2
"""After this many failed steps in a row, handles are taken to be where the tracker now finds them."""
MAX_FAILED_STEPS = 4
"""After this many failed steps in a row, far from the targets, least squares has failed."""


@dataclass(frozen=True)
class _Proposal:
    """What a step would change: the coordinates `[N, K]`, and how this moves the handles by prediction `[N, P, 2]`."""

    change: Tensor
    predicted_motion: Tensor


class LeastSquaresOptimizer:
    """N drags of one generator that advance together by damped least squares, none of them affecting another.

    A drag for which this fails, because several steps in a row lead away from targets that are still far, is continued by
    the paper's method.

    Args:
        generator: in eval mode, with parameters that require no gradient.
        settings: the same for all drags.
        tasks: at least one.

    Attributes: see `Optimizer`; also
        latents: what the coordinates mean.
        coordinates: of the current latents, `[N, K]`; their length is the Mahalanobis length of the edit.
        tracker: finds the handles again.
        jacobian: of the handles with respect to the coordinates, `[N, 2P, K]`, as it was last computed and corrected.
        jacobian_count: how many Jacobians have been computed for each drag, `[N]`.
        is_fallback: whether a drag is continued by the paper's method, bool `[N]`.

    Raises:
        EditError: a task has no pairs, its mask does not fit the image, or the model has no such feature block.
    """

    ends_when_settled: bool = True

    def __init__(self, generator: Generator, settings: DragSettings, tasks: Sequence[DragTask]) -> None:
        check_tasks(tasks, generator, settings)
        self.generator, self.settings = generator, usable_settings(settings, generator, "least-squares")
        height, width = generator.image_shape
        self._tasks = list(tasks)
        self.start_ws = torch.cat([task.ws.detach().to(generator.device) for task in tasks]).clone()
        self.ws = self.start_ws.clone()
        self.pairs = PairBatch.of(tasks, Size(width, height), like=self.start_ws)
        self.optimized_rows = min(settings.layers, self.start_ws.shape[1])
        self.latents = LatentCoordinates.around(
            self.start_ws, settings.space, self.optimized_rows, w_statistics(generator.mapping)
        )
        self.coordinates = self.start_ws.new_zeros(len(tasks), self.latents.count)
        fixed = fixed_areas(tasks, generator) if settings.mask_weight > 0 else None
        self._uses_whole_maps = fixed is not None or generator.device.type == "cuda"
        self._source = feature_source(
            generator.synthesis, settings.feature_block, self.optimized_rows, whole_maps=self._uses_whole_maps
        )
        self.shape = PatchShape(PATCH_RADIUS, height / self._source.map_size.height)
        with torch.no_grad():
            features = self._compute_features(self.coordinates, self.latents, self.pairs.handles, self._patch_radius)
        self.tracker = PatchTracker(features, self.pairs, self.shape)
        self._fixed_areas: FixedAreaMetric | None = None
        self._fixed_rows: LinearObservations | None = None
        if fixed is not None:
            self._fixed_areas = FixedAreaMetric.of(features.whole_map, fixed)
            rows = self.coordinates.new_zeros(len(tasks), PROJECTIONS, self.latents.count)
            self._fixed_rows = LinearObservations(rows, rows[:, :, 0].clone())
        self.trust = TrustRegion.of_start(self.coordinates[:, 0], self.shape.spacing)
        self.jacobian = self.coordinates.new_zeros(len(tasks), 2 * self.pairs.handles.shape[1], self.latents.count)
        self.jacobian_age = torch.full((len(tasks),), MAX_JACOBIAN_AGE, device=generator.device)
        self.jacobian_count = torch.zeros_like(self.jacobian_age)
        self._failed_steps = torch.zeros_like(self.jacobian_age)
        self._start_distances = self.pairs.distances().sum(dim=1)
        self._fallbacks: dict[int, DragganOptimizer] = {}

    @property
    def source(self) -> FeatureSource:
        """What has computed the features of a single drag last."""
        return self._fallbacks[0].source if 0 in self._fallbacks else self._source

    @property
    def settles_after(self) -> int:
        return DragganOptimizer.settles_after if self._fallbacks else SETTLES_AFTER_STEPS

    @property
    def is_fallback(self) -> Tensor:
        is_fallback = torch.zeros(len(self.ws), dtype=torch.bool)
        is_fallback[list(self._fallbacks)] = True
        return is_fallback.to(self.ws.device)

    def step(self) -> tuple[Tensor, Tensor]:
        """Advance all drags by one change of w, or by a step of the paper's method where least squares has failed.

        Returns:
            How much the patches at the handles differ from those at the start, or eq. 1, `[N]`, and whether each drag has
            stayed finite, bool `[N]`. A drag that has not keeps its latent and handles, and cannot be continued.
        """
        loss, is_finite = self._step_by_least_squares()
        for index, fallback in self._fallbacks.items():
            pair_count = fallback.pairs.handles.shape[1]
            fallback.pairs.targets.copy_(self.pairs.targets[index : index + 1, :pair_count])
            fallback_loss, fallback_is_finite = fallback.step()
            loss[index], is_finite[index] = fallback_loss[0], fallback_is_finite[0]
            self.ws[index] = fallback.ws[0]
            self.pairs.handles[index, :pair_count] = fallback.pairs.handles[0]
        self._fall_back_where_failed()
        return loss, is_finite

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""
        kept_indices = kept.nonzero()[:, 0].tolist()
        self._tasks = [self._tasks[index] for index in kept_indices]
        self._fallbacks = {
            new_index: self._fallbacks[index]
            for new_index, index in enumerate(kept_indices)
            if index in self._fallbacks
        }
        self.start_ws, self.ws, self.coordinates = self.start_ws[kept], self.ws[kept], self.coordinates[kept]
        self.jacobian, self.jacobian_age = self.jacobian[kept], self.jacobian_age[kept]
        self.jacobian_count, self._failed_steps = self.jacobian_count[kept], self._failed_steps[kept]
        self._start_distances = self._start_distances[kept]
        self.latents, self.pairs = self.latents.select(kept), self.pairs.select(kept)
        self.trust.select(kept)
        self.tracker.select(kept)
        if self._fixed_areas is not None:
            self._fixed_areas = self._fixed_areas.select(kept)
        if self._fixed_rows is not None:
            self._fixed_rows = self._fixed_rows.select(kept)

    def prior_variance(self, mean_square: Tensor) -> Tensor:
        """Return σ², `[N]` in squared image pixels.

        σ is the accuracy to which handles count as located. The steps end where Jᵀ e = σ² z. Handles that are hard to move, or have come far, would end far from their targets,
        so σ² is smaller for these.

        Args:
            mean_square: of the Jacobian's rows, `[N]`.
        """
        pair_counts = self.pairs.exists.sum(dim=1)
        stop_distances = [self.settings.stop_distance_for(len(task.pairs)) for task in self._tasks]
        error_length = MAX_SHORTFALL * mean_square.new_tensor(stop_distances) * pair_counts.sqrt()
        limit = error_length * mean_square.sqrt() / _lengths(self.coordinates).clamp_min(1e-6)
        return limit.clamp_max((self.settings.stay * self.shape.spacing) ** 2)

    @torch.no_grad()
    def _step_by_least_squares(self) -> tuple[Tensor, Tensor]:
        self._refresh_jacobians()
        proposal = self._propose()
        coordinates = self.coordinates + proposal.change
        ws, handles = self.latents.to_ws(coordinates), self.pairs.handles.clone()
        with record_function("synthesis"):
            predicted_handles = handles + proposal.predicted_motion
            features = self._compute_features(coordinates, self.latents, predicted_handles, self.tracker.search_radius)
        with record_function("tracking"):
            tracked_handles = self.tracker.track(handles, proposal.predicted_motion, features)
        new_handles = torch.where(self.pairs.exists[..., None], tracked_handles, handles)
        is_finite = _are_finite(self.jacobian) & _are_finite(ws) & _are_finite(new_handles)
        differences = self.tracker.differences(new_handles, features) * self.pairs.exists
        is_accepted = self._judge(proposal, new_handles - handles, is_finite)
        self._accept(coordinates, ws, new_handles, is_accepted)
        return differences.sum(dim=1), is_finite

    def _refresh_jacobians(self) -> None:
        """Compute the Jacobians that have become too old."""
        is_old = self.jacobian_age >= MAX_JACOBIAN_AGE
        if not bool(is_old.any()):
            return
        latents, handles = self.latents.select(is_old), self.pairs.handles[is_old]
        with record_function("backward"):
            positions = HandlePositions.at(
                lambda coordinates: self._compute_features(coordinates, latents, handles, self._patch_radius),
                self.coordinates[is_old],
                handles,
                self.shape,
                self.pairs.image_size,
            )
            if self._has_exact_jacobians:
                jacobian = exact_jacobian(positions)
            else:
                jacobian = subspace_jacobian(positions, self._errors()[is_old])
            if self._fixed_areas is not None and self._fixed_rows is not None:
                fixed_rows = self._observe_fixed_areas(self._fixed_areas.select(is_old), positions)
                self._fixed_rows.jacobian[is_old] = fixed_rows.jacobian
                self._fixed_rows.errors[is_old] = fixed_rows.errors
        exists = self.pairs.exists[is_old].repeat_interleave(2, dim=1)
        self.jacobian[is_old] = jacobian * exists[..., None]
        self.jacobian_age[is_old] = 0
        self.jacobian_count += is_old

    def _observe_fixed_areas(self, metric: FixedAreaMetric, positions: HandlePositions) -> LinearObservations:
        """Return the change of the fixed areas as observations whose errors lead back to the start."""
        weight = (self.settings.mask_weight * MASK_FACTOR) ** 0.5 * self.shape.spacing
        features = positions.features.whole_map
        jacobian = metric.jacobian(features, positions.coordinates)
        return LinearObservations(weight * jacobian, -weight * metric.projections(features.detach()))

    def _errors(self) -> Tensor:
        """Return how far the next step tries to move the handles, `[N, P, 2]` in image pixels."""
        errors = (self.pairs.targets - self.pairs.handles) * self.pairs.exists[..., None]
        reach = self.trust.reach[:, None, None]
        return errors * (reach / torch.maximum(errors.norm(dim=2, keepdim=True), reach))

    def _propose(self) -> _Proposal:
        errors = self._errors()
        observations = LinearObservations(self.jacobian, errors.flatten(1))
        mean_square = self.jacobian.square().sum(dim=(1, 2)) / (2 * self.pairs.exists.sum(dim=1))
        damping = (self.trust.damping * mean_square).clamp_min(1e-12)
        if self._fixed_rows is not None:
            observations = observations.joined_with(self._fixed_rows)
        change = damped_change(observations, self.coordinates, damping, self.prior_variance(mean_square))
        change = torch.where(_are_finite(change)[:, None], change, 0)  # of a drag that has diverged
        predicted_motion = (self.jacobian.nan_to_num() @ change[..., None]).view_as(errors)
        return _Proposal(change, predicted_motion)

    def _judge(self, proposal: _Proposal, motion: Tensor, is_finite: Tensor) -> Tensor:
        """Compare a step with its prediction; return which drags accept it, bool `[N]`.

        Adapts the trust in the linear model and its Jacobian. Where steps with a new Jacobian keep failing however short
        they are, it is the position of a handle that was wrong, and the one where it is tracked now is accepted.
        """
        motion_error = motion - proposal.predicted_motion
        agreement = 1 - _lengths(motion_error) / _lengths(proposal.predicted_motion).clamp_min(1e-6)
        new_pairs = replace(self.pairs, handles=self.pairs.handles + motion)
        is_nearer = new_pairs.distances().sum(dim=1) < self.pairs.distances().sum(dim=1)
        is_fresh = self.jacobian_age == 0
        is_accepted = is_finite & is_nearer
        min_agreement = BAD_AGREEMENT
        if self._has_exact_jacobians:  # these are cheap enough for another try whenever a prediction fails
            is_accepted &= is_fresh | (agreement >= BAD_AGREEMENT)
            min_agreement = GOOD_AGREEMENT
        self.trust.update(agreement, ~is_accepted & is_fresh)
        self._correct_jacobians(proposal.change, motion_error, is_accepted)
        self._failed_steps = torch.where(is_accepted, 0, self._failed_steps + is_fresh)
        is_misplaced = ~is_accepted & is_fresh & is_finite & (agreement < BAD_AGREEMENT)
        is_relocated = is_misplaced & (self._failed_steps % FAILED_STEPS_PER_RELOCATION == 0)
        needs_jacobian = (~is_accepted & ~is_fresh) | is_relocated | (is_accepted & (agreement < min_agreement))
        self.jacobian_age = torch.where(needs_jacobian, MAX_JACOBIAN_AGE, self.jacobian_age + is_accepted)
        self.trust.restart(is_relocated)
        return is_accepted | is_relocated

    def _correct_jacobians(self, change: Tensor, motion_error: Tensor, is_accepted: Tensor) -> None:
        """Correct the Jacobians so that they explain the last step (Broyden 1965)."""
        direction = change / change.square().sum(dim=1, keepdim=True).clamp_min(1e-12)
        correction = motion_error.flatten(1)[..., None] * direction[:, None]
        self.jacobian = torch.where(is_accepted[:, None, None], self.jacobian + correction, self.jacobian)
        if self._fixed_rows is not None:
            moved = (self._fixed_rows.jacobian @ change[..., None])[..., 0] * is_accepted[:, None]
            self._fixed_rows = replace(self._fixed_rows, errors=self._fixed_rows.errors - moved)

    def _accept(self, coordinates: Tensor, ws: Tensor, handles: Tensor, is_accepted: Tensor) -> None:
        """Make new states the current ones of the drags that accept their step."""
        is_accepted = is_accepted[:, None]
        self.coordinates = torch.where(is_accepted, coordinates, self.coordinates)
        self.ws = torch.where(is_accepted[..., None], ws, self.ws)
        self.pairs.handles.copy_(torch.where(is_accepted[..., None], handles, self.pairs.handles))
        if not bool(is_accepted.all()):  # the image of the drag is rendered from what the source has computed last
            self._compute_features(self.coordinates, self.latents, self.pairs.handles, self._patch_radius)

    def _fall_back_where_failed(self) -> None:
        """Let the paper's method continue the drags for which least squares has failed."""
        is_far = self.pairs.distances().sum(dim=1) > self._start_distances / 2
        for index in ((self._failed_steps >= MAX_FAILED_STEPS) & is_far).nonzero()[:, 0].tolist():
            if index not in self._fallbacks:
                fallback = DragganOptimizer(self.generator, self.settings, [self._tasks[index]])
                pair_count = len(self._tasks[index].pairs)
                fallback.continue_from(self.ws[index : index + 1], self.pairs.handles[index : index + 1, :pair_count])
                self._fallbacks[index] = fallback

    @property
    def _has_exact_jacobians(self) -> bool:
        return self.pairs.handles.shape[1] <= MAX_EXACT_PAIRS

    @property
    def _patch_radius(self) -> float:
        """How far from a handle the features of its patch and their derivatives are read, in image pixels."""
        return (self.shape.reach + 1) * self.shape.spacing

    def _compute_features(
        self, coordinates: Tensor, latents: LatentCoordinates, points: Tensor, radius: float
    ) -> FeatureWindows:
        """Return the features of coordinates `[n, K]`, at least within a radius (image pixels) of points `[n, P, 2]`."""
        if self._uses_whole_maps or not math.isfinite(radius):
            return self._source(latents.to_ws(coordinates))
        windows = [
            window_around((x, y), radius, self.pairs.image_size, self._source.map_size)
            for x, y in points.flatten(0, 1).tolist()
        ]
        return self._source(latents.to_ws(coordinates), windows)


def _lengths(vectors: Tensor) -> Tensor:
    """Return the lengths of `[N, ...]`, `[N]`."""
    lengths: Tensor = vectors.flatten(1).norm(dim=1)
    return lengths


def _are_finite(tensor: Tensor) -> Tensor:
    """Return whether all values of each item of `[N, ...]` are finite, bool `[N]`."""
    return torch.isfinite(tensor).flatten(1).all(dim=1)
