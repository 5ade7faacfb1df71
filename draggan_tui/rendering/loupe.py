"""The surroundings of a handle, enlarged, as terminal cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Point, Size
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.overlay import CanvasStyle, Overlay, compose_view
from draggan_tui.rendering.view_sampling import sample_view

SCALE, LARGEST_SCALE = 4.0, 8.0
"""Screen pixels to a pixel of the full-resolution image, and at most to a pixel of the image that is shown."""


@dataclass(frozen=True, eq=False)
class CloseUp:
    """A handle and the image that it is on.

    Attributes:
        image: `uint8 [H, W, 3]`, the whole image at any size; not to be changed afterwards.
        full_size: size of the full-resolution image.
        handle: in pixels of the full-resolution image.
        number: of the handle's pair, from 1.
    """

    image: NDArray[np.uint8]
    full_size: Size
    handle: Point
    number: int

    @property
    def title(self) -> str:
        """`handle 1  20.25  30.00`."""
        return f"handle {self.number}  {self.handle[0]:.2f}  {self.handle[1]:.2f}"

    def shows_same(self, other_close_up: CloseUp) -> bool:
        """Return whether another close-up looks the same."""
        return self.image is other_close_up.image and (self.full_size, self.handle, self.number) == (
            other_close_up.full_size,
            other_close_up.handle,
            other_close_up.number,
        )


def loupe_view(full_size: Size, image_size: Size, point: Point, room_size: Size) -> Viewport:
    """Return the window round a point of the full-resolution image, of which an image of another size is shown."""
    scale = min(SCALE, LARGEST_SCALE * image_size.width / full_size.width)
    return Viewport(full_size, room_size, scale).centred(point)


def loupe(close_up: CloseUp, columns: int, rows: int, style: CanvasStyle) -> Cells:
    """Return cells with the handle in a cross, in the middle unless it is near the border of the image."""
    image = close_up.image
    view = loupe_view(
        close_up.full_size, Size(image.shape[1], image.shape[0]), close_up.handle, Size(columns, 2 * rows)
    )
    (column, row), window = view.pixel(close_up.handle), view.window
    overlay = Overlay(cursor=(column - window.left, row - window.top))
    return compose_view(sample_view(image, view, style.parts), view, overlay, style)
