"""The drag as it is written down, with nothing spared: the oracle of the product's, and what its speed is measured against.

It does at each step what the released implementation does: synthesises the whole picture, resizes the block's features to
the picture's size for all channels, and computes gradients for all weights. The choices are this project's (means,
a shift of min(1, distance), pixel centres on integers), so that the handles can be compared.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.core.edit import DragSettings
from draggan_engine.core.geometry import Point
from draggan_engine.dragging.drag_task import DragTask
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.synthesis import SynthesisResult


class ReferenceDrag:
    """One drag.

    Args:
        generator: for this drag only: its parameters are made to want gradients.
        settings: the paper's numbers.
        start: where it begins.

    Attributes:
        handles: in picture pixels, in the picture of `ws`.
        ws: the present latent, `[1, num_ws, w_dim]`.
    """

    def __init__(self, generator: Generator, settings: DragSettings, start: DragTask) -> None:
        self.generator, self.settings = generator.requires_grad_(True), settings
        self.height, self.width = generator.size
        self.handles: list[Point] = [handle for handle, _ in start.pairs]
        self.targets = [target for _, target in start.pairs]
        self.first = start.ws.detach().to(generator.device)
        rows = 1 if settings.space == "w" else settings.layers
        self.offset = torch.zeros_like(self.first[:, :rows]).requires_grad_()
        self.adam = torch.optim.Adam([self.offset], lr=settings.step_size)
        self.fixed = None
        if start.mask is not None:
            self.fixed = 1 - torch.from_numpy(start.mask).to(self.first)
        self.features = self._features()
        self.first_map = self._resized(self.features).detach()
        self.references = [self._read(self.features, [handle])[:, 0].detach() for handle in self.handles]

    @property
    def ws(self) -> Tensor:
        layers = self.settings.layers
        return torch.cat([self.first[:, :layers] + self.offset, self.first[:, layers:]], dim=1)

    def step(self) -> float:
        """Supervises, then tracks; eq. 1 before the step."""
        self.generator.zero_grad()
        self.adam.zero_grad()
        loss = self._motion_loss() + self.settings.mask_weight * self._mask_loss()
        torch.autograd.backward(loss)
        self.adam.step()
        self.features = self._features()
        resized = self._resized(self.features).detach()
        self.handles = [
            self._found(resized, handle, reference)
            for handle, reference in zip(self.handles, self.references, strict=True)
        ]
        return float(loss.detach())

    def _features(self) -> Tensor:
        block = self.settings.feature_block
        made: SynthesisResult = self.generator.synthesis(self.ws, features=(block,), image=self.height)
        return made.features[block]

    def _resized(self, features: Tensor) -> Tensor:
        """F at the picture's pixels, `[1, C, H, W]`."""
        return F.interpolate(features, size=(self.height, self.width), mode="bilinear", align_corners=False)

    def _read(self, features: Tensor, points: list[Point]) -> Tensor:
        """F between the picture's pixels, `[C, points]`: the map itself is read there. (The resized map, read between
        its pixels, would cut the corners that bilinear interpolation has at the map's own.)"""
        size = torch.tensor([self.width, self.height]).to(features)
        grid = (2 * torch.tensor(points, dtype=features.dtype, device=features.device) + 1) / size - 1
        return F.grid_sample(features, grid[None, None], padding_mode="border", align_corners=False)[0, :, 0]

    def _motion_loss(self) -> Tensor:
        loss = self.offset.new_zeros(())
        for (x, y), (to_x, to_y) in zip(self.handles, self.targets, strict=True):
            length = max(((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5, 1.0)
            move_x, move_y = (to_x - x) / length, (to_y - y) / length
            reach = range(-int(self.settings.r1) - 1, int(self.settings.r1) + 2)
            disc = [
                (x + i, y + j)
                for j in reach
                for i in reach
                if i * i + j * j < self.settings.r1**2 and self._is_on_picture(x + i, y + j)
            ]
            still = self._read(self.features, disc).detach()
            moved = self._read(self.features, [(x + move_x, y + move_y) for x, y in disc])
            loss = loss + (moved - still).abs().mean()
        return loss

    def _mask_loss(self) -> Tensor:
        if self.fixed is None:
            return self.offset.new_zeros(())
        return ((self._resized(self.features) - self.first_map).abs() * self.fixed).mean()

    def _found(self, resized: Tensor, handle: Point, reference: Tensor) -> Point:
        (x, y), r2 = handle, self.settings.r2
        columns = [i for i in range(round(x - r2) - 1, round(x + r2) + 2) if abs(i - x) < r2 and 0 <= i < self.width]
        rows = [j for j in range(round(y - r2) - 1, round(y + r2) + 2) if abs(j - y) < r2 and 0 <= j < self.height]
        if not columns or not rows:
            return handle
        difference = resized[0, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] - reference[:, None, None]
        costs = difference.abs() if self.settings.tracking_norm == "l1" else difference.square()
        row, column = divmod(int(costs.sum(dim=0).argmin()), len(columns))
        return float(columns[column]), float(rows[row])

    def _is_on_picture(self, x: float, y: float) -> bool:
        return -0.5 < x < self.width - 0.5 and -0.5 < y < self.height - 0.5
