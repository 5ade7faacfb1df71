"""Which part of the picture is on the screen, and how large: zoom and pan as pure functions.

The *grid* is the whole picture at the present zoom, in screen pixels (half-cells); the *window* is the part of it
that is shown. All that works on a preview (cursor, brush, shapes) works on the grid, which nobody ever allocates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from draggan_engine.core.geometry import Point, Size, convert, fit_preview, nearest_pixel, scaled_preview

SCALES = (1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Screen pixels to a picture pixel."""
SCROLL_OFF = 5
"""Screen pixels that stay visible round a cursor that is moved."""


class Window(NamedTuple):
    """A rectangle of a grid, in its pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height


@dataclass(frozen=True)
class Viewport:
    """
    Args:
        picture: its size.
        room: of the screen, in screen pixels.
        scale: screen pixels to a picture pixel; None: as many as let the whole picture fit.
        origin: (column, row) of the grid in the upper left corner of the window.
    """

    picture: Size
    room: Size
    scale: float | None = None
    origin: tuple[int, int] = (0, 0)

    @property
    def grid(self) -> Size:
        """The whole picture at this zoom."""
        if self.scale is None:
            return fit_preview(self.picture, self.room.width, self.room.height // 2)
        return scaled_preview(self.picture, self.scale)

    @property
    def window(self) -> Window:
        """What is shown of the grid; its height is even."""
        grid = self.grid
        width, height = min(grid.width, max(self.room.width, 1)), min(grid.height, max(self.room.height, 2))
        return Window(*self.origin, width, height)

    @property
    def corner(self) -> tuple[int, int]:
        """(column, row) of the room in which the window, in the room's middle, begins; the row is even."""
        window = self.window
        return ((self.room.width - window.width) // 2, 2 * ((self.room.height - window.height) // 4))

    @property
    def ratio(self) -> str:
        """`3:1`, screen to picture; empty when the whole picture is shown."""
        if self.scale is None:
            return ""
        ratio = Fraction(self.scale)
        return f"{ratio.numerator}:{ratio.denominator}"

    def pixel(self, point: Point) -> tuple[int, int]:
        """The grid's pixel that shows a point of the picture."""
        return nearest_pixel(convert(point, self.picture, self.grid), self.grid)

    def point(self, pixel: tuple[int, int]) -> Point:
        """The middle of a pixel of the grid, in picture pixels; beyond the picture, the nearest one's."""
        grid = self.grid
        inside = (min(max(pixel[0], 0), grid.width - 1), min(max(pixel[1], 0), grid.height - 1))
        return convert(inside, grid, self.picture)

    # Changes ------------------------------------------------------------------------------------------

    def resized(self, room: Size) -> Viewport:
        """In another room the middle stays; where all fits at this scale, the whole picture is shown."""
        if room == self.room:
            return self
        if self.scale is None or self.scale <= _fitting(self.picture, room):
            return Viewport(self.picture, room)
        before, view = self.window, replace(self, room=room)
        after = view.window
        return view._at(
            before.left + (before.width - after.width) // 2, before.top + (before.height - after.height) // 2
        )

    def fitted(self) -> Viewport:
        """The whole picture."""
        return Viewport(self.picture, self.room)

    def zoomed(self, steps: int, point: Point) -> Viewport:
        """So many scales larger, or smaller if negative; the point stays where it is on the screen, as far as the
        picture's borders allow."""
        scales = [None, *(scale for scale in SCALES if scale > _fitting(self.picture, self.room))]
        scale = scales[min(max(scales.index(self.scale) + steps, 0), len(scales) - 1)]
        view = replace(self, scale=scale, origin=(0, 0))
        (column, row), (left, top) = self.place(point), view.corner
        x, y = view.pixel(point)
        return view._at(x - (column - left), y - (row - top))

    def following(self, point: Point, margin: int = 0) -> Viewport:
        """Shows the point, at least so many screen pixels from the window's edge (the picture's borders excepted):
        pans as little as that needs, or if it is far, until the point is in the middle."""
        x, y = self.pixel(point)
        window = self.window
        return self._at(
            _follow(x, window.left, window.width, margin),
            _follow(y, window.top, window.height, margin),
        )

    def centred(self, point: Point) -> Viewport:
        """The point in the middle, as far as the picture's borders allow."""
        x, y = self.pixel(point)
        window = self.window
        return self._at(x - window.width // 2, y - window.height // 2)

    def place(self, point: Point) -> tuple[int, int]:
        """(column, row) of the room at which a point of the picture is shown."""
        (x, y), (left, top) = self.pixel(point), self.corner
        return (x - self.origin[0] + left, y - self.origin[1] + top)

    def nearest_shown(self, point: Point) -> Point:
        """The nearest place to a point in the window; an axis on which it is shown keeps its place to the fraction."""
        (x, y), window = self.pixel(point), self.window
        inside = (
            min(max(x, window.left), window.right - 1),
            min(max(y, window.top), window.bottom - 1),
        )
        middle = self.point(inside)
        return (point[0] if inside[0] == x else middle[0], point[1] if inside[1] == y else middle[1])

    def _at(self, column: int, row: int) -> Viewport:
        """With that origin, or the nearest one that keeps the window inside the grid."""
        grid, window = self.grid, self.window
        origin = (
            min(max(column, 0), grid.width - window.width),
            min(max(row, 0), grid.height - window.height),
        )
        return self if origin == self.origin else replace(self, origin=origin)


def _fitting(picture: Size, room: Size) -> float:
    """The scale at which the whole picture fits."""
    return min(max(room.width, 1) / picture.width, max(room.height, 2) / picture.height)


def _follow(place: int, first: int, shown: int, margin: int) -> int:
    """Where a window of `shown` pixels from `first` on has to begin to show a place."""
    margin = min(margin, (shown - 1) // 2)
    begin = min(max(first, place + margin + 1 - shown), place - margin)
    return place - shown // 2 if abs(begin - first) > shown // 2 else begin
