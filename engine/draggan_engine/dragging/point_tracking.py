"""Point tracking (paper, eq. 2): find each handle's content again after the latent has changed."""

from __future__ import annotations

import torch
from torch import Tensor

from draggan_engine.core.edit import Norm
from draggan_engine.core.geometry import Size
from draggan_engine.dragging.feature_sources import FeatureWindows

from .feature_sampling import on_picture, sample_windows, square


@torch.no_grad()
def track(
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
    area = square(reach + 0.5, handles.device)
    candidates = handles.round()[:, :, None, None] + area  # [N, P, side, side, 2]
    near = ((candidates - handles[:, :, None, None]).abs() < reach).all(dim=4) & on_picture(candidates, picture)
    difference = sample_windows(features, candidates[:, :, 0, 0], len(area), picture).sub_(references[:, :, None, None])
    # In place: of many points these are by far the largest tensors of a step.
    cost = (difference.abs_() if norm == "l1" else difference.square_()).sum(dim=4)
    nearest = torch.where(near, cost, torch.inf).flatten(2).argmin(dim=2)
    best = candidates.flatten(2, 3).gather(2, nearest[..., None, None].expand(-1, -1, 1, 2))[:, :, 0]
    return torch.where(near.flatten(2).any(dim=2)[..., None], best, handles)
