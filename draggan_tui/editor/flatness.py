"""Whether a handle has something to hold on to: the paper finds that handles on patches without texture drift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Point, Size, convert, nearest_pixel

# Between landmarks and backdrop of the bundled model, seeds 0 to 39, previews of 44, 96 and 128 pixels: 0 of 1080
# landmarks are flat, and 1158 of 1200 points of the backdrop (most of the others have an ear in their square). Measured by `python scripts/calibrate_flatness.py`.
FLAT = 0.01


def is_flat(rgb: NDArray[np.uint8], point: Point, radius: float, picture: Size) -> bool:
    """Whether the picture round a point is of one colour, or of colours that change evenly.

    Args:
        rgb: `uint8 [H, W, 3]`, the picture or a preview of it.
        point: in picture pixels.
        radius: half side of the square that is looked at, in picture pixels: r2 of the drag, where tracking looks.
    """
    return texture(rgb, point, radius, picture) < FLAT


def texture(rgb: NDArray[np.uint8], point: Point, radius: float, picture: Size) -> float:
    """How far the square's colours are from a plane over x and y: root mean square over pixels and channels, 0 … 1.

    A plane is taken away because even shading gives the features nothing to hold on to.
    """
    grid = Size(rgb.shape[1], rgb.shape[0])
    column, row = nearest_pixel(convert(point, picture, grid), grid)
    reach = max(round(radius * grid.width / picture.width), 1)
    rows = slice(max(row - reach, 0), row + reach + 1)
    patch = rgb[rows, max(column - reach, 0) : column + reach + 1] / 255
    patch -= patch.mean(axis=(0, 1))
    # Offsets along the two axes of a whole grid are orthogonal, so each slope can be taken away by itself.
    for axis in np.indices(patch.shape[:2]):
        offsets = (axis - axis.mean())[..., None]
        patch -= offsets * (offsets * patch).sum(axis=(0, 1)) / max((offsets**2).sum(), 1)
    return float(np.sqrt((patch**2).mean()))
