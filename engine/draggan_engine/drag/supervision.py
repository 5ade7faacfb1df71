"""Motion supervision (paper, eq. 1): pull the features round each handle one small step towards its target."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.protocol.geometry import Size

from .sampling import on_picture, sample


def shift_towards(handles: Tensor, targets: Tensor) -> Tensor:
    """d_i `[P, 2]`: towards the target, of length min(1, distance).

    The paper's d_i always has length 1; shortening it at the end lets a handle settle instead of
    overshooting. 0 where handle and target coincide.
    """
    way = targets - handles
    length = way.norm(dim=1, keepdim=True)
    shift: Tensor = way / length.clamp_min(1.0)
    return shift


def motion_loss(features: Tensor, handles: Tensor, targets: Tensor, offsets: Tensor, picture: Size) -> Tensor:
    """First term of eq. 1: Σ_i mean over Ω1(p_i) of |F(q) − F(q + d_i)|, no gradient through F(q).

    The mean is over the patch's elements of each pair (as in the released code; the paper writes a sum).
    Pixels outside the picture do not count.

    Args:
        features: `[1, C, h, w]`.
        handles, targets: `[P, 2]` in picture pixels.
        offsets: `[K, 2]`, Ω1 round the origin.

    Returns:
        scalar.
    """
    here = handles[:, None] + offsets
    there = here + shift_towards(handles, targets)[:, None]
    still = sample(features.detach(), here, picture)
    difference = (sample(features, there, picture) - still).abs().mean(dim=2)  # [P, K]
    counts = on_picture(here, picture).to(difference.dtype)
    return ((difference * counts).sum(dim=1) / counts.sum(dim=1).clamp_min(1)).sum()


def mask_loss(features: Tensor, start: Tensor, fixed: Tensor) -> Tensor:
    """Second term of eq. 1 without its λ: mean of |F − F_0|·(1 − M) over all elements at picture resolution.

    Args:
        features: F, `[1, C, h, w]`.
        start: F_0, the same shape.
        fixed: 1 − M, float `[H, W]`.
    """
    height, width = fixed.shape
    change = F.interpolate(features - start, size=(height, width), mode="bilinear", align_corners=False)
    return (change.abs() * fixed).mean()


def supervision_loss(
    features: Tensor,
    start: Tensor,
    handles: Tensor,
    targets: Tensor,
    offsets: Tensor,
    fixed: Tensor | None,
    mask_weight: float,
    picture: Size,
) -> Tensor:
    """Eq. 1 as a whole; `fixed` None = no mask. Scalar."""
    loss = motion_loss(features, handles, targets, offsets, picture)
    if fixed is not None and mask_weight > 0:
        loss = loss + mask_weight * mask_loss(features, start, fixed)
    return loss


def fixed_area(mask: Tensor | None) -> Tensor | None:
    """1 − M as float, from M `[H, W]` (1 = may move); None where everything may move."""
    if mask is None or bool(mask.all()):
        return None
    return 1 - mask.to(torch.float32)
