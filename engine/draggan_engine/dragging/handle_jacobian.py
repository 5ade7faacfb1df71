"""How the positions of handles depend on the latent: their Jacobian, by automatic differentiation of the features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from draggan_engine.core.geometry import Size

from .feature_patches import PatchGradients, PatchShape, sample_patches
from .feature_sources import FeatureWindows

MAX_EXACT_PAIRS = 8
"""With more pairs, the Jacobian is computed on a subspace."""
SUBSPACE_SIZE = 16
"""The number of dimensions of this subspace."""
DIFFERENCE_STEP = 0.02
"""The step of finite differences, in standard deviations of w."""

LocalFeatures = Callable[[Tensor], FeatureWindows]
"""From coordinates `[N, K]` to the features around the handles."""


@dataclass(frozen=True)
class HandlePositions:
    """The positions of the handles' content as functions of the coordinates, linear in the features around the handles.

    Attributes:
        coordinates: `[N, K]`, where the function is linearised.
        features: at these coordinates, with their gradient.
        positions: `[N, P, 2]` up to a constant, in image pixels, with their gradient.
    """

    feature_function: LocalFeatures
    coordinates: Tensor
    handles: Tensor
    shape: PatchShape
    image_size: Size
    features: FeatureWindows
    gradients: PatchGradients
    positions: Tensor

    @classmethod
    def at(
        cls,
        feature_function: LocalFeatures,
        coordinates: Tensor,
        handles: Tensor,
        shape: PatchShape,
        image_size: Size,
    ) -> HandlePositions:
        """Return the function at coordinates `[N, K]`, with the handles `[N, P, 2]` that their images have."""
        coordinates = coordinates.detach().requires_grad_()
        with torch.enable_grad():
            features = feature_function(coordinates)
            patches = sample_patches(features, handles, shape, image_size)
        with torch.no_grad():
            gradients = PatchGradients.at(features, handles, shape, image_size)
        with torch.enable_grad():
            positions = gradients.motion(patches)
        return cls(feature_function, coordinates, handles, shape, image_size, features, gradients, positions)

    def vector_product(self, weights: Tensor) -> Tensor:
        """Return the gradient of the weighted sum of the positions, `[N, K]`.

        Args:
            weights: `[N, P, 2]`.
        """
        (gradient,) = torch.autograd.grad(self.positions, self.coordinates, weights, retain_graph=True)
        return gradient

    @torch.no_grad()
    def directional_derivative(self, directions: Tensor) -> Tensor:
        """Return how the positions change along directions `[N, K]` of length 1, `[N, P, 2]`, by a finite difference."""
        features = self.feature_function(self.coordinates.detach() + DIFFERENCE_STEP * directions)
        patches = sample_patches(features, self.handles, self.shape, self.image_size)
        return self.gradients.motion(patches - self.gradients.patches) / DIFFERENCE_STEP


def exact_jacobian(positions: HandlePositions) -> Tensor:
    """Return the Jacobian of the positions, `[N, 2P, K]`; it takes 2P backward passes."""
    drag_count, pair_count = positions.handles.shape[:2]
    basis = torch.eye(2 * pair_count, dtype=positions.handles.dtype, device=positions.handles.device)
    rows = [positions.vector_product(weights.view(1, pair_count, 2).expand(drag_count, -1, -1)) for weights in basis]
    return torch.stack(rows, dim=1)


def subspace_jacobian(positions: HandlePositions, errors: Tensor) -> Tensor:
    """Return the Jacobian on the subspace of coordinates that matters most for some errors, `[N, 2P, K]`.

    It is the Krylov space of the bidiagonalisation of Golub and Kahan (1965), from which LSQR takes its solutions. Across
    this subspace, the result is 0. It takes a backward and a forward pass for each dimension, however many handles there
    are.

    Args:
        errors: what the handles are from their targets, `[N, P, 2]`.
    """
    left_vectors: list[Tensor] = []
    right_vectors: list[Tensor] = []
    products: list[Tensor] = []
    weights = errors.flatten(1)
    for _ in range(SUBSPACE_SIZE):
        left_vectors.append(_orthonormal(weights, left_vectors))
        gradient = positions.vector_product(left_vectors[-1].view_as(errors))
        right_vectors.append(_orthonormal(gradient, right_vectors))
        products.append(positions.directional_derivative(right_vectors[-1]).flatten(1))
        weights = products[-1]
    return torch.stack(products, dim=2) @ torch.stack(right_vectors, dim=1)


def _orthonormal(vectors: Tensor, basis: list[Tensor]) -> Tensor:
    """Return the parts of vectors `[N, K]` across an orthonormal basis, with length 1; zeros stay zeros."""
    for basis_vectors in basis:
        vectors = vectors - (vectors * basis_vectors).sum(dim=1, keepdim=True) * basis_vectors
    unit_vectors: Tensor = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return unit_vectors
