"""Point tracking (Pan et al. 2023, eq. 2): find each handle's content again after the latent has changed."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings, Norm
from draggan_engine.core.geometry import Size

from .drag_task import PairBatch
from .feature_sampling import is_inside_image, sample_grids, square_offsets
from .feature_sources import FeatureWindows


class PointTracker(Protocol):
    """How handles are found again after a step. Each `DragganOptimizer` has a tracker of its own.

    Attributes:
        search_radius: how far from its last position a handle can be found, in image pixels along either axis.
    """

    search_radius: float

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:
        """Return the positions `[N, P, 2]` of the handles in the images of new latents.

        Args:
            handles: positions before the step, `[N, P, 2]` in image pixels.
            ws: the new latents, `[N, num_ws, w_dim]`.
            features: their features; windows contain everything within `search_radius` of the handles.
        """

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""


class FeatureTracker:
    """The paper's tracker: find the features nearest to those under each handle when the drag began.

    Args:
        start_features: features of the latents that the drags start from.
        pairs: the pairs at the start.
        settings: of the drags; r2 and the norm are used.
    """

    def __init__(self, start_features: FeatureWindows, pairs: PairBatch, settings: DragSettings) -> None:
        self.image_size = pairs.image_size
        self.references = sample_grids(start_features, pairs.handles, 1, pairs.image_size)[:, :, 0, 0].detach()
        self.search_radius, self.norm = settings.r2, settings.tracking_norm

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        return track_points(features, self.references, handles, self.search_radius, self.norm, self.image_size)

    def select(self, kept: Tensor) -> None:
        self.references = self.references[kept]


@torch.no_grad()
def track_points(
    features: Tensor | FeatureWindows,
    references: Tensor,
    handles: Tensor,
    radius: float,
    norm: Norm,
    image_size: Size,
) -> Tensor:
    """Return p_i ← argmin over the pixels q of Ω2(p_i, r2) of ‖F′(q) − f_i‖.

    Args:
        features: F′, the features of the new latents, `[N, C, h, w]`, or windows that contain Ω2.
        references: f_i, the features at the handles when the drag began, `[N, P, C]`.
        handles: p_i before the step, `[N, P, 2]` in image pixels; they may lie between pixels.
        radius: r2 in image pixels.
        norm: over channels: "l1" as in the paper, or "l2" as in the authors' code.

    Returns:
        `[N, P, 2]`, centres of pixels. A handle stays where it is if no pixel of the image is within the radius.
    """
    # Half a pixel more, because a handle between pixels is searched from the pixel nearest to it.
    pixel_offsets = square_offsets(radius + 0.5, handles.device)
    candidate_points = handles.round()[:, :, None, None] + pixel_offsets  # [N, P, side, side, 2]
    is_near = ((candidate_points - handles[:, :, None, None]).abs() < radius).all(dim=4)
    is_candidate = is_near & is_inside_image(candidate_points, image_size)
    # In place, because with many points these are by far the largest tensors of a step.
    feature_differences = sample_grids(features, candidate_points[:, :, 0, 0], len(pixel_offsets), image_size)
    feature_differences = feature_differences.sub_(references[:, :, None, None])
    candidate_costs = (feature_differences.abs_() if norm == "l1" else feature_differences.square_()).sum(dim=4)
    best_indices = torch.where(is_candidate, candidate_costs, torch.inf).flatten(2).argmin(dim=2)
    best_points = candidate_points.flatten(2, 3).gather(2, best_indices[..., None, None].expand(-1, -1, 1, 2))[:, :, 0]
    return torch.where(is_candidate.flatten(2).any(dim=2)[..., None], best_points, handles)
