"""Sub-pixel point tracking: match a patch of features, then refine its position by Lucas–Kanade steps."""

from __future__ import annotations

import torch
from torch import Tensor

from .drag_task import PairBatch
from .feature_patches import PatchGradients, PatchShape, sample_patches
from .feature_sampling import is_inside_image, sample_grids
from .feature_sources import FeatureWindows

SEARCH_STEPS = 3
"""How far from its predicted position a handle is searched for, in half pixels of the feature map."""
REFINEMENT_STEPS = 3
MAX_REFINEMENT = 0.25
"""How far one Lucas–Kanade step moves a handle, at most, in pixels of the feature map."""


class PatchTracker:
    """A point tracker that finds the patch of features around each handle again, between pixels.

    Args:
        start_features: features of the latents that the drags start from, around the handles.
        pairs: the pairs at the start.
        shape: of the patches.

    Attributes:
        templates: the patches at the start, `[N, P, side, side, C]`.
        search_radius: how far from a predicted position features are read, in image pixels.
    """

    def __init__(self, start_features: FeatureWindows, pairs: PairBatch, shape: PatchShape) -> None:
        self.image_size, self.shape = pairs.image_size, shape
        self.templates = sample_patches(start_features, pairs.handles, shape, pairs.image_size).detach()
        refinement_reach = REFINEMENT_STEPS * MAX_REFINEMENT + 0.5  # half a pixel for the derivatives
        self.search_radius = (SEARCH_STEPS / 2 + shape.reach + refinement_reach) * shape.spacing

    @torch.no_grad()
    def track(self, handles: Tensor, ws: Tensor, features: FeatureWindows) -> Tensor:  # noqa: ARG002
        new_handles = self._best_candidates(handles, features)
        for _ in range(REFINEMENT_STEPS):
            new_handles = new_handles + self._refinement(new_handles, features)
        return new_handles

    def select(self, kept: Tensor) -> None:
        self.templates = self.templates[kept]

    @torch.no_grad()
    def differences(self, handles: Tensor, features: FeatureWindows) -> Tensor:
        """Return the mean absolute difference between the patch at each handle and its template, `[N, P]`."""
        patches = sample_patches(features, handles, self.shape, self.image_size)
        weights = self.shape.weights(patches)
        differences: Tensor = ((patches - self.templates).abs().mean(dim=4) * weights).sum(dim=(2, 3))
        return differences

    def _best_candidates(self, handles: Tensor, features: FeatureWindows) -> Tensor:
        """Return the best of the positions around each predicted one that are half a pixel of the feature map apart."""
        half_spacing, reach, side = self.shape.spacing / 2, self.shape.reach, 2 * SEARCH_STEPS + 1
        first_points = handles - (SEARCH_STEPS + 2 * reach) * half_spacing
        fine_grid = sample_grids(features, first_points, side + 4 * reach, self.image_size, half_spacing)
        weights = self.shape.weights(fine_grid)
        costs = fine_grid.new_zeros(*handles.shape[:2], side, side)
        for row, column in weights.nonzero().tolist():
            shifted_grid = fine_grid[:, :, 2 * row : 2 * row + side, 2 * column : 2 * column + side]
            template = self.templates[:, :, row, column, None, None]
            costs += weights[row, column] * (shifted_grid - template).abs().mean(dim=4)
        axis = torch.arange(-SEARCH_STEPS, SEARCH_STEPS + 1, dtype=handles.dtype, device=handles.device) * half_spacing
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        offsets = torch.stack([x, y], dim=2)
        candidates = handles[:, :, None, None] + offsets
        costs = torch.where(is_inside_image(candidates, self.image_size), costs, torch.inf)
        best_candidates: Tensor = handles + offsets.flatten(0, 1)[costs.flatten(2).argmin(dim=2)]
        return best_candidates

    def _refinement(self, handles: Tensor, features: FeatureWindows) -> Tensor:
        """Return a Lucas–Kanade step towards the position where the patch equals its template, `[N, P, 2]`."""
        patch_gradients = PatchGradients.at(features, handles, self.shape, self.image_size)
        refinement = patch_gradients.motion(patch_gradients.patches - self.templates)
        max_length = MAX_REFINEMENT * self.shape.spacing
        limited: Tensor = refinement * (max_length / refinement.norm(dim=2, keepdim=True).clamp_min(max_length))
        return limited
