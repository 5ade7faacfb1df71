"""A few pixels of the picture round a point, enlarged, as terminal cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Point, Size
from draggan_tui.config.themes import CanvasColors, Rgb
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.overlay import Overlay, compose
from draggan_tui.rendering.palette import ColorDepth
from draggan_tui.rendering.sampling import sample

SCALE, MOST = 4.0, 8.0
"""Screen pixels to a pixel of the full-resolution picture, and at most to one of the picture that is there."""


def loupe_view(picture: Size, there: Size, point: Point, room: Size) -> Viewport:
    """The window round a point of a picture of which there is one of another size."""
    scale = min(SCALE, MOST * there.width / picture.width)
    return Viewport(picture, room, scale).centred(point)


def loupe(
    rgb: NDArray[np.uint8],
    picture: Size,
    point: Point,
    columns: int,
    rows: int,
    depth: ColorDepth,
    colors: CanvasColors,
    *,
    ink: Rgb,
    paper: Rgb,
) -> Cells:
    """So many cells, with the point in the middle of a cross; at the picture's borders it is not in theirs.

    Args:
        rgb: `uint8 [H, W, 3]`, the whole picture at any size.
        picture: its full size.
    """
    view = loupe_view(picture, Size(rgb.shape[1], rgb.shape[0]), point, Size(columns, 2 * rows))
    (column, row), window = view.pixel(point), view.window
    overlay = Overlay(cursor=(column - window.left, row - window.top))
    cells = Cells.blank(rows, columns, ink, paper)
    left, top = view.corner
    cells.paste(compose(sample(rgb, view), overlay, depth, colors, ink=ink, paper=paper), top // 2, left)
    return cells
