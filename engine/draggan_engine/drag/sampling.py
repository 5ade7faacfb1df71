"""Features at points of the picture.

A feature map is read as a continuous, bilinearly interpolated function of the picture's coordinates: what
the paper's "F resized to the image's resolution" is at the pixels, without ever building that map.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from draggan_engine.protocol.geometry import Size, rescale


def sample(features: Tensor, points: Tensor, picture: Size) -> Tensor:
    """Bilinear values.

    Args:
        features: `[1, C, h, w]`.
        points: `[..., 2]` (x, y) in picture pixels; beyond the border the border's value counts.

    Returns:
        `[..., C]`.
    """
    height, width = features.shape[2:]
    x = rescale(points[..., 0], picture.width, width).clamp(0, width - 1)
    y = rescale(points[..., 1], picture.height, height).clamp(0, height - 1)
    left, top = x.floor(), y.floor()
    to_right, to_bottom = x - left, y - top
    columns = torch.stack([left, (left + 1).clamp(max=width - 1)]).long()
    rows = torch.stack([top, (top + 1).clamp(max=height - 1)]).long()
    weights = torch.stack([1 - to_bottom, to_bottom])[:, None] * torch.stack([1 - to_right, to_right])
    # Plain indexing rather than grid_sample: that adds its gradient up in any order on CUDA, so that the same drag
    # would not end the same twice, and MPS has had no border padding for it.
    corners = features[0].flatten(1)[:, rows[:, None] * width + columns]  # [C, 2, 2, ...]
    return (corners * weights.to(features.dtype)).sum(dim=(1, 2)).movedim(0, -1)


def disc(radius: float, device: torch.device) -> Tensor:
    """Ω1: the integer offsets nearer than `radius` to the origin, `[K, 2]`."""
    offsets = square(radius, device)
    return offsets[offsets.square().sum(dim=1) < radius**2]


def square(half: float, device: torch.device) -> Tensor:
    """Ω2: the integer offsets with |x| < `half` and |y| < `half`, `[K, 2]`, row by row."""
    reach = math.ceil(half) - 1
    axis = torch.arange(-reach, reach + 1, dtype=torch.float32, device=device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def on_picture(points: Tensor, picture: Size) -> Tensor:
    """`[...]` bool: whether the pixel at the point belongs to the picture."""
    x, y = points[..., 0], points[..., 1]
    return (x > -0.5) & (x < picture.width - 0.5) & (y > -0.5) & (y < picture.height - 0.5)
