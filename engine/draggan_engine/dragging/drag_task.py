"""What drags are to do: the latents that they start from, their pairs of points and their masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.edit import DragMethod, DragSettings, check_mask
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size
from draggan_engine.networks.bfloat16 import supports_bfloat16
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.stylegan2 import StyleGAN2Synthesis

PRECISION_DTYPES = {"float32": None, "bfloat16": torch.bfloat16}
"""The number types of the features, by the precision in the settings; None: that of the network's images."""


@dataclass(frozen=True)
class DragTask:
    """One drag of a generator.

    Attributes:
        ws: the latent that the drag starts from, `[1, num_ws, w_dim]`.
        pairs: (handle, target) in image pixels, at least one.
        mask: `uint8 [H, W]`, 1 = may move; None = everything may move.
    """

    ws: Tensor
    pairs: Sequence[tuple[Point, Point]]
    mask: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class PairBatch:
    """The pairs of N drags, filled up to the same number P.

    Attributes:
        handles: current positions, `[N, P, 2]` in image pixels. A step changes them in place.
        targets: `[N, P, 2]` in image pixels. `DragLoop` changes them in place.
        exists: bool `[N, P]`, False where a drag has fewer than P pairs; its points there are zeros.
        image_size: of the generator's image.
    """

    handles: Tensor
    targets: Tensor
    exists: Tensor
    image_size: Size

    @classmethod
    def of(cls, tasks: Sequence[DragTask], image_size: Size, like: Tensor) -> PairBatch:
        """Return the pairs of these tasks, in the number type and on the device of `like`."""
        max_pairs = max(len(task.pairs) for task in tasks)
        points = np.zeros((len(tasks), max_pairs, 2, 2))
        for task_points, task in zip(points, tasks, strict=True):
            task_points[: len(task.pairs)] = task.pairs
        handles, targets = torch.from_numpy(points).to(like).unbind(dim=2)
        pair_counts = torch.tensor([len(task.pairs) for task in tasks])
        exists = (torch.arange(max_pairs) < pair_counts[:, None]).to(like.device)
        return cls(handles, targets, exists, image_size)

    def distances(self) -> Tensor:
        """Return the distances from handle to target, `[N, P]` in image pixels; 0 where there is no pair."""
        distances: Tensor = (self.handles - self.targets).norm(dim=2) * self.exists
        return distances

    def existing_points(self, points: Tensor) -> list[Point]:
        """Return those of the points `[N, P, 2]`, one for each pair, whose pair exists. This waits for the device."""
        return [(x, y) for x, y in points[self.exists].tolist()]

    def select(self, kept: Tensor) -> PairBatch:
        """Return the pairs of the drags that `kept`, bool `[N]`, selects."""
        return replace(self, handles=self.handles[kept], targets=self.targets[kept], exists=self.exists[kept])


def check_tasks(tasks: Sequence[DragTask], generator: Generator, settings: DragSettings) -> None:
    """Check that these tasks can be performed.

    Raises:
        EditError: a task has no pairs, its mask does not fit the image, or the model has no such feature block.
    """
    height, width = generator.image_shape
    if not all(task.pairs for task in tasks):
        raise EditError("nothing to drag: place a handle and its target first")
    if settings.feature_block not in generator.synthesis.block_names:
        block_names = ", ".join(generator.synthesis.block_names)
        raise EditError(f"feature block {settings.feature_block!r}: this model has {block_names}; choose one of them")
    for task in tasks:
        if task.mask is not None:
            check_mask(task.mask, Size(width, height))


def fixed_areas(tasks: Sequence[DragTask], generator: Generator) -> Tensor | None:
    """Return where nothing may move, 1 − M, float32 `[N, H, W]`; None if everything may move in all tasks."""
    everything = np.ones(generator.image_shape, dtype=np.uint8)
    masks = np.stack([everything if task.mask is None else task.mask for task in tasks])
    if masks.all():
        return None
    return 1 - torch.from_numpy(masks).to(generator.device).to(torch.float32)


def usable_settings(settings: DragSettings, generator: Generator, method: DragMethod) -> DragSettings:
    """Return the settings as drags of the generator by a method use them: with its name, and with float32 instead of
    bfloat16 if it cannot use that.
    """
    precision = settings.precision if why_not_bfloat16(generator, method) is None else "float32"
    return settings.model_copy(update={"method": method, "precision": precision})


def why_not_bfloat16(generator: Generator, method: DragMethod) -> str | None:
    """Return why drags of the generator use float32 whatever their settings say, or None if they can use bfloat16."""
    if method == "least-squares":
        return "least squares needs the digits of float32"
    if not isinstance(generator.synthesis, StyleGAN2Synthesis):
        return "StyleGAN3 is dragged in float32 only"
    if not supports_bfloat16(generator.device):
        device_name = "this processor" if generator.device.type == "cpu" else f"the device {generator.device}"
        return f"{device_name} has no instructions for bfloat16"
    return None
