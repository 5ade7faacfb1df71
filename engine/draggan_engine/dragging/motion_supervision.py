"""Motion supervision (Pan et al. 2023, eq. 1): pull the features around each handle a small step towards its target."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .drag_task import PairBatch
from .feature_sampling import is_inside_image, sample_grids, square_offsets
from .feature_sources import FeatureWindows


def shift_towards(handles: Tensor, targets: Tensor) -> Tensor:
    """Return the shifts d_i towards the targets, of length min(1, distance), `[..., 2]` in image pixels.

    The paper's d_i always has length 1. Here it becomes shorter within the last pixel, so that a handle settles instead
    of overshooting, and 0 where handle and target coincide.
    """
    difference = targets - handles
    distance = difference.norm(dim=-1, keepdim=True)
    shift: Tensor = difference / distance.clamp_min(1.0)
    return shift


def motion_loss(features: Tensor | FeatureWindows, pairs: PairBatch, radius: float) -> Tensor:
    """Return the first term of eq. 1: Σ_i mean over Ω1(p_i, r1) of |F(q) − F(q + d_i)|, with no gradient through F(q).

    Each pair's term is the mean over the elements of its patch, as in the authors' code; the paper writes a sum. Pixels
    outside the image do not count.

    Args:
        features: `[N, C, h, w]`, a map for each drag, or windows that contain Ω1 and one image pixel more.
        radius: r1 in image pixels.

    Returns:
        `[N]`.
    """
    offsets = square_offsets(radius, pairs.handles.device)  # a square that contains Ω1
    first_points, side = pairs.handles + offsets[0, 0], len(offsets)
    shift = shift_towards(pairs.handles, pairs.targets)
    windows = features if isinstance(features, FeatureWindows) else FeatureWindows.of(features)
    with torch.no_grad():
        fixed_patches = sample_grids(windows, first_points, side, pairs.image_size)
    # In place, and with a sum over the channels, because the gradient of a mean would divide each element; with many
    # points these tensors are large.
    moved_patches = sample_grids(windows, first_points + shift, side, pairs.image_size)
    differences = moved_patches.sub_(fixed_patches).abs().sum(dim=4)  # [N, P, side, side]
    is_in_disc = offsets.square().sum(dim=2) < radius**2
    counts = is_inside_image(pairs.handles[:, :, None, None] + offsets, pairs.image_size) & is_in_disc
    weights = counts.to(differences.dtype)
    element_counts = weights.sum(dim=(2, 3)).clamp_min(1) * fixed_patches.shape[4]
    pair_losses = (differences * weights).sum(dim=(2, 3)) / element_counts
    return (pair_losses * pairs.exists).sum(dim=1)


class MaskLoss(Protocol):
    """The second term of eq. 1 without its λ: how much has changed where nothing may move.

    Each optimiser has a mask loss of its own.
    """

    def __call__(self, features: Tensor) -> Tensor:
        """Return `[N]` for the whole maps `[N, C, h, w]`."""

    def select(self, kept: Tensor) -> None:
        """Continue with the drags that `kept`, bool `[N]`, selects."""


class AveragedMaskLoss:
    """The mask loss at the resolution of the features: the mean of |F − F_0|·m.

    m is 1 − M, averaged down with the weights with which F would be resized up. This deviates from the paper, which
    resizes F. Both are equal wherever F − F_0 has the same sign in all features around a pixel; elsewhere this one is
    larger. It needs no feature map of the image's size.

    Args:
        start_features: F_0, `[N, C, h, w]`.
        fixed_areas: 1 − M, float `[N, H, W]`.
    """

    def __init__(self, start_features: Tensor, fixed_areas: Tensor) -> None:
        self.start_features = start_features
        probe = torch.zeros_like(start_features[:, :1], requires_grad=True)
        resized = _resize(probe, fixed_areas)
        (weights,) = torch.autograd.grad(resized, probe, fixed_areas[:, None].to(start_features.dtype))
        self.weights = weights / (start_features.shape[1] * fixed_areas[0].numel())

    def __call__(self, features: Tensor) -> Tensor:
        return ((features - self.start_features).abs() * self.weights).sum(dim=(1, 2, 3))

    def select(self, kept: Tensor) -> None:
        self.start_features, self.weights = self.start_features[kept], self.weights[kept]


class ExactMaskLoss:
    """The mask loss as in the paper: the mean of |F − F_0|·(1 − M) over all elements, at the image's resolution.

    Args:
        start_features: F_0, `[N, C, h, w]`.
        fixed_areas: 1 − M, float `[N, H, W]`.
    """

    CHUNK_CHANNELS = 8  # channels that are resized at a time, so that no map of the image's size has all channels

    def __init__(self, start_features: Tensor, fixed_areas: Tensor) -> None:
        self.start_features, self.fixed_areas = start_features, fixed_areas.to(start_features.dtype)

    def __call__(self, features: Tensor) -> Tensor:
        change = features - self.start_features
        chunks = torch.split(change, self.CHUNK_CHANNELS, dim=1)
        chunk_losses = [checkpoint(self._chunk_sum, chunk, use_reentrant=False) for chunk in chunks]
        return torch.stack(chunk_losses).sum(dim=0) / (change.shape[1] * self.fixed_areas[0].numel())

    def _chunk_sum(self, change: Tensor) -> Tensor:
        return (_resize(change, self.fixed_areas).abs() * self.fixed_areas[:, None]).sum(dim=(1, 2, 3))

    def select(self, kept: Tensor) -> None:
        self.start_features, self.fixed_areas = self.start_features[kept], self.fixed_areas[kept]


def _resize(features: Tensor, fixed_areas: Tensor) -> Tensor:
    """Resize `[N, C, h, w]` to the pixels of the fixed areas `[N, H, W]`."""
    return F.interpolate(features, size=fixed_areas.shape[1:], mode="bilinear", align_corners=False)


def supervision_loss(
    features: FeatureWindows, pairs: PairBatch, radius: float, mask_loss: MaskLoss | None, mask_weight: float
) -> Tensor:
    """Return eq. 1 for each of N drags, `[N]`.

    Args:
        features, pairs, radius: as for `motion_loss`. With a mask loss, the features must be whole maps.
        mask_loss: the second term; None = everything may move.
        mask_weight: λ.
    """
    loss = motion_loss(features, pairs, radius)
    return loss if mask_loss is None else loss + mask_weight * mask_loss(features.whole_map)
