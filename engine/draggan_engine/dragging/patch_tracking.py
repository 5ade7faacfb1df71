"""Sub-pixel point tracking: match a patch of features, then refine its position by Lucas–Kanade steps."""

from __future__ import annotations

import torch
from torch import Tensor

from .drag_task import PairBatch
from .feature_patches import PatchGradients, PatchShape, sample_patches
from .feature_sampling import clamp_to_image, is_inside_image, sample_grids
from .feature_sources import FeatureWindows

SEARCH_STEPS = 3
"""How far from its predicted position a handle is searched for at most, along either axis, in half pixels of the feature map."""
MIN_SEARCH_RADIUS, SEARCH_SHARE = 0.5, 0.5
"""How far it is searched for: so many pixels of the feature map, and this share of the motion that was predicted. A short
step cannot have moved content far, and places with little texture match elsewhere too."""
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
    def track(self, handles: Tensor, predicted_motion: Tensor, features: FeatureWindows) -> Tensor:
        """Return where the patches at the handles are now.

        Args:
            handles: before the step, `[N, P, 2]` in image pixels.
            predicted_motion: how the step moves them by prediction, `[N, P, 2]`.
            features: after the step; windows contain everything within `search_radius` of the predicted positions.

        Returns:
            `[N, P, 2]` in image pixels, on the image.
        """
        search_radii = MIN_SEARCH_RADIUS * self.shape.spacing + SEARCH_SHARE * predicted_motion.norm(dim=2)
        predicted_handles = clamp_to_image(handles + predicted_motion, self.image_size)
        new_handles = self._best_candidates(predicted_handles, search_radii, features)
        for _ in range(REFINEMENT_STEPS):
            new_handles = clamp_to_image(new_handles + self._refinement(new_handles, features), self.image_size)
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

    def _best_candidates(self, handles: Tensor, radii: Tensor, features: FeatureWindows) -> Tensor:
        """Return the best position within a radius, `[N, P]` in image pixels, of each predicted one, `[N, P, 2]`.

        The positions that are compared are half a pixel of the feature map apart.
        """
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
        is_near = offsets.norm(dim=2) <= radii[..., None, None]
        costs = torch.where(is_near & is_inside_image(candidates, self.image_size), costs, torch.inf)
        best_candidates: Tensor = handles + offsets.flatten(0, 1)[costs.flatten(2).argmin(dim=2)]
        return best_candidates

    def _refinement(self, handles: Tensor, features: FeatureWindows) -> Tensor:
        """Return a Lucas–Kanade step towards the position where the patch equals its template, `[N, P, 2]`."""
        patch_gradients = PatchGradients.at(features, handles, self.shape, self.image_size)
        refinement = patch_gradients.motion(patch_gradients.patches - self.templates)
        max_length = MAX_REFINEMENT * self.shape.spacing
        limited: Tensor = refinement * (max_length / refinement.norm(dim=2, keepdim=True).clamp_min(max_length))
        return limited
