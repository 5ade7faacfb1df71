"""The drag written as directly as the paper describes it: the oracle for the fast one, and the baseline of its speed.

At each step it does what the authors' code does: it synthesises the whole image, resizes the block's features to the
image's size for all channels, and computes gradients for all weights. Where paper and code differ, it follows the same
choices as the fast drag (means, a shift of min(1, distance), pixel centres on integers), so that the handles can be
compared.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Point
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.synthesis import SynthesisResult

from .drag_task import DragTask


class ReferenceDrag:
    """One drag.

    Args:
        generator: for this drag only, because its parameters are changed to require gradients.
        settings: the paper's parameters.
        task: what to drag.

    Attributes:
        handles: the current positions, in pixels of the image of `ws`.
    """

    def __init__(self, generator: Generator, settings: DragSettings, task: DragTask) -> None:
        self.generator, self.settings = generator.requires_grad_(True), settings
        self.image_height, self.image_width = generator.image_shape
        self.handles: list[Point] = [handle for handle, _ in task.pairs]
        self.targets = [target for _, target in task.pairs]
        self.start_ws = task.ws.detach().to(generator.device)
        offset_rows = 1 if settings.space == "w" else settings.layers
        self.offset = torch.zeros_like(self.start_ws[:, :offset_rows]).requires_grad_()
        self.adam = torch.optim.Adam([self.offset], lr=settings.step_size)
        self.fixed_area = None
        if task.mask is not None:
            self.fixed_area = 1 - torch.from_numpy(task.mask).to(self.start_ws)
        self.features = self._compute_features()
        self.start_features = self._resize(self.features).detach()
        self.references = [self._sample(self.features, [handle])[:, 0].detach() for handle in self.handles]

    @property
    def ws(self) -> Tensor:
        """The current latent, `[1, num_ws, w_dim]`."""
        layers = self.settings.layers
        return torch.cat([self.start_ws[:, :layers] + self.offset, self.start_ws[:, layers:]], dim=1)

    def step(self) -> float:
        """Supervise, then track; return eq. 1 before the step."""
        self.generator.zero_grad()
        self.adam.zero_grad()
        loss = self._motion_loss() + self.settings.mask_weight * self._mask_loss()
        torch.autograd.backward(loss)
        self.adam.step()
        self.features = self._compute_features()
        resized_features = self._resize(self.features).detach()
        self.handles = [
            self._track(resized_features, handle, reference)
            for handle, reference in zip(self.handles, self.references, strict=True)
        ]
        return float(loss.detach())

    def _compute_features(self) -> Tensor:
        block_name = self.settings.feature_block
        synthesis_result: SynthesisResult = self.generator.synthesis(
            self.ws, features=(block_name,), image=self.image_height
        )
        return synthesis_result.features[block_name]

    def _resize(self, features: Tensor) -> Tensor:
        """Return F at the image's pixels, `[1, C, H, W]`."""
        image_shape = (self.image_height, self.image_width)
        return F.interpolate(features, size=image_shape, mode="bilinear", align_corners=False)

    def _sample(self, features: Tensor, points: list[Point]) -> Tensor:
        """Return F between the image's pixels, `[C, points]`.

        The map itself is sampled. The resized map, sampled between its pixels, would cut off the corners that bilinear
        interpolation has at the pixels of the map.
        """
        image_size = torch.tensor([self.image_width, self.image_height]).to(features)
        grid = (2 * torch.tensor(points, dtype=features.dtype, device=features.device) + 1) / image_size - 1
        return F.grid_sample(features, grid[None, None], padding_mode="border", align_corners=False)[0, :, 0]

    def _motion_loss(self) -> Tensor:
        """Return the first term of eq. 1."""
        loss = self.offset.new_zeros(())
        for (x, y), (target_x, target_y) in zip(self.handles, self.targets, strict=True):
            length = max(((target_x - x) ** 2 + (target_y - y) ** 2) ** 0.5, 1.0)
            shift_x, shift_y = (target_x - x) / length, (target_y - y) / length
            offsets = range(-int(self.settings.r1) - 1, int(self.settings.r1) + 2)
            disc_points = [
                (x + i, y + j)
                for j in offsets
                for i in offsets
                if i * i + j * j < self.settings.r1**2 and self._is_inside_image(x + i, y + j)
            ]
            fixed_features = self._sample(self.features, disc_points).detach()
            moved_features = self._sample(self.features, [(x + shift_x, y + shift_y) for x, y in disc_points])
            loss = loss + (moved_features - fixed_features).abs().mean()
        return loss

    def _mask_loss(self) -> Tensor:
        """Return the second term of eq. 1 without its λ."""
        if self.fixed_area is None:
            return self.offset.new_zeros(())
        return ((self._resize(self.features) - self.start_features).abs() * self.fixed_area).mean()

    def _track(self, resized_features: Tensor, handle: Point, reference: Tensor) -> Point:
        """Return the handle's new position (eq. 2)."""
        (x, y), r2 = handle, self.settings.r2
        columns = [
            i for i in range(round(x - r2) - 1, round(x + r2) + 2) if abs(i - x) < r2 and 0 <= i < self.image_width
        ]
        rows = [
            j for j in range(round(y - r2) - 1, round(y + r2) + 2) if abs(j - y) < r2 and 0 <= j < self.image_height
        ]
        if not columns or not rows:
            return handle
        candidate_features = resized_features[0, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        feature_differences = candidate_features - reference[:, None, None]
        candidate_costs = (
            feature_differences.abs() if self.settings.tracking_norm == "l1" else feature_differences.square()
        )
        row, column = divmod(int(candidate_costs.sum(dim=0).argmin()), len(columns))
        return float(columns[column]), float(rows[row])

    def _is_inside_image(self, x: float, y: float) -> bool:
        return -0.5 < x < self.image_width - 0.5 and -0.5 < y < self.image_height - 0.5
