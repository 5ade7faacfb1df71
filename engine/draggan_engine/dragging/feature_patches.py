"""Small discs of features around points of the image, and how they change along x and y."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from draggan_engine.core.geometry import Size

from .feature_sampling import sample_grids
from .feature_sources import FeatureWindows

REGULARIZATION = 1e-3  # of H, relative to its mean diagonal


@dataclass(frozen=True)
class PatchShape:
    """A disc of points, one pixel of the feature map apart, around a point of the image.

    Attributes:
        radius: in pixels of the feature map.
        spacing: image pixels between neighbouring points.
    """

    radius: float
    spacing: float

    @property
    def reach(self) -> int:
        """How many points lie on each side of the centre along an axis."""
        return int(self.radius)

    @property
    def side(self) -> int:
        """The number of points along each axis of the square that contains the disc."""
        return 2 * self.reach + 1

    def weights(self, like: Tensor) -> Tensor:
        """Return the weights of the square's points, `[side, side]`: equal in the disc, 0 outside it; their sum is 1."""
        axis = torch.arange(-self.reach, self.reach + 1, dtype=like.dtype, device=like.device)
        is_in_disc = axis[:, None] ** 2 + axis**2 <= self.radius**2
        return is_in_disc.to(like.dtype) / is_in_disc.sum()


def sample_patches(features: FeatureWindows, points: Tensor, shape: PatchShape, image_size: Size) -> Tensor:
    """Return the features around points `[N, P, 2]` (image pixels), `[N, P, side, side, C]`."""
    return sample_grids(features, points - shape.reach * shape.spacing, shape.side, image_size, shape.spacing)


@dataclass(frozen=True)
class PatchGradients:
    """Patches of features, with their derivatives along x and y.

    Attributes:
        patches: `[N, P, side, side, C]`.
        sensitivity: −H⁻¹ w Gᵀ, `[2, N, P, side, side, C]`, where G is the derivative by image pixel, w are the weights of
            the points, and H = Σ w GᵀG, regularised. Content that moves by δp changes the features at a fixed place by
            −G δp; so the sum of this times the change of a patch is the motion of its content, in image pixels (Lucas and
            Kanade 1981).
    """

    patches: Tensor
    sensitivity: Tensor

    @classmethod
    def at(cls, features: FeatureWindows, points: Tensor, shape: PatchShape, image_size: Size) -> PatchGradients:
        """Return the patches at points `[N, P, 2]`, in image pixels.

        The derivatives are central differences over one pixel of the feature map.
        """
        half_spacing = shape.spacing / 2
        first_points = points - (shape.reach * shape.spacing + half_spacing)
        fine_grid = sample_grids(features, first_points, 2 * shape.side + 1, image_size, half_spacing)
        along_x = fine_grid[:, :, 1::2, 2::2] - fine_grid[:, :, 1::2, :-2:2]
        along_y = fine_grid[:, :, 2::2, 1::2] - fine_grid[:, :, :-2:2, 1::2]
        gradient = torch.stack([along_x, along_y]) / shape.spacing
        weighted_gradient = gradient * shape.weights(fine_grid)[:, :, None]
        hessian = torch.einsum("anpyxc,bnpyxc->npab", weighted_gradient, gradient)
        mean_diagonal = hessian.diagonal(dim1=2, dim2=3).mean(dim=2)
        floor = (REGULARIZATION * mean_diagonal).clamp_min(torch.finfo(hessian.dtype).tiny ** 0.5)
        identity = torch.eye(2, dtype=hessian.dtype, device=hessian.device)
        inverse = torch.linalg.inv(hessian + floor[..., None, None] * identity)
        sensitivity = -torch.einsum("npab,bnpyxc->anpyxc", inverse, weighted_gradient)
        return cls(fine_grid[:, :, 1::2, 1::2], sensitivity)

    def motion(self, patch_changes: Tensor) -> Tensor:
        """Return how the content of patches moves when their features change, `[N, P, 2]` in image pixels.

        Args:
            patch_changes: `[N, P, side, side, C]`.
        """
        return torch.einsum("anpyxc,npyxc->npa", self.sensitivity, patch_changes)
