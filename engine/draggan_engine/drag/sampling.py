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
        features: `[N, C, h, w]`.
        points: `[N, ..., 2]` (x, y) in picture pixels, those of each map; beyond the border the border's value counts.

    Returns:
        `[N, ..., C]`.
    """
    count, _, height, width = features.shape
    x = rescale(points[..., 0], picture.width, width).clamp(0, width - 1)
    y = rescale(points[..., 1], picture.height, height).clamp(0, height - 1)
    left, top = x.floor(), y.floor()
    to_right, to_bottom = x - left, y - top
    columns = torch.stack([left, (left + 1).clamp(max=width - 1)]).long()
    rows = torch.stack([top, (top + 1).clamp(max=height - 1)]).long()
    weights = torch.stack([1 - to_bottom, to_bottom])[:, None] * torch.stack([1 - to_right, to_right])
    # Plain indexing rather than grid_sample: that adds its gradient up in any order on CUDA, so that the same drag
    # would not end the same twice, and MPS has had no border padding for it.
    maps = torch.arange(count, device=features.device).view(-1, *[1] * (points.dim() - 2))
    pixels = (maps * height + rows[:, None]) * width + columns
    corners = features.transpose(0, 1).flatten(1)[:, pixels]  # [C, 2, 2, N, ...]
    return (corners * weights.to(features.dtype)).sum(dim=(1, 2)).movedim(0, -1)


def sample_windows(features: Tensor, first: Tensor, side: int, picture: Size) -> Tensor:
    """`sample` on square grids of points a pixel apart, far cheaper than point by point: the few features under a
    window are taken once, and interpolated along one axis after the other.

    Args:
        features: `[N, C, h, w]`.
        first: `[N, P, 2]`, each window's first point, top left, in picture pixels; windows may reach beyond the border.
        side: points along either axis.

    Returns:
        `[N, P, side, side, C]`, rows before columns.
    """
    count, channels, height, width = features.shape
    columns, to_columns = _hats(first[..., 0], side, picture.width, width)
    rows, to_rows = _hats(first[..., 1], side, picture.height, height)
    maps = torch.arange(count, device=features.device)[:, None, None, None]
    pixels = (maps * height + rows[..., :, None]) * width + columns[..., None, :]
    under = features.permute(0, 2, 3, 1).reshape(-1, channels)[pixels]  # [N, P, i, j, C]
    halfway = to_rows.to(features.dtype) @ under.flatten(3)  # [N, P, side, j·C]
    windows: Tensor = to_columns.to(features.dtype)[:, :, None] @ halfway.view(*halfway.shape[:3], -1, channels)
    return windows


def _hats(first: Tensor, side: int, picture: int, grid: int) -> tuple[Tensor, Tensor]:
    """Along one axis: which features lie under each window, `[N, P, i]`, and the weight of each for each of the
    window's points, `[N, P, side, i]`. Linear interpolation is a sum of hats."""
    steps = torch.arange(side, dtype=first.dtype, device=first.device)
    at = rescale(first[..., None] + steps, picture, grid).clamp(0, grid - 1)
    reach = min(math.ceil((side - 1) * grid / picture) + 2, grid)
    start = at[..., :1].floor().clamp(0, grid - reach)
    under = start + torch.arange(reach, dtype=first.dtype, device=first.device)
    return under.long(), (1 - (at[..., None] - under[..., None, :]).abs()).clamp_min(0)


def square(half: float, device: torch.device) -> Tensor:
    """The integer offsets with |x| < `half` and |y| < `half`, `[side, side, 2]`."""
    reach = math.ceil(half) - 1
    axis = torch.arange(-reach, reach + 1, dtype=torch.float32, device=device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], dim=2)


def on_picture(points: Tensor, picture: Size) -> Tensor:
    """`[...]` bool: whether the pixel at the point belongs to the picture."""
    x, y = points[..., 0], points[..., 1]
    return (x > -0.5) & (x < picture.width - 0.5) & (y > -0.5) & (y < picture.height - 0.5)
