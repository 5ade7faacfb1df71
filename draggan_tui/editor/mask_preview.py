"""The mask and other regions of the image on the grid of the preview."""

from __future__ import annotations

import numpy as np

from draggan_engine.core.edit import Mask
from draggan_engine.core.geometry import Size, pixel_box
from draggan_engine.core.mask_regions import Region

from .viewport import Window


def preview_mask(mask: Mask, preview_size: Size, window: Window | None = None) -> Region:
    """Return for each preview pixel whether the image pixel in its middle may move.

    Args:
        window: the part of the preview to return; None: all of it.
    """
    return preview_region(mask.to_array().astype(np.bool_), preview_size, window)


def preview_region(region: Region, preview_size: Size, window: Window | None = None) -> Region:
    """Return for each preview pixel whether the image pixel in its middle belongs to a region.

    Args:
        region: `bool [H, W]` at full resolution.
        window: the part of the preview to return; None: all of it.
    """
    image_size = Size(region.shape[1], region.shape[0])
    window = window or Window(0, 0, *preview_size)
    pixel_boxes = [pixel_box((i, 0), preview_size, image_size) for i in range(window.left, window.right)]
    column_indices = [(left + right - 1) // 2 for left, _, right, _ in pixel_boxes]
    pixel_boxes = [pixel_box((0, i), preview_size, image_size) for i in range(window.top, window.bottom)]
    row_indices = [(top + bottom - 1) // 2 for _, top, _, bottom in pixel_boxes]
    return region[np.ix_(row_indices, column_indices)]
