"""Features at points of the image.

A feature map is read as a continuous, bilinearly interpolated function of image coordinates. At the image's pixels this
is the paper's feature map "resized to the image's resolution", without ever building that large map.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from draggan_engine.core.geometry import Point, Size, rescale
from draggan_engine.networks.windows import MapWindow

from .feature_sources import FeatureWindows

ROUNDING_MARGIN = 1e-2  # image pixels; more than the error of a coordinate in float32


def sample_features(features: Tensor, points: Tensor, image_size: Size) -> Tensor:
    """Return bilinearly interpolated features at points of the image.

    Args:
        features: `[N, C, h, w]`.
        points: (x, y) in image pixels, `[N, ..., 2]`, a set of points for each map. Beyond the border, the values at
            the border are returned.

    Returns:
        `[N, ..., C]`.
    """
    batch, _, height, width = features.shape
    x = rescale(points[..., 0], image_size.width, width).clamp(0, width - 1)
    y = rescale(points[..., 1], image_size.height, height).clamp(0, height - 1)
    left, top = x.floor(), y.floor()
    right_weight, bottom_weight = x - left, y - top
    columns = torch.stack([left, (left + 1).clamp(max=width - 1)]).long()
    rows = torch.stack([top, (top + 1).clamp(max=height - 1)]).long()
    row_weights = torch.stack([1 - bottom_weight, bottom_weight])
    corner_weights = row_weights[:, None] * torch.stack([1 - right_weight, right_weight])
    # Plain indexing instead of grid_sample, whose gradient on CUDA is summed in an order that changes, so that a drag
    # would not repeat exactly, and which lacks border padding on MPS.
    map_indices = torch.arange(batch, device=features.device).view(-1, *[1] * (points.dim() - 2))
    pixel_indices = (map_indices * height + rows[:, None]) * width + columns
    corners = features.transpose(0, 1).flatten(1)[:, pixel_indices]  # [C, 2, 2, N, ...]
    return (corners * corner_weights.to(features.dtype)).sum(dim=(1, 2)).movedim(0, -1)


def sample_grids(
    features: Tensor | FeatureWindows, first_points: Tensor, side: int, image_size: Size, spacing: float = 1.0
) -> Tensor:
    """Return what `sample_features` does, for square grids of points.

    This costs far less than sampling the points one by one: the few features under a grid are read once and
    interpolated along one axis after the other.

    Args:
        features: `[N, C, h, w]`, or windows of such maps. A grid is only correct if one window contains all features
            under it.
        first_points: the top left point of each grid, `[N, P, 2]` in image pixels; grids may reach beyond the border.
        side: number of points along each axis of a grid.
        spacing: image pixels between neighbouring points.

    Returns:
        `[N, P, side, side, C]`, rows before columns.
    """
    windows = features if isinstance(features, FeatureWindows) else FeatureWindows.of(features)
    columns, column_weights = _axis_interpolation(
        first_points[..., 0], side, spacing, image_size.width, windows.map_size.width
    )
    rows, row_weights = _axis_interpolation(
        first_points[..., 1], side, spacing, image_size.height, windows.map_size.height
    )
    pixel_indices = _pixel_indices(windows, columns, rows, column_weights, row_weights)
    batch, pixel_count, channels = windows.pixels.shape
    if batch > 1:
        map_indices = torch.arange(batch, device=pixel_indices.device)[:, None, None, None]
        pixel_indices = pixel_indices + pixel_count * map_indices
    features_under = windows.pixels.flatten(0, 1)[pixel_indices]  # [N, P, j, i, C]
    along_rows = row_weights.to(features_under.dtype) @ features_under.flatten(3)  # [N, P, side, i·C]
    along_rows = along_rows.view(*along_rows.shape[:3], -1, channels)
    grids: Tensor = column_weights.to(features_under.dtype)[:, :, None] @ along_rows
    return grids


def _pixel_indices(
    features: FeatureWindows, columns: Tensor, rows: Tensor, column_weights: Tensor, row_weights: Tensor
) -> Tensor:
    """Return the indices into `features.pixels` of the features in these columns and rows, `[N, P, j, i]`.

    Args:
        columns: `[N, P, i]`, in pixels of the whole map.
        rows: `[N, P, j]`, in pixels of the whole map.
        column_weights: `[N, P, side, i]`. Columns and rows without any weight may lie outside the window; the pixels at
            its border are then read instead.
        row_weights: `[N, P, side, j]`.
    """
    if len(features.windows) == 1:
        (window,) = features.windows
        inner_columns = columns.clamp(window.left, window.right - 1) - window.left
        inner_rows = rows.clamp(window.top, window.bottom - 1) - window.top
        return _flat_indices(0, inner_rows, window.right - window.left, inner_columns)
    left, top, right, bottom = features.edges
    missing_columns = _count_outside(columns, left, right, column_weights)
    missing_lines = missing_columns + _count_outside(rows, top, bottom, row_weights)  # [N, P, number of windows]
    nearest_window = missing_lines.argmin(dim=-1)
    start = ((right - left) * (bottom - top)).cumsum(dim=0) - (right - left) * (bottom - top)
    left, top, right, bottom, start = (edge[nearest_window][..., None] for edge in (left, top, right, bottom, start))
    inner_columns = torch.minimum(torch.maximum(columns, left), right - 1) - left
    inner_rows = torch.minimum(torch.maximum(rows, top), bottom - 1) - top
    return _flat_indices(start[..., None], inner_rows, (right - left)[..., None], inner_columns)


def _flat_indices(start: Tensor | int, rows: Tensor, width: Tensor | int, columns: Tensor) -> Tensor:
    indices: Tensor = start + rows[..., :, None] * width + columns[..., None, :]
    return indices


def _count_outside(lines: Tensor, start: Tensor, stop: Tensor, weights: Tensor) -> Tensor:
    """Return how many of the columns or rows `[N, P, i]` with a weight lie outside each window, `[N, P, windows]`."""
    lines, has_weight = lines[..., None], (weights > 0).any(dim=-2)[..., None]
    return (((lines < start) | (lines >= stop)) & has_weight).sum(dim=-2)


def _axis_interpolation(
    first: Tensor, side: int, spacing: float, image_length: int, map_length: int
) -> tuple[Tensor, Tensor]:
    """Return how the points of each grid are interpolated along one axis.

    Args:
        first: coordinate of each grid's first point, `[N, P]` in image pixels.
        side: number of points.
        spacing: image pixels between neighbouring points.
        image_length, map_length: pixels of the image and of the feature map along this axis.

    Returns:
        The columns (or rows) of the feature map under each grid, `[N, P, i]`, and their weights for each of the grid's
        points, `[N, P, side, i]`. The weight of linear interpolation is 1 − distance, and 0 from a distance of 1 on.
    """
    steps = torch.arange(side, dtype=first.dtype, device=first.device) * spacing
    positions = rescale(first[..., None] + steps, image_length, map_length).clamp(0, map_length - 1)
    line_count = min(math.ceil((side - 1) * spacing * map_length / image_length) + 2, map_length)
    first_line = positions[..., :1].floor().clamp(0, map_length - line_count)
    lines = first_line + torch.arange(line_count, dtype=first.dtype, device=first.device)
    return lines.long(), (1 - (positions[..., None] - lines[..., None, :]).abs()).clamp_min(0)


def window_around(point: Point, radius: float, image_size: Size, map_size: Size) -> MapWindow:
    """Return the window of a feature map that is needed around a point.

    It contains all features that bilinear values are made of at points that are at most `radius` image pixels away
    along each axis.
    """
    left, right = _axis_around(point[0], radius, image_size.width, map_size.width)
    top, bottom = _axis_around(point[1], radius, image_size.height, map_size.height)
    return MapWindow(left, top, right, bottom)


def _axis_around(coordinate: float, radius: float, image_length: int, map_length: int) -> tuple[int, int]:
    first = rescale(coordinate - radius - ROUNDING_MARGIN, image_length, map_length)
    last = rescale(coordinate + radius + ROUNDING_MARGIN, image_length, map_length)
    start = min(max(math.floor(first), 0), map_length - 1)
    return start, min(max(math.floor(last) + 2, start + 1), map_length)


def square_offsets(half_side: float, device: torch.device) -> Tensor:
    """Return the integer offsets (x, y) with |x| < half_side and |y| < half_side, float32 `[side, side, 2]`."""
    reach = math.ceil(half_side) - 1
    axis = torch.arange(-reach, reach + 1, dtype=torch.float32, device=device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], dim=2)


def is_inside_image(points: Tensor, image_size: Size) -> Tensor:
    """Return whether the pixel at each of the points `[..., 2]` belongs to the image, bool `[...]`."""
    x, y = points[..., 0], points[..., 1]
    return (x > -0.5) & (x < image_size.width - 0.5) & (y > -0.5) & (y < image_size.height - 0.5)


def clamp_to_image(points: Tensor, image_size: Size) -> Tensor:
    """Return the nearest of the positions between the centres of the image's pixels to each of the points, `[..., 2]`."""
    return torch.stack(
        [points[..., 0].clamp(0, image_size.width - 1), points[..., 1].clamp(0, image_size.height - 1)], dim=-1
    )
