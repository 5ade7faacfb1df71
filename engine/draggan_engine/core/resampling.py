"""The one place that makes an image smaller: for the screen, and for every comparison of an image with a smaller one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .geometry import Size

Box = tuple[float, float, float, float]


def area_means(rgb: NDArray[np.uint8], size: Size, box: Box | None = None) -> NDArray[np.uint8]:
    """Return an image whose pixels are the means of those they cover, channel by channel in sRGB's own values.

    A pixel on the border between two means counts for the one that holds its centre.

    Args:
        rgb: `uint8 [H, W, 3]`, no smaller than `size`.
        size: of the result.
        box: left, top, right and bottom edge of the part to shrink, in pixels of `rgb`; None: all of it.
    """
    return np.asarray(Image.fromarray(rgb).resize((size.width, size.height), Image.Resampling.BOX, box=box))
