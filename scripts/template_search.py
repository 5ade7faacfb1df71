"""Find a handle's content again in the image after a drag, from the two images alone.

The result does not depend on the point tracking of the drag, so that it can be used to judge it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Point = tuple[float, float]

# As fractions of the image height.
TEMPLATE_RADIUS = 7 / 128  # the template is 15×15 in an image of 128
SEARCH_RADIUS = 20 / 128


def load_rgb(path: Path) -> NDArray[np.uint8]:
    """Return the pixels of an image file, `uint8 [H, W, 3]`."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def find_content(before: NDArray[np.uint8], after: NDArray[np.uint8], point: Point) -> Point:
    """Return where the content around `point` in `before` is in `after`.

    The search covers `SEARCH_RADIUS` in each direction. The position with the smallest mean absolute difference wins.

    Args:
        before: `uint8 [H, W, 3]`.
        after: the same shape.
        point: `(x, y)` in pixels, origin at the centre of the top-left pixel.
    """
    height, width, _ = before.shape
    radius, reach = round(TEMPLATE_RADIUS * height), round(SEARCH_RADIUS * height)
    x, y = (round(value) for value in point)
    template = _window(before, x, y, radius).astype(np.int32)
    columns = range(max(x - reach, radius), min(x + reach, width - 1 - radius) + 1)
    rows = range(max(y - reach, radius), min(y + reach, height - 1 - radius) + 1)
    positions = [(column, row) for row in rows for column in columns]
    best_x, best_y = min(positions, key=lambda xy: np.abs(_window(after, xy[0], xy[1], radius) - template).sum())
    return (best_x + point[0] - x, best_y + point[1] - y)  # keeps the part of the point below one pixel


def drag_error(before: NDArray[np.uint8], after: NDArray[np.uint8], handle: Point, target: Point) -> float:
    """Return the distance in pixels between the target and the place where the handle's content is in `after`."""
    x, y = find_content(before, after, handle)
    return float(np.hypot(x - target[0], y - target[1]))


def _window(rgb: NDArray[np.uint8], x: int, y: int, radius: int) -> NDArray[np.uint8]:
    return rgb[y - radius : y + radius + 1, x - radius : x + radius + 1]
