"""Arrange images of one size in a grid."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image


def image_grid(
    image_rows: Sequence[Sequence[Image.Image]], background_color: tuple[int, int, int] = (0, 0, 0)
) -> Image.Image:
    """Return an RGB image of rows of images, without gaps. Shorter rows end with background.

    Args:
        image_rows: at least one image in all; all images have the same size.
    """
    cell_width, cell_height = next(image.size for image_row in image_rows for image in image_row)
    grid_image = Image.new(
        "RGB", (cell_width * max(map(len, image_rows)), cell_height * len(image_rows)), background_color
    )
    for y, image_row in enumerate(image_rows):
        for x, image in enumerate(image_row):
            grid_image.paste(image, (x * cell_width, y * cell_height))
    return grid_image
