"""The templates of FreeDrag (Ling et al. 2024): patches of features that move on the lines from handles to targets."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from draggan_engine.core.geometry import Size

from .drag_task import PairBatch
from .feature_sampling import is_inside_image, sample_grids
from .feature_sources import FeatureWindows

STRIDE = 3 / 128
"""d: how far a template moves at most, as a share of the image's height. In the paper, d is 3 pixels of a map that is 128
pixels high."""
STEPS_PER_STAGE = 5
MATCH, CLOSE_MATCH = 0.5, 0.25
"""Losses, relative to the scale l: up to the first a template moves on; below the second a stage ends early."""
EVEN_BLEND, SMALL_BLEND = 0.2, 0.8
"""The losses, relative to l, at which λ is 0.5 and 0.1."""
CANDIDATES = 10
SCALE_DIRECTIONS = 8


def template_reach(radius: float, image_size: Size) -> float:
    """Return how far from a template features are needed along either axis until it has moved, in image pixels.

    Args:
        radius: r1 in image pixels.
    """
    return STRIDE * image_size.height + radius


def blend_weights(losses: Tensor, scales: Tensor) -> Tensor:
    """Return λ = 1 / (1 + exp(α(L − β))), the share of the present features in an updated template.

    It is 0.675 for a loss of 0, 0.5 for β = 0.2·l, and 0.1 for 0.8·l.

    Args:
        losses: L at the end of a stage, `[N, P]`.
        scales: l, `[N]`.

    Returns:
        `[N, P]`.
    """
    slope = math.log(9) / (SMALL_BLEND - EVEN_BLEND)
    weights: Tensor = torch.sigmoid(-slope * (losses / scales[:, None] - EVEN_BLEND))
    return weights


def search_line(
    losses_at: Callable[[Tensor], Tensor],
    starts: Tensor,
    targets: Tensor,
    lengths: Tensor,
    goals: Tensor,
    image_size: Size,
) -> Tensor:
    """Return S(q, d, l): which of ten points on the line from q to the target has the loss that is nearest to a goal.

    The ten points are at equal distances, from a tenth of the length to the whole length, but not beyond the target.
    Points outside the image are left out, unless all of them are outside.

    Args:
        losses_at: maps points `[N, P, 2]` to their losses `[N, P]`.
        starts: q, `[N, P, 2]` in image pixels.
        targets: `[N, P, 2]` in image pixels.
        lengths: d in image pixels, `[N, P]`.
        goals: l, `[N, P]`.

    Returns:
        `[N, P, 2]` in image pixels.
    """
    lines = targets - starts
    distances = lines.norm(dim=2)
    steps = lines * (torch.minimum(lengths, distances) / distances.clamp_min(1e-12) / CANDIDATES)[..., None]
    best_points: Tensor = starts + steps
    best_costs = torch.full_like(lengths, torch.inf)
    for i in range(1, CANDIDATES + 1):
        # The last point is the target itself where the line ends there, so that no rounding keeps a template from it.
        ends_at_target = (i == CANDIDATES) & (lengths >= distances)
        points = torch.where(ends_at_target[..., None], targets, starts + i * steps)
        costs = torch.where(is_inside_image(points, image_size), (losses_at(points) - goals).abs(), torch.inf)
        best_points = torch.where((costs < best_costs)[..., None], points, best_points)
        best_costs = torch.minimum(costs, best_costs)
    return best_points


class MovingTemplates:
    """The templates of N drags. A stage is what the paper calls a drag: up to five steps with the same templates.

    A patch F_r(q) has the features at the points of a square that reaches r1 from q in each direction. The points are at
    most one pixel of the feature map apart: with the paper's settings for 512 pixels these are 3×3 points, 3 pixels
    apart, as in the authors' code. Beyond the border of the image the features at the border are used.

    The paper's l is a constant that fits its models. Here it is the median difference between the patches at the handles
    and those at a distance of d from them, in eight directions, so that all losses are relative to the model's features.

    Args:
        start_features: windows contain everything within `template_reach` of the handles.
        pairs: the pairs at the start.
        radius: r1 in image pixels.

    Attributes:
        positions: h, `[N, P, 2]` in image pixels; at the start, the handles.
        patches: T, `[N, P, side, side, C]`.
        scales: l, `[N]`.
        first_losses, last_losses: L at the first step of the stage and after its last one, `[N, P]`.
        step_counts: how many steps of the stage have been made, `[N]`.
        has_ended: whether the stage has ended, bool `[N]`.
    """

    @torch.no_grad()
    def __init__(self, start_features: FeatureWindows, pairs: PairBatch, radius: float) -> None:
        self.image_size, self.radius = pairs.image_size, radius
        self.stride = STRIDE * pairs.image_size.height
        spacing_count = math.ceil(radius * start_features.map_size.height / pairs.image_size.height)
        self.side, self.spacing = 2 * spacing_count + 1, radius / spacing_count
        self.exists, self.start_positions, self.positions = pairs.exists, pairs.handles.clone(), pairs.handles.clone()
        self.patches = self._sample_patches(start_features, self.positions)
        self.scales = self._measure_scales(start_features)
        # The paper's first drag begins with a search, like those after a perfect match.
        self.first_losses = torch.zeros_like(self.positions[..., 0])
        self.last_losses = torch.zeros_like(self.first_losses)
        self.step_counts = torch.zeros_like(self.exists[:, 0], dtype=torch.long)
        self.has_ended = torch.ones_like(self.exists[:, 0])

    def losses(self, features: FeatureWindows) -> Tensor:
        """Return L, the mean of |F_r(h) − T| over the elements of each patch, `[N, P]`; 0 where there is no pair."""
        return self._losses_at(features, self.positions)

    @torch.no_grad()
    def begin_stages(self, features: FeatureWindows, targets: Tensor) -> None:
        """Update and move the templates of the drags whose stage has ended.

        A template moves on towards its target where the features have come to match it, stays where they come nearer,
        and otherwise goes to the best match from d behind it to d before it. It is not updated before it has left its
        handle, so that pins keep what was under them at the start.

        Args:
            features: of the latents after the last step.
            targets: `[N, P, 2]` in image pixels.
        """
        if not bool(self.has_ended.any()):
            return
        has_left = (self.positions != self.start_positions).any(dim=2)
        blends = blend_weights(self.last_losses, self.scales) * has_left * self.has_ended[:, None]
        self.patches = self.patches.lerp(self._sample_patches(features, self.positions), blends[..., None, None, None])
        moves_on = self.last_losses <= MATCH * self.scales[:, None]
        goes_back = ~moves_on & (self.last_losses > self.first_losses)
        lines = targets - self.positions
        directions = lines / lines.norm(dim=2, keepdim=True).clamp_min(1e-12)
        starts = torch.where(goes_back[..., None], self.positions - self.stride * directions, self.positions)
        lengths = torch.where(goes_back, 2 * self.stride, self.stride).to(starts)
        goals = torch.where(goes_back, 0, self.scales[:, None])
        new_positions = search_line(
            lambda points: self._losses_at(features, points), starts, targets, lengths, goals, self.image_size
        )
        moves = (moves_on | goes_back) & self.has_ended[:, None]
        self.positions = torch.where(moves[..., None], new_positions, self.positions)
        self.step_counts = torch.where(self.has_ended, 0, self.step_counts)

    @torch.no_grad()
    def end_step(self, losses_before: Tensor, features: FeatureWindows) -> None:
        """Count a step, and end the stages that have made five or in which all templates match closely.

        Args:
            losses_before: `losses` before the step.
            features: of the latents after the step.
        """
        is_first = (self.step_counts == 0)[:, None]
        self.first_losses = torch.where(is_first, losses_before, self.first_losses)
        self.last_losses = self.losses(features)
        self.step_counts = self.step_counts + 1
        all_match = (self.last_losses < CLOSE_MATCH * self.scales[:, None]).logical_or(~self.exists).all(dim=1)
        self.has_ended = all_match | (self.step_counts >= STEPS_PER_STAGE)

    def has_match(self, targets: Tensor) -> Tensor:
        """Return whether the features have come to match each template, bool `[N, P]`.

        A stage must have ended with a match, less than a pixel from the target `[N, P, 2]` with a close one.
        """
        is_at_target = (self.positions - targets).norm(dim=2) < 1
        max_losses = torch.where(is_at_target, CLOSE_MATCH, MATCH) * self.scales[:, None]
        return (self.last_losses <= max_losses) & self.has_ended[:, None]

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""
        self.exists, self.start_positions, self.positions, self.patches, self.scales = (
            tensor[kept] for tensor in (self.exists, self.start_positions, self.positions, self.patches, self.scales)
        )
        self.first_losses, self.last_losses, self.step_counts, self.has_ended = (
            tensor[kept] for tensor in (self.first_losses, self.last_losses, self.step_counts, self.has_ended)
        )

    def _measure_scales(self, features: FeatureWindows) -> Tensor:
        angles = torch.arange(SCALE_DIRECTIONS).to(self.positions) * (2 * math.pi / SCALE_DIRECTIONS)
        shifts = self.stride * torch.stack([angles.cos(), angles.sin()], dim=1)
        differences = torch.stack([self._losses_at(features, self.positions + shift) for shift in shifts], dim=2)
        existing_differences = torch.where(self.exists[..., None], differences, torch.nan)
        medians = existing_differences.flatten(1).nanmedian(dim=1).values
        return medians.clamp_min(torch.finfo(medians.dtype).tiny)

    def _losses_at(self, features: FeatureWindows, points: Tensor) -> Tensor:
        differences = (self._sample_patches(features, points) - self.patches).abs()
        losses: Tensor = differences.mean(dim=(2, 3, 4)) * self.exists
        return losses

    def _sample_patches(self, features: FeatureWindows, points: Tensor) -> Tensor:
        return sample_grids(features, points - self.radius, self.side, self.image_size, self.spacing)
