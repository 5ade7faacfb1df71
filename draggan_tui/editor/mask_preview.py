"""The mask and other regions of the image on the grid of the preview."""

from __future__ import annotations

import numpy as np

from draggan_engine.core.edit import Mask
from draggan_engine.core.geometry import Size, pixel_box
from draggan_engine.core.mask_regions import Region

from .viewport import Window


def preview_mask(mask: Mask, preview: Size, window: Window | None = None) -> Region:
    """Return for each preview pixel whether the image pixel in its middle may move.

    Args:
        window: the part of the preview to return; None: all of it.
    """
    return preview_region(mask.to_array().astype(np.bool_), preview, window)


def preview_region(region: Region, preview: Size, window: Window | None = None) -> Region:
    """Return for each preview pixel whether the image pixel in its middle belongs to a region.

    Args:
        region: `bool [H, W]` at full resolution.
        window: the part of the preview to return; None: all of it.
    """
    image = Size(region.shape[1], region.shape[0])
    window = window or Window(0, 0, *preview)
    boxes = [pixel_box((i, 0), preview, image) for i in range(window.left, window.right)]
    columns = [(left + right - 1) // 2 for left, _, right, _ in boxes]
    boxes = [pixel_box((0, i), preview, image) for i in range(window.top, window.bottom)]
    rows = [(top + bottom - 1) // 2 for _, top, _, bottom in boxes]
    return region[np.ix_(rows, columns)]
