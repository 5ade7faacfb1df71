"""Motion supervision (paper, eq. 1): pull the features round each handle one small step towards its target."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from draggan_engine.core.geometry import Size
from draggan_engine.dragging.feature_sources import FeatureWindows

from .feature_sampling import is_inside_image, sample_grids, square_offsets


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
    pair_exists: Tensor,
    radius: float,
    picture: Size,
) -> Tensor:
    """First term of eq. 1: Σ_i mean over Ω1(p_i) of |F(q) − F(q + d_i)|, no gradient through F(q).

    The mean is over the patch's elements of each pair (as in the released code; the paper writes a sum).
    Pixels outside the picture do not count.

    Args:
        features: `[N, C, h, w]`, one for each drag, or windows of them that hold Ω1 and a pixel more.
        handles, targets: `[N, P, 2]` in picture pixels.
        pair_exists: `[N, P]` bool: which of the pairs there are (drags with fewer than P are filled up).
        radius: r1.

    Returns:
        `[N]`.
    """
    area = square_offsets(radius, handles.device)  # holds Ω1
    first, side = handles + area[0, 0], len(area)
    shift = shift_towards(handles, targets)
    known = features if isinstance(features, FeatureWindows) else FeatureWindows.of(features)
    with torch.no_grad():
        still = sample_grids(known, first, side, picture)
    # In place, and no mean over the channels, whose gradient would be divided at each: of many points these are large.
    difference = sample_grids(known, first + shift, side, picture).sub_(still).abs().sum(dim=4)  # [N, P, side, side]
    inside = area.square().sum(dim=2) < radius**2
    counts = (is_inside_image(handles[:, :, None, None] + area, picture) & inside).to(difference.dtype)
    elements = counts.sum(dim=(2, 3)).clamp_min(1) * still.shape[4]
    patches = (difference * counts).sum(dim=(2, 3)) / elements
    return (patches * pair_exists).sum(dim=1)


class MaskLoss(Protocol):
    """Second term of eq. 1 without its λ: how much has changed where nothing may move. Each `DragOptimizer` has one of its own."""

    def __call__(self, features: Tensor) -> Tensor:
        """`[N]`, of the whole maps `[N, C, h, w]`."""

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""


class AveragedMaskLoss:
    """The term at the features' resolution: mean of |F − F_0|·m, m being 1 − M averaged down as F is resized up.

    A deviation from the paper, which resizes F: the two are the same wherever F − F_0 has one sign in the features
    between which a pixel lies, and elsewhere this one is the larger. It needs no map of the picture's size.

    Args:
        first: F_0, `[N, C, h, w]`.
        fixed: 1 − M, float `[N, H, W]`.
    """

    def __init__(self, first: Tensor, fixed: Tensor) -> None:
        self.first = first
        probe = torch.zeros_like(first[:, :1], requires_grad=True)
        (weights,) = torch.autograd.grad(_resized(probe, fixed), probe, fixed[:, None].to(first.dtype))
        self.weights = weights / (first.shape[1] * fixed[0].numel())

    def __call__(self, features: Tensor) -> Tensor:
        return ((features - self.first).abs() * self.weights).sum(dim=(1, 2, 3))

    def select(self, kept: Tensor) -> None:
        self.first, self.weights = self.first[kept], self.weights[kept]


class ExactMaskLoss:
    """The term as the paper has it: mean of |F − F_0|·(1 − M) over all elements at the picture's resolution.

    Args:
        first: F_0, `[N, C, h, w]`.
        fixed: 1 − M, float `[N, H, W]`.
    """

    CHANNELS = 8  # that are resized at a time: no map of the picture's size ever has them all

    def __init__(self, first: Tensor, fixed: Tensor) -> None:
        self.first, self.fixed = first, fixed.to(first.dtype)

    def __call__(self, features: Tensor) -> Tensor:
        change = features - self.first
        parts = [checkpoint(self._sum, part, use_reentrant=False) for part in torch.split(change, self.CHANNELS, dim=1)]
        return torch.stack(parts).sum(dim=0) / (change.shape[1] * self.fixed[0].numel())

    def _sum(self, change: Tensor) -> Tensor:
        return (_resized(change, self.fixed).abs() * self.fixed[:, None]).sum(dim=(1, 2, 3))

    def select(self, kept: Tensor) -> None:
        self.first, self.fixed = self.first[kept], self.fixed[kept]


def _resized(features: Tensor, like: Tensor) -> Tensor:
    """F at the pixels of pictures `[N, H, W]`."""
    return F.interpolate(features, size=like.shape[1:], mode="bilinear", align_corners=False)


def supervision_loss(
    features: FeatureWindows,
    handles: Tensor,
    targets: Tensor,
    pair_exists: Tensor,
    radius: float,
    mask_loss: MaskLoss | None,
    mask_weight: float,
    picture: Size,
) -> Tensor:
    """Eq. 1 as a whole, of each of N drags; no `mask_loss`: everything may move. `[N]`."""
    loss = motion_loss(features, handles, targets, pair_exists, radius, picture)
    return loss if mask_loss is None else loss + mask_weight * mask_loss(features.map)


def fixed_area(masks: Tensor) -> Tensor | None:
    """1 − M as float, from M `[N, H, W]` (1 = may move); None where everything may move."""
    return None if bool(masks.all()) else 1 - masks.to(torch.float32)
