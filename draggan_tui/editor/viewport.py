"""Which part of the image the screen shows, and how large: zooming and panning as pure functions.

The *grid* is the whole image at the present zoom, in screen pixels (half-cells); the *window* is the part of it that is
shown. Cursor, brush and shapes work on the grid, which is never allocated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from draggan_engine.core.geometry import Point, Size, convert, fit_preview, nearest_pixel, scaled_preview

SCALES = (1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Screen pixels to an image pixel."""
SCROLL_MARGIN = 5
"""Screen pixels that stay visible around a cursor that is moved."""


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
        image_size: of the full-resolution image.
        screen_size: the space that the screen has for the image, in screen pixels.
        scale: screen pixels to an image pixel. None: the whole image is shown, as large as it fits.
        origin: (column, row) of the grid in the upper left corner of the window.
    """

    image_size: Size
    screen_size: Size
    scale: float | None = None
    origin: tuple[int, int] = (0, 0)

    @property
    def grid(self) -> Size:
        """The size of the whole image at this zoom, in screen pixels."""
        if self.scale is None:
            return fit_preview(self.image_size, self.screen_size.width, self.screen_size.height // 2)
        return scaled_preview(self.image_size, self.scale)

    @property
    def window(self) -> Window:
        """The part of the grid that is shown; its height is even."""
        grid, screen_size = self.grid, self.screen_size
        width, height = min(grid.width, max(screen_size.width, 1)), min(grid.height, max(screen_size.height, 2))
        return Window(*self.origin, width, height)

    @property
    def corner(self) -> tuple[int, int]:
        """(column, row) of the screen where the window begins, which is centred there; the row is even."""
        window, screen_size = self.window, self.screen_size
        return ((screen_size.width - window.width) // 2, 2 * ((screen_size.height - window.height) // 4))

    @property
    def ratio(self) -> str:
        """`3:1`, screen to image; empty if the whole image is shown."""
        if self.scale is None:
            return ""
        scale_ratio = Fraction(self.scale)
        return f"{scale_ratio.numerator}:{scale_ratio.denominator}"

    def pixel(self, point: Point) -> tuple[int, int]:
        """Return the grid pixel that shows a point of the image."""
        return nearest_pixel(convert(point, self.image_size, self.grid), self.grid)

    def point(self, pixel: tuple[int, int]) -> Point:
        """Return the centre of a grid pixel, in image pixels; beyond the image, that of the nearest grid pixel."""
        grid = self.grid
        clamped_pixel = (min(max(pixel[0], 0), grid.width - 1), min(max(pixel[1], 0), grid.height - 1))
        return convert(clamped_pixel, grid, self.image_size)

    def place(self, point: Point) -> tuple[int, int]:
        """Return (column, row) of the screen where a point of the image is shown."""
        (x, y), (left, top) = self.pixel(point), self.corner
        return (x - self.origin[0] + left, y - self.origin[1] + top)

    def nearest_shown(self, point: Point) -> Point:
        """Return the nearest point in the window; a coordinate that is in the window already stays exactly as it is."""
        (x, y), window = self.pixel(point), self.window
        shown_pixel = (
            min(max(x, window.left), window.right - 1),
            min(max(y, window.top), window.bottom - 1),
        )
        pixel_centre = self.point(shown_pixel)
        return (
            point[0] if shown_pixel[0] == x else pixel_centre[0],
            point[1] if shown_pixel[1] == y else pixel_centre[1],
        )

    # Changes ------------------------------------------------------------------------------------------

    def resized(self, screen_size: Size) -> Viewport:
        """Return the view on a screen of another size: the centre stays, or the whole image is shown if it fits at this
        scale."""
        if screen_size == self.screen_size:
            return self
        if self.scale is None or self.scale <= _fitting_scale(self.image_size, screen_size):
            return Viewport(self.image_size, screen_size)
        old_window, resized_view = self.window, replace(self, screen_size=screen_size)
        new_window = resized_view.window
        return resized_view._with_origin(
            old_window.left + (old_window.width - new_window.width) // 2,
            old_window.top + (old_window.height - new_window.height) // 2,
        )

    def fitted(self) -> Viewport:
        """Return the view of the whole image."""
        return Viewport(self.image_size, self.screen_size)

    def zoomed(self, steps: int, point: Point) -> Viewport:
        """Return the view some scales larger, or smaller if `steps` is negative. The point stays where it is on the screen,
        as far as the image's borders allow."""
        possible_scales = [
            None,
            *(scale for scale in SCALES if scale > _fitting_scale(self.image_size, self.screen_size)),
        ]
        new_scale = possible_scales[min(max(possible_scales.index(self.scale) + steps, 0), len(possible_scales) - 1)]
        zoomed_view = replace(self, scale=new_scale, origin=(0, 0))
        (column, row), (left, top) = self.place(point), zoomed_view.corner
        x, y = zoomed_view.pixel(point)
        return zoomed_view._with_origin(x - (column - left), y - (row - top))

    def following(self, point: Point, margin: int = 0) -> Viewport:
        """Return the view that shows a point at least `margin` screen pixels from the window's edge, except at the image's
        borders. It is panned as little as possible; if the point is far away, the point is centred."""
        x, y = self.pixel(point)
        window = self.window
        return self._with_origin(
            _panned_start(x, window.left, window.width, margin),
            _panned_start(y, window.top, window.height, margin),
        )

    def centred(self, point: Point) -> Viewport:
        """Return the view with a point in its centre, as far as the image's borders allow."""
        x, y = self.pixel(point)
        window = self.window
        return self._with_origin(x - window.width // 2, y - window.height // 2)

    def _with_origin(self, column: int, row: int) -> Viewport:
        """Return the view with that origin, or with the nearest one that keeps the window inside the grid."""
        grid, window = self.grid, self.window
        origin = (
            min(max(column, 0), grid.width - window.width),
            min(max(row, 0), grid.height - window.height),
        )
        return self if origin == self.origin else replace(self, origin=origin)


def _fitting_scale(image_size: Size, screen_size: Size) -> float:
    """Return the scale at which the whole image fits."""
    return min(max(screen_size.width, 1) / image_size.width, max(screen_size.height, 2) / image_size.height)


def _panned_start(point_position: int, window_start: int, window_length: int, margin: int) -> int:
    """Return where a window of `window_length` pixels that starts at `window_start` has to start to show a position."""
    margin = min(margin, (window_length - 1) // 2)
    panned_start = min(max(window_start, point_position + margin + 1 - window_length), point_position - margin)
    return (
        point_position - window_length // 2 if abs(panned_start - window_start) > window_length // 2 else panned_start
    )
