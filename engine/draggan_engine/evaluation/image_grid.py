"""Arrange images of one size in a grid."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image


def image_grid(rows: Sequence[Sequence[Image.Image]], background: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    """Return an RGB image of rows of images, without gaps. Shorter rows end with background.

    Args:
        rows: at least one image in all; all images have the same size.
    """
    width, height = next(image.size for row in rows for image in row)
    grid = Image.new("RGB", (width * max(map(len, rows)), height * len(rows)), background)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            grid.paste(image, (x * width, y * height))
    return grid
