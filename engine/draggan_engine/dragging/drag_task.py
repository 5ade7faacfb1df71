"""What a drag is to do: the latent that it starts from, its pairs of points and its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.core.geometry import Point
from draggan_engine.networks.bfloat16 import supports_bfloat16
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.stylegan2 import StyleGAN2Synthesis


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


def why_not_bfloat16(generator: Generator) -> str | None:
    """Return why drags of the generator use float32 whatever their settings say, or None if they can use bfloat16."""
    if not isinstance(generator.synthesis, StyleGAN2Synthesis):
        return "StyleGAN3 is dragged in float32 only"
    if not supports_bfloat16(generator.device):
        device_name = "this processor" if generator.device.type == "cpu" else f"the device {generator.device}"
        return f"{device_name} has no instructions for bfloat16"
    return None
