"""Point tracking (paper, eq. 2): find each handle's content again after the latent has changed."""

from __future__ import annotations

import torch
from torch import Tensor

from draggan_engine.protocol.edit import Norm
from draggan_engine.protocol.geometry import Size

from .sampling import on_picture, sample


@torch.no_grad()
def track(
    features: Tensor, references: Tensor, handles: Tensor, offsets: Tensor, reach: float, norm: Norm, picture: Size
) -> Tensor:
    """p_i ← argmin over the pixels of Ω2(p_i, r2) of ‖F'(q) − f_i‖.

    Args:
        features: F' of the new latent, `[1, C, h, w]`.
        references: f_i, `[P, C]`: the features at the handles when the drag began.
        handles: `[P, 2]` in picture pixels; may lie between pixels.
        offsets: `[K, 2]` integer offsets that hold Ω2 round a handle's nearest pixel.
        reach: r2.
        norm: "l1" (the paper) or "l2" (the released code) over channels.

    Returns:
        `[P, 2]`, pixel centres. A handle with no pixel of the picture in reach stays.
    """
    candidates = handles.round()[:, None] + offsets  # [P, K, 2]
    difference = sample(features, candidates, picture) - references[:, None]
    cost = difference.abs().sum(dim=2) if norm == "l1" else difference.square().sum(dim=2)
    near = ((candidates - handles[:, None]).abs() < reach).all(dim=2) & on_picture(candidates, picture)
    cost = torch.where(near, cost, torch.inf)
    best = candidates[torch.arange(len(handles), device=handles.device), cost.argmin(dim=1)]
    return torch.where(near.any(dim=1, keepdim=True), best, handles)
