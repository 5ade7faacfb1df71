"""Features at points of the picture.

A feature map is read as a continuous, bilinearly interpolated function of the picture's coordinates: what
the paper's "F resized to the image's resolution" is at the pixels, without ever building that map.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from draggan_engine.core.geometry import Point, Size, rescale
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.networks.windows import MapWindow

ROUNDING_MARGIN = 1e-2  # px


def sample_features(features: Tensor, points: Tensor, picture: Size) -> Tensor:
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


def sample_grids(features: Tensor | FeatureWindows, first: Tensor, side: int, picture: Size) -> Tensor:
    """`sample` on square grids of points a pixel apart, far cheaper than point by point: the few features under a
    window are taken once, and interpolated along one axis after the other.

    Args:
        features: `[N, C, h, w]`, or windows of such maps, one of which has to hold all that a grid of points needs;
            what is read of another is of no use.
        first: `[N, P, 2]`, each window's first point, top left, in picture pixels; windows may reach beyond the border.
        side: points along either axis.

    Returns:
        `[N, P, side, side, C]`, rows before columns.
    """
    known = features if isinstance(features, FeatureWindows) else FeatureWindows.of(features)
    columns, to_columns = _hats(first[..., 0], side, picture.width, known.grid.width)
    rows, to_rows = _hats(first[..., 1], side, picture.height, known.grid.height)
    pixels = _places(known, columns, rows, to_columns, to_rows)
    count, length, channels = known.pixels.shape
    if count > 1:
        pixels = pixels + length * torch.arange(count, device=pixels.device)[:, None, None, None]
    under = known.pixels.flatten(0, 1)[pixels]  # [N, P, i, j, C]
    halfway = to_rows.to(under.dtype) @ under.flatten(3)  # [N, P, side, j·C]
    windows: Tensor = to_columns.to(under.dtype)[:, :, None] @ halfway.view(*halfway.shape[:3], -1, channels)
    return windows


def _places(features: FeatureWindows, columns: Tensor, rows: Tensor, to_columns: Tensor, to_rows: Tensor) -> Tensor:
    """Where in `features.pixels` the features of those columns `[N, P, i]` and rows `[N, P, j]` are, `[N, P, j, i]`.

    Args:
        to_columns, to_rows: their weights `[N, P, side, i or j]`. One window has to hold all columns and rows that
            have any; the others are read from its border.
    """
    if len(features.boxes) == 1:
        (box,) = features.boxes
        inner_columns = columns.clamp(box.left, box.right - 1) - box.left
        inner_rows = rows.clamp(box.top, box.bottom - 1) - box.top
        return _index(0, inner_rows, box.right - box.left, inner_columns)
    left, top, right, bottom = features.edges
    missing = _outside(columns, left, right, to_columns) + _outside(rows, top, bottom, to_rows)  # [N, P, B]
    chosen = missing.argmin(dim=-1)
    starts = ((right - left) * (bottom - top)).cumsum(dim=0) - (right - left) * (bottom - top)
    left, top, right, bottom, starts = (edge[chosen][..., None] for edge in (left, top, right, bottom, starts))
    inner_columns = torch.minimum(torch.maximum(columns, left), right - 1) - left
    inner_rows = torch.minimum(torch.maximum(rows, top), bottom - 1) - top
    return _index(starts[..., None], inner_rows, (right - left)[..., None], inner_columns)


def _index(start: Tensor | int, rows: Tensor, width: Tensor | int, columns: Tensor) -> Tensor:
    place: Tensor = start + rows[..., :, None] * width + columns[..., None, :]
    return place


def _outside(lines: Tensor, start: Tensor, stop: Tensor, weights: Tensor) -> Tensor:
    """How many of the columns or rows `[N, P, i]` that have a weight lie outside each window, `[N, P, B]`."""
    lines, counts = lines[..., None], (weights > 0).any(dim=-2)[..., None]
    return (((lines < start) | (lines >= stop)) & counts).sum(dim=-2)


def _hats(first: Tensor, side: int, picture: int, grid: int) -> tuple[Tensor, Tensor]:
    """Along one axis: which features lie under each window, `[N, P, i]`, and the weight of each for each of the
    window's points, `[N, P, side, i]`. Linear interpolation is a sum of hats."""
    steps = torch.arange(side, dtype=first.dtype, device=first.device)
    at = rescale(first[..., None] + steps, picture, grid).clamp(0, grid - 1)
    reach = min(math.ceil((side - 1) * grid / picture) + 2, grid)
    start = at[..., :1].floor().clamp(0, grid - reach)
    under = start + torch.arange(reach, dtype=first.dtype, device=first.device)
    return under.long(), (1 - (at[..., None] - under[..., None, :]).abs()).clamp_min(0)


def window_around(point: Point, reach: float, picture: Size, grid: Size) -> MapWindow:
    """The features that bilinear values at all points no farther than `reach` picture pixels from the point, along
    either axis, are made of."""
    left, right = _axis_under(point[0], reach, picture.width, grid.width)
    top, bottom = _axis_under(point[1], reach, picture.height, grid.height)
    return MapWindow(left, top, right, bottom)


def _axis_under(at: float, reach: float, picture: int, grid: int) -> tuple[int, int]:
    # A little more, because what is sampled is placed in float32.
    first = rescale(at - reach - ROUNDING_MARGIN, picture, grid)
    last = rescale(at + reach + ROUNDING_MARGIN, picture, grid)
    start = min(max(math.floor(first), 0), grid - 1)
    return start, min(max(math.floor(last) + 2, start + 1), grid)


def square_offsets(half: float, device: torch.device) -> Tensor:
    """The integer offsets with |x| < `half` and |y| < `half`, `[side, side, 2]`."""
    reach = math.ceil(half) - 1
    axis = torch.arange(-reach, reach + 1, dtype=torch.float32, device=device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], dim=2)


def is_inside_image(points: Tensor, picture: Size) -> Tensor:
    """`[...]` bool: whether the pixel at the point belongs to the picture."""
    x, y = points[..., 0], points[..., 1]
    return (x > -0.5) & (x < picture.width - 0.5) & (y > -0.5) & (y < picture.height - 0.5)
