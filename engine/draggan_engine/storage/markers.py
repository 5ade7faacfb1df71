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
    part = Image.fromarray(rgb[top:bottom, left:right])
    fine_part = part.resize((part.width * _OVERSAMPLING, part.height * _OVERSAMPLING), Image.Resampling.NEAREST)

    def to_fine_grid(point: Point) -> Point:
        return (
            rescale(point[0] - left, part.width, fine_part.width),
            rescale(point[1] - top, part.height, fine_part.height),
        )

    pen = _Pen(ImageDraw.Draw(fine_part), radius * _OVERSAMPLING)
    fine_pairs = [(to_fine_grid(handle), to_fine_grid(target)) for handle, target in pairs]
    for handle, target in fine_pairs:
        pen.line(handle, target)
    for handle, target in fine_pairs:
        pen.ring(target)
        pen.disc(handle)
    for number, (handle, _) in enumerate(fine_pairs, 1):
        pen.number(number, handle, Size(*fine_part.size))
    marked_image = rgb.copy()
    marked_image[top:bottom, left:right] = np.asarray(fine_part.reduce(_OVERSAMPLING))
    return marked_image


def _marker_box(pairs: Sequence[tuple[Point, Point]], margin: float, image: Size) -> tuple[int, int, int, int]:
    """Return the part of the image that the markers may touch: left, top, right, bottom, the last two exclusive."""
    points = np.array(pairs).reshape(-1, 2)
    left, top = np.floor(np.maximum(points.min(axis=0) - margin, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(points.max(axis=0) + margin, image)).astype(int)
    return int(left), int(top), int(right), int(bottom)


class _Pen:
    """Draws markers on the finer grid, each with a dark outline that shows on any image.

    Args:
        radius: of a disc, in pixels of the finer grid.
    """

    def __init__(self, draw: ImageDraw.ImageDraw, radius: float) -> None:
        self._draw, self._radius, self._outline = draw, radius, radius / 3
        self._font = ImageFont.load_default(max(9 * _OVERSAMPLING, 2.6 * radius))

    def disc(self, centre: Point) -> None:
        self._circle(centre, self._radius + self._outline, fill=OUTLINE_COLOR)
        self._circle(centre, self._radius, fill=HANDLE_COLOR)

    def ring(self, centre: Point) -> None:
        """Draw a ring in which a disc with its outline fits, as when the handle has arrived."""
        inner_radius, stroke = self._radius + self._outline, 0.6 * self._radius
        for color, extra in ((OUTLINE_COLOR, self._outline), (TARGET_COLOR, 0.0)):
            self._circle(centre, inner_radius + stroke + extra, outline=color, width=round(stroke + 2 * extra))

    def line(self, start: Point, end: Point) -> None:
        dot_radius = 0.35 * self._radius
        dot_count = int(math.dist(start, end) // (5 * dot_radius))
        for color, extra in ((OUTLINE_COLOR, 0.5 * self._outline), (LINE_COLOR, 0.0)):
            for i in range(1, dot_count):
                share = i / dot_count
                centre = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
                self._circle(centre, dot_radius + extra, fill=color)

    def number(self, number: int, handle: Point, grid: Size) -> None:
        """Draw a number above and to the right of a handle, outside its ring; on the other side at the image's edge."""
        offset = 2.6 * self._radius
        x = handle[0] + offset if handle[0] + 1.6 * offset < grid.width else handle[0] - offset
        y = handle[1] - offset if handle[1] > 1.6 * offset else handle[1] + offset
        self._draw.text(
            (x, y),
            str(number),
            fill=LINE_COLOR,
            font=self._font,
            anchor="mm",
            stroke_width=self._outline,
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
        box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        self._draw.ellipse(box, fill=fill, outline=outline, width=width)
