"""Where the nose went, said by the pictures alone: a template search that knows nothing of the drag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Point = tuple[float, float]

# Shares of the picture's height.
HALF = 7 / 128  # the template is 15×15 at 128 px
REACH = 20 / 128  # each way


def load(path: Path) -> NDArray[np.uint8]:
    """`uint8 [H, W, 3]`."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def find(before: NDArray[np.uint8], after: NDArray[np.uint8], point: Point) -> Point:
    """What lies round `point` in `before`: where it lies in `after`, within `REACH` of the same place.

    The least mean absolute difference of the surroundings wins.
    """
    height, width, _ = before.shape
    half, reach = round(HALF * height), round(REACH * height)
    x, y = (round(value) for value in point)
    template = _window(before, x, y, half).astype(np.int32)
    columns = range(max(x - reach, half), min(x + reach, width - 1 - half) + 1)
    rows = range(max(y - reach, half), min(y + reach, height - 1 - half) + 1)
    places = [(column, row) for row in rows for column in columns]
    best = min(places, key=lambda place: np.abs(_window(after, *place, half) - template).sum())
    # The template stood on a whole pixel; what it was cut off goes along.
    return (best[0] + point[0] - x, best[1] + point[1] - y)


def error(before: NDArray[np.uint8], after: NDArray[np.uint8], handle: Point, target: Point) -> float:
    """Pixels between the target and where the handle's content really is."""
    found = find(before, after, handle)
    return float(np.hypot(found[0] - target[0], found[1] - target[1]))


def _window(rgb: NDArray[np.uint8], x: int, y: int, half: int) -> NDArray[np.uint8]:
    return rgb[y - half : y + half + 1, x - half : x + half + 1]
