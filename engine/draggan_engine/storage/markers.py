"""Handles and targets drawn into a picture, for pictures and films that are shown elsewhere. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from draggan_engine.core.geometry import Point, Size, rescale

# As the editor's themes have them, unless they say otherwise.
HANDLE_COLOR = (255, 92, 216)
TARGET_COLOR = (60, 255, 106)
LINE_COLOR = (255, 255, 255)
OUTLINE_COLOR = (12, 13, 17)

_FINER = 4  # drawn on a grid finer by this, then averaged: smooth edges


def draw_markers(rgb: NDArray[np.uint8], pairs: Sequence[tuple[Point, Point]]) -> NDArray[np.uint8]:
    """The picture with a disc on each handle, a ring round its target, a dotted line between, and the pair's number.

    Args:
        rgb: `uint8 [H, W, 3]`; stays as it is.
        pairs: (handle, target) in picture pixels.

    Returns:
        `uint8 [H, W, 3]`; what is away from the markers is the picture's own, to the bit.
    """
    if not pairs:
        return rgb
    height, width, _ = rgb.shape
    radius = max(2.5, height / 64)
    left, top, right, bottom = _around(pairs, 6 * radius, Size(width, height))
    part = Image.fromarray(rgb[top:bottom, left:right])
    finer = part.resize((part.width * _FINER, part.height * _FINER), Image.Resampling.NEAREST)

    def place(point: Point) -> Point:
        return (
            rescale(point[0] - left, part.width, finer.width),
            rescale(point[1] - top, part.height, finer.height),
        )

    pen = _Pen(ImageDraw.Draw(finer), radius * _FINER)
    placed = [(place(handle), place(target)) for handle, target in pairs]
    for handle, target in placed:
        pen.line(handle, target)
    for handle, target in placed:
        pen.ring(target)
        pen.disc(handle)
    for number, (handle, _) in enumerate(placed, 1):
        pen.number(number, handle, Size(*finer.size))
    drawn = rgb.copy()
    drawn[top:bottom, left:right] = np.asarray(finer.reduce(_FINER))
    return drawn


def _around(pairs: Sequence[tuple[Point, Point]], margin: float, picture: Size) -> tuple[int, int, int, int]:
    """The part of the picture that the markers may touch: left, top, right, bottom, the last two exclusive."""
    points = np.array(pairs).reshape(-1, 2)
    left, top = np.floor(np.maximum(points.min(axis=0) - margin, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(points.max(axis=0) + margin, picture)).astype(int)
    return int(left), int(top), int(right), int(bottom)


class _Pen:
    """Draws on the finer grid; every stroke has a dark outline, so that it shows on any picture."""

    def __init__(self, draw: ImageDraw.ImageDraw, radius: float) -> None:
        self._draw, self._radius, self._outline = draw, radius, radius / 3
        self._font = ImageFont.load_default(max(9 * _FINER, 2.6 * radius))

    def disc(self, at: Point) -> None:
        self._circle(at, self._radius + self._outline, fill=OUTLINE_COLOR)
        self._circle(at, self._radius, fill=HANDLE_COLOR)

    def ring(self, at: Point) -> None:
        # Its hole takes a disc with its outline: an arrived handle stands inside.
        inner, stroke = self._radius + self._outline, 0.6 * self._radius
        for color, more in ((OUTLINE_COLOR, self._outline), (TARGET_COLOR, 0.0)):
            self._circle(at, inner + stroke + more, outline=color, width=round(stroke + 2 * more))

    def line(self, start: Point, end: Point) -> None:
        dot = 0.35 * self._radius
        count = int(math.dist(start, end) // (5 * dot))
        for color, more in ((OUTLINE_COLOR, 0.5 * self._outline), (LINE_COLOR, 0.0)):
            for i in range(1, count):
                share = i / count
                at = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
                self._circle(at, dot + more, fill=color)

    def number(self, number: int, handle: Point, grid: Size) -> None:
        """Up and right of the handle, just outside of a ring round it; on the other side where the picture ends."""
        away = 2.6 * self._radius
        x = handle[0] + away if handle[0] + 1.6 * away < grid.width else handle[0] - away
        y = handle[1] - away if handle[1] > 1.6 * away else handle[1] + away
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
        at: Point,
        radius: float,
        fill: tuple[int, int, int] | None = None,
        outline: tuple[int, int, int] | None = None,
        width: int = 0,
    ) -> None:
        box = (at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius)
        self._draw.ellipse(box, fill=fill, outline=outline, width=width)
