"""The one place that makes an image smaller, for the screen and for comparisons with a smaller image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .geometry import Size

Box = tuple[float, float, float, float]


def area_means(rgb: NDArray[np.uint8], result_size: Size, source_box: Box | None = None) -> NDArray[np.uint8]:
    """Return a smaller image whose pixels are the means of the pixels they cover, channel by channel in sRGB values.

    A pixel on the border between two means counts for the one that contains its centre.

    Args:
        rgb: `uint8 [H, W, 3]`, no smaller than `result_size`.
        result_size: of the result.
        source_box: left, top, right and bottom edge of the part to shrink, in pixels of `rgb`; None: all of it.
    """
    return np.asarray(
        Image.fromarray(rgb).resize((result_size.width, result_size.height), Image.Resampling.BOX, box=source_box)
    )
