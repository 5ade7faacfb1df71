"""Motion supervision (paper, eq. 1): pull the features round each handle one small step towards its target."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.networks.features import FeatureWindows
from draggan_engine.protocol.geometry import Size

from .sampling import on_picture, sample_windows, square


def shift_towards(handles: Tensor, targets: Tensor) -> Tensor:
    """d_i `[..., 2]`: towards the target, of length min(1, distance).

    The paper's d_i always has length 1; shortening it at the end lets a handle settle instead of
    overshooting. 0 where handle and target coincide.
    """
    way = targets - handles
    length = way.norm(dim=-1, keepdim=True)
    shift: Tensor = way / length.clamp_min(1.0)
    return shift


def motion_loss(
    features: Tensor | FeatureWindows,
    handles: Tensor,
    targets: Tensor,
    there_is: Tensor,
    radius: float,
    picture: Size,
) -> Tensor:
    """First term of eq. 1: Σ_i mean over Ω1(p_i) of |F(q) − F(q + d_i)|, no gradient through F(q).

    The mean is over the patch's elements of each pair (as in the released code; the paper writes a sum).
    Pixels outside the picture do not count.

    Args:
        features: `[N, C, h, w]`, one for each drag, or windows of them that hold Ω1 and a pixel more.
        handles, targets: `[N, P, 2]` in picture pixels.
        there_is: `[N, P]` bool: which of the pairs there are (drags with fewer than P are filled up).
        radius: r1.

    Returns:
        `[N]`.
    """
    area = square(radius, handles.device)  # holds Ω1
    first, side = handles + area[0, 0], len(area)
    shift = shift_towards(handles, targets)
    known = features if isinstance(features, FeatureWindows) else FeatureWindows.of(features)
    with torch.no_grad():
        still = sample_windows(known, first, side, picture)
    moved = sample_windows(known, first + shift, side, picture)
    difference = (moved - still).abs().mean(dim=4)  # [N, P, side, side]
    inside = area.square().sum(dim=2) < radius**2
    counts = (on_picture(handles[:, :, None, None] + area, picture) & inside).to(difference.dtype)
    patches = (difference * counts).sum(dim=(2, 3)) / counts.sum(dim=(2, 3)).clamp_min(1)
    return (patches * there_is).sum(dim=1)


def mask_loss(features: Tensor, start: Tensor, fixed: Tensor) -> Tensor:
    """Second term of eq. 1 without its λ: mean of |F − F_0|·(1 − M) over all elements at picture resolution; `[N]`.

    Args:
        features: F, `[N, C, h, w]`.
        start: F_0, the same shape.
        fixed: 1 − M, float `[N, H, W]`.
    """
    height, width = fixed.shape[1:]
    change = F.interpolate(features - start, size=(height, width), mode="bilinear", align_corners=False)
    return (change.abs() * fixed[:, None]).mean(dim=(1, 2, 3))


def supervision_loss(
    features: FeatureWindows,
    start: Tensor | None,
    handles: Tensor,
    targets: Tensor,
    there_is: Tensor,
    radius: float,
    fixed: Tensor | None,
    mask_weight: float,
    picture: Size,
) -> Tensor:
    """Eq. 1 as a whole, of each of N drags; `fixed` None = no mask, and then there need be no `start`. `[N]`."""
    loss = motion_loss(features, handles, targets, there_is, radius, picture)
    if fixed is not None and start is not None:
        loss = loss + mask_weight * mask_loss(features.map, start, fixed)
    return loss


def fixed_area(masks: Tensor) -> Tensor | None:
    """1 − M as float, from M `[N, H, W]` (1 = may move); None where everything may move."""
    return None if bool(masks.all()) else 1 - masks.to(torch.float32)
