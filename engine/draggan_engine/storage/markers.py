"""Handles and targets drawn into an image, for images and videos that are shown elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from draggan_engine.core.geometry import Point, Size, rescale

# The colours of the editor's themes that do not set their own.
HANDLE_COLOR = (255, 92, 216)
TARGET_COLOR = (60, 255, 106)
LINE_COLOR = (255, 255, 255)
OUTLINE_COLOR = (12, 13, 17)

_OVERSAMPLING = 4  # markers are drawn on a finer grid and averaged, for smooth edges


def draw_markers(rgb: NDArray[np.uint8], pairs: Sequence[tuple[Point, Point]]) -> NDArray[np.uint8]:
    """Return the image with a disc on each handle, a ring around its target, a dotted line between, and the pair's number.

    Args:
        rgb: `uint8 [H, W, 3]`; it is not changed.
        pairs: (handle, target) in image pixels.

    Returns:
        `uint8 [H, W, 3]`; away from the markers every pixel is the image's own.
    """
    if not pairs:
        return rgb
    height, width, _ = rgb.shape
    radius = max(2.5, height / 64)
    left, top, right, bottom = _marker_box(pairs, 6 * radius, Size(width, height))
    image_part = Image.fromarray(rgb[top:bottom, left:right])
    fine_part = image_part.resize(
        (image_part.width * _OVERSAMPLING, image_part.height * _OVERSAMPLING), Image.Resampling.NEAREST
    )

    def to_fine_grid(point: Point) -> Point:
        return (
            rescale(point[0] - left, image_part.width, fine_part.width),
            rescale(point[1] - top, image_part.height, fine_part.height),
        )

    marker_pen = _Pen(ImageDraw.Draw(fine_part), radius * _OVERSAMPLING)
    fine_pairs = [(to_fine_grid(handle), to_fine_grid(target)) for handle, target in pairs]
    for handle, target in fine_pairs:
        marker_pen.line(handle, target)
    for handle, target in fine_pairs:
        marker_pen.ring(target)
        marker_pen.disc(handle)
    for pair_number, (handle, _) in enumerate(fine_pairs, 1):
        marker_pen.number(pair_number, handle, Size(*fine_part.size))
    marked_image = rgb.copy()
    marked_image[top:bottom, left:right] = np.asarray(fine_part.reduce(_OVERSAMPLING))
    return marked_image


def _marker_box(
    pairs: Sequence[tuple[Point, Point]], marker_margin: float, image_size: Size
) -> tuple[int, int, int, int]:
    """Return the part of the image that the markers may touch: left, top, right, bottom, the last two exclusive."""
    marker_points = np.array(pairs).reshape(-1, 2)
    left, top = np.floor(np.maximum(marker_points.min(axis=0) - marker_margin, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(marker_points.max(axis=0) + marker_margin, image_size)).astype(int)
    return int(left), int(top), int(right), int(bottom)


class _Pen:
    """Draws markers on the finer grid, each with a dark outline that shows on any image.

    Args:
        disc_radius: of a disc, in pixels of the finer grid.
    """

    def __init__(self, image_draw: ImageDraw.ImageDraw, disc_radius: float) -> None:
        self._image_draw, self._disc_radius, self._outline_width = image_draw, disc_radius, disc_radius / 3
        self._number_font = ImageFont.load_default(max(9 * _OVERSAMPLING, 2.6 * disc_radius))

    def disc(self, centre: Point) -> None:
        self._circle(centre, self._disc_radius + self._outline_width, fill=OUTLINE_COLOR)
        self._circle(centre, self._disc_radius, fill=HANDLE_COLOR)

    def ring(self, centre: Point) -> None:
        """Draw a ring in which a disc with its outline fits, as when the handle has arrived."""
        inner_radius, stroke_width = self._disc_radius + self._outline_width, 0.6 * self._disc_radius
        for color, extra_width in ((OUTLINE_COLOR, self._outline_width), (TARGET_COLOR, 0.0)):
            self._circle(
                centre,
                inner_radius + stroke_width + extra_width,
                outline=color,
                width=round(stroke_width + 2 * extra_width),
            )

    def line(self, start_point: Point, end_point: Point) -> None:
        dot_radius = 0.35 * self._disc_radius
        dot_count = int(math.dist(start_point, end_point) // (5 * dot_radius))
        for color, extra_width in ((OUTLINE_COLOR, 0.5 * self._outline_width), (LINE_COLOR, 0.0)):
            for i in range(1, dot_count):
                line_share = i / dot_count
                centre = (
                    start_point[0] + line_share * (end_point[0] - start_point[0]),
                    start_point[1] + line_share * (end_point[1] - start_point[1]),
                )
                self._circle(centre, dot_radius + extra_width, fill=color)

    def number(self, pair_number: int, handle: Point, grid_size: Size) -> None:
        """Draw a number above and to the right of a handle, outside its ring; on the other side at the image's edge."""
        number_offset = 2.6 * self._disc_radius
        x = (
            handle[0] + number_offset
            if handle[0] + 1.6 * number_offset < grid_size.width
            else handle[0] - number_offset
        )
        y = handle[1] - number_offset if handle[1] > 1.6 * number_offset else handle[1] + number_offset
        self._image_draw.text(
            (x, y),
            str(pair_number),
            fill=LINE_COLOR,
            font=self._number_font,
            anchor="mm",
            stroke_width=self._outline_width,
            stroke_fill=OUTLINE_COLOR,
        )

    def _circle(
        self,
        centre: Point,
        radius: float,
        fill: tuple[int, int, int] | None = None,
        outline: tuple[int, int, int] | None = None,
        width: int = 0,
    ) -> None:
        circle_box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        self._image_draw.ellipse(circle_box, fill=fill, outline=outline, width=width)
