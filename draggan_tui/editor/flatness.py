"""Whether a handle is on a patch without texture, where point tracking drifts, as the paper reports."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Point, Size, convert, nearest_pixel

FLATNESS_LIMIT = 0.01
"""Patches with less texture are flat. `scripts/calibrate_flatness.py` measures how well this separates landmarks from the
backdrop of the bundled model."""


def is_flat(rgb: NDArray[np.uint8], point: Point, radius: float, image_size: Size) -> bool:
    """Return whether the image around a point has one colour, or colours that change evenly.

    Args:
        rgb: `uint8 [H, W, 3]`, the image or a preview of it.
        point: in pixels of the full-resolution image.
        radius: half the side of the square that is examined, in the same pixels: r2 of the drag, where tracking searches.
        image_size: of the full-resolution image.
    """
    return texture(rgb, point, radius, image_size) < FLATNESS_LIMIT


def texture(rgb: NDArray[np.uint8], point: Point, radius: float, image_size: Size) -> float:
    """Return how far the colours of a square are from a plane over x and y: root mean square, 0 … 1.

    The plane is subtracted because features cannot hold on to even shading either. The arguments are those of `is_flat`.
    """
    grid = Size(rgb.shape[1], rgb.shape[0])
    column, row = nearest_pixel(convert(point, image_size, grid), grid)
    pixel_radius = max(round(radius * grid.width / image_size.width), 1)
    row_slice = slice(max(row - pixel_radius, 0), row + pixel_radius + 1)
    patch = rgb[row_slice, max(column - pixel_radius, 0) : column + pixel_radius + 1] / 255
    patch -= patch.mean(axis=(0, 1))
    # Offsets along the two axes of a full grid are orthogonal, so each slope can be subtracted by itself.
    for axis_indices in np.indices(patch.shape[:2]):
        axis_offsets = (axis_indices - axis_indices.mean())[..., None]
        patch -= axis_offsets * (axis_offsets * patch).sum(axis=(0, 1)) / max((axis_offsets**2).sum(), 1)
    return float(np.sqrt((patch**2).mean()))
