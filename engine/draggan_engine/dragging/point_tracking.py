"""Point tracking (paper, eq. 2): find each handle's content again after the latent has changed."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from draggan_engine.core.edit import DragSettings, Norm
from draggan_engine.core.geometry import Size
from draggan_engine.dragging.feature_sources import FeatureWindows

from .feature_sampling import is_inside_image, sample_grids, square_offsets


@torch.no_grad()
def track_points(
    features: Tensor | FeatureWindows,
    references: Tensor,
    handles: Tensor,
    reach: float,
    norm: Norm,
    picture: Size,
) -> Tensor:
    """p_i ← argmin over the pixels of Ω2(p_i, r2) of ‖F'(q) − f_i‖.

    Args:
        features: F' of the new latents, `[N, C, h, w]`, or windows of it that hold Ω2.
        references: f_i, `[N, P, C]`: the features at the handles when the drag began.
        handles: `[N, P, 2]` in picture pixels; may lie between pixels.
        reach: r2.
        norm: "l1" (the paper) or "l2" (the released code) over channels.

    Returns:
        `[N, P, 2]`, pixel centres. A handle with no pixel of the picture in reach stays.
    """
    # Half a pixel more, because a handle between pixels is searched from its nearest one.
    area = square_offsets(reach + 0.5, handles.device)
    candidates = handles.round()[:, :, None, None] + area  # [N, P, side, side, 2]
    near = ((candidates - handles[:, :, None, None]).abs() < reach).all(dim=4) & is_inside_image(candidates, picture)
    difference = sample_grids(features, candidates[:, :, 0, 0], len(area), picture).sub_(references[:, :, None, None])
    # In place: of many points these are by far the largest tensors of a step.
    cost = (difference.abs_() if norm == "l1" else difference.square_()).sum(dim=4)
    nearest = torch.where(near, cost, torch.inf).flatten(2).argmin(dim=2)
    best = candidates.flatten(2, 3).gather(2, nearest[..., None, None].expand(-1, -1, 1, 2))[:, :, 0]
    return torch.where(near.flatten(2).any(dim=2)[..., None], best, handles)


class PointTracker(Protocol):
    """How handles are found again after a step. Each `DragOptimizer` has a tracker of its own.

    Attributes:
        search_radius: how far from its last position a handle can be found, in image pixels along either axis.
    """

    search_radius: float

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:
        """Return the positions `[N, P, 2]` of the handles in the images of new latents.

        Args:
            handles: positions before the step, `[N, P, 2]` in image pixels.
            ws: the new latents, `[N, num_ws, w_dim]`.
            features: their features; windows hold everything within `search_radius` of the handles.
        """

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""


class FeatureTracker:
    """The paper's tracker (eq. 2): find the features nearest to those under each handle when the drag began.

    Args:
        start_features: features of the latents that the drags start from.
        handles: `[N, P, 2]` in image pixels.
    """

    def __init__(
        self, start_features: FeatureWindows, handles: Tensor, settings: DragSettings, image_size: Size
    ) -> None:
        self.references = sample_grids(start_features, handles, 1, image_size)[:, :, 0, 0].detach()
        self.search_radius, self.norm, self.image_size = settings.r2, settings.tracking_norm, image_size

    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        return track_points(features, self.references, handles, self.search_radius, self.norm, self.image_size)

    def select(self, kept: Tensor) -> None:
        self.references = self.references[kept]
