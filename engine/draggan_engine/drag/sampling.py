"""Features at points of the picture.

A feature map is read as a continuous, bilinearly interpolated function of the picture's coordinates: what
the paper's "F resized to the image's resolution" is at the pixels, without ever building that map.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from draggan_engine.protocol.geometry import Size, across


def sample(features: Tensor, points: Tensor, picture: Size) -> Tensor:
    """Bilinear values.

    Args:
        features: `[1, C, h, w]`.
        points: `[..., 2]` (x, y) in picture pixels; beyond the border the border's value counts.

    Returns:
        `[..., C]`.
    """
    flat = points.reshape(1, 1, -1, 2)
    grid = torch.stack([across(flat[..., 0], picture.width), across(flat[..., 1], picture.height)], dim=-1)
    values = F.grid_sample(
        features, grid.to(features.dtype), mode="bilinear", padding_mode="border", align_corners=False
    )
    return values[0, :, 0].t().reshape(*points.shape[:-1], features.shape[1])


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
