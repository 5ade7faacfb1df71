"""An image and what lies over it, as a graphic in pixels, for terminals that show graphics in the place of cells.

Points and their lines are drawn where they are, to a fraction of a pixel; the mask and the outline of a shape as in cells. The
cursor, the numbers of the points and letters stay text, so that neither moving the cursor nor selecting a point costs a new
graphic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Point, Size
from draggan_tui.config.themes import CanvasColors
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.compare import ComparedImages
from draggan_tui.rendering.dithering import luma
from draggan_tui.rendering.glyphs import PairMark, place_glyphs
from draggan_tui.rendering.line_drawing import cross, edge, paint_against, pale, tint
from draggan_tui.rendering.overlay import BLACK, WHITE, Overlay, spread
from draggan_tui.rendering.view_sampling import sample_view
from draggan_tui.terminal.kitty_graphics import MOST_CELLS
from draggan_tui.terminal.xterm_palette import Rgb

MOST_PIXELS = 1 << 20
"""More are not worth their bytes; the terminal enlarges the graphic."""
LEAST_PART_WIDTH = 4  # pixels of a cell's width, so that points have their places within a cell
POINT_RADIUS, HOLE_RADIUS, DOT_RADIUS = 0.75, 0.4, 0.14  # in widths of a cell
_EDGE_SHARE = 1 / 6  # of a cell's width: how wide the edge of a mask is

Image = NDArray[np.uint8] | ComparedImages


@dataclass(frozen=True, eq=False)
class GraphicSource:
    """What a graphic is drawn from.

    Attributes:
        image: see `Canvas.show`.
        view: which part of it the graphic shows.
        overlay: in pixels of the view's window.
        parts: how many pixels of the graphic a cell gets.
    """

    image: Image
    view: Viewport
    overlay: Overlay
    colors: CanvasColors
    parts: Size

    def looks_like(self, other: GraphicSource) -> bool:
        """Return whether another graphic is the same. Images are not compared pixel by pixel."""
        return (
            (self.view, self.colors, self.parts) == (other.view, other.colors, other.parts)
            and (self.overlay.pairs, self.overlay.quiet) == (other.overlay.pairs, other.overlay.quiet)
            and _are_same(self.image, other.image)
            and _are_equal(self.overlay.mask, other.overlay.mask)
            and _are_equal(self.overlay.shape, other.overlay.shape)
        )

    def draw(self) -> NDArray[np.uint8]:
        """Return the graphic, `uint8 [H, W, 3]`."""
        if isinstance(self.image, ComparedImages):
            pixels = self.image.sampled(self.view, self.parts)
        else:
            pixels = sample_view(self.image, self.view, self.parts)
        return draw_graphic(pixels, self.overlay, self.colors, self.parts)


def _are_same(image: Image, other: Image) -> bool:
    if isinstance(image, ComparedImages) and isinstance(other, ComparedImages):
        shows_same = (image.comparison, image.split) == (other.comparison, other.split)
        return shows_same and image.before is other.before and image.after is other.after
    return image is other


def _are_equal(area: NDArray[np.generic] | None, other_area: NDArray[np.generic] | None) -> bool:
    if area is None or other_area is None:
        return area is other_area
    return np.array_equal(area, other_area)


def graphic_parts(view: Viewport, cell_pixels: Size) -> Size:
    """Return how many pixels of a graphic a cell gets: no more than the terminal has, and twice those of the image, in each
    direction.

    Args:
        cell_pixels: how many pixels of the terminal a cell has.
    """
    image_width = view.window.width * view.image_size.width / view.grid.width
    useful_width = max(LEAST_PART_WIDTH, ceil(2 * image_width / view.window.width))
    area_ratio = cell_pixels.height / cell_pixels.width
    most_width = sqrt(MOST_PIXELS / (view.window.width * (view.window.height / 2) * area_ratio))
    width = max(1, min(cell_pixels.width, useful_width, int(most_width)))
    return Size(width, max(2, round(width * area_ratio)))


def fits_graphic(view: Viewport) -> bool:
    """Return whether a graphic can have as many rows and columns as the window of a view."""
    return view.window.width <= MOST_CELLS and view.window.height // 2 <= MOST_CELLS


def draw_graphic(pixels: NDArray[np.uint8], overlay: Overlay, colors: CanvasColors, parts: Size) -> NDArray[np.uint8]:
    """Return the graphic of what a viewport shows.

    Args:
        pixels: `uint8 [H, W, 3]`, the image, with `parts` pixels for each cell. It is not changed.
        overlay: in screen pixels (half-cells). Its cursor is left out.
    """
    edge_width = max(1, round(_EDGE_SHARE * parts.width))
    graphic = pixels.copy()
    if overlay.mask is not None:
        is_inside = spread(overlay.mask != 0, graphic.shape[:2])
        if not overlay.quiet:
            graphic = tint(graphic, is_inside, colors.mask)
        graphic[_wide_edge(is_inside, edge_width)] = colors.mask
    if overlay.shape is not None:
        is_inside = spread(overlay.shape != 0, graphic.shape[:2])
        outline_pixels = np.argwhere(_wide_edge(np.pad(is_inside, 1), edge_width)[1:-1, 1:-1])[:, ::-1]
        paint_against(graphic, outline_pixels, colors.cursor)
    half_cell = (parts.width, parts.height / 2)
    for pair in sorted(overlay.pairs, key=lambda pair: pair.selected):
        _draw_pair(graphic, pair, colors, half_cell)
    return graphic


def place_graphic(cells: Cells, view: Viewport, overlay: Overlay, number: int) -> Cells:
    """Return cells that show a graphic in the place of the image, except under the cursor, the numbers of the points, and letters.

    Args:
        cells: of the view's whole room, with the same image and overlay.
        number: of the graphic.
    """
    window, (left, top) = view.window, view.corner
    rows, columns = window.height // 2, window.width
    places = np.zeros((rows, columns, 3), dtype=np.uint8)
    places[..., 0] = number
    places[..., 1], places[..., 2] = np.arange(rows)[:, None], np.arange(columns)
    text_cells = [
        (glyph.row, glyph.column) for glyph in place_glyphs(overlay.pairs, rows, columns) if glyph.char.isdigit()
    ]
    if overlay.cursor is not None:
        text_cells += [(row // 2, column) for column, row in cross(overlay.cursor).tolist()]
    text_cells += [(row // 2, column) for column, row in overlay.labels.values()]
    for row, column in text_cells:
        if 0 <= row < rows and 0 <= column < columns:
            places[row, column] = 0
    graphic = np.zeros((cells.rows, cells.columns, 3), dtype=np.uint8)
    graphic[top // 2 : top // 2 + rows, left : left + columns] = places
    return replace(cells, graphic=graphic)


# ------------------------------------------------------------------------------------------------------


def _wide_edge(is_inside: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Return the part of an area, `bool [H, W]`, that is less than `width` pixels from its outside."""
    inner_area = is_inside
    for _ in range(width):
        inner_area = inner_area & ~edge(inner_area)
    return is_inside & ~inner_area


def _draw_pair(
    graphic: NDArray[np.uint8], pair: PairMark, colors: CanvasColors, half_cell: tuple[float, float]
) -> None:
    handle, target = pair.exact_handle, pair.exact_target
    if target is not None and pair.enabled:
        _draw_dots(graphic, handle, target, colors.line, half_cell)
    if target is not None:
        _draw_point(graphic, target, colors.target, pair, half_cell, hole_radius=HOLE_RADIUS)
    _draw_point(graphic, handle, colors.handle, pair, half_cell)


def _draw_dots(
    graphic: NDArray[np.uint8], start: Point, end: Point, color: Rgb, half_cell: tuple[float, float]
) -> None:
    """Draw a dotted line between two points, without those under the points themselves."""
    length = sqrt((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2)
    for position in np.arange(1.0, length - 0.8, 0.75):
        share = position / length
        dot = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
        distance, box = _distances(graphic, dot, half_cell, DOT_RADIUS)
        rows, columns = np.nonzero(distance <= max(DOT_RADIUS, 0.71 / half_cell[0]))
        paint_against(graphic, np.stack([columns + box[1].start, rows + box[0].start], axis=1), color)


def _draw_point(
    graphic: NDArray[np.uint8],
    point: Point,
    color: Rgb,
    pair: PairMark,
    half_cell: tuple[float, float],
    hole_radius: float = 0.0,
) -> None:
    """Draw a disc or a ring in a colour, within a thin line in black or white; a selected one has a second line around it."""
    color = color if pair.enabled else pale(color)
    contrast = WHITE if float(luma(np.array(color))) < 0.5 else BLACK
    line = max(0.12, 1 / half_cell[0])
    rings = [(POINT_RADIUS + line, max(0.0, hole_radius - line), contrast), (POINT_RADIUS, hole_radius, color)]
    if pair.selected:
        outer_rings = [(POINT_RADIUS + 3 * line, 0.0, contrast), (POINT_RADIUS + 2 * line, 0.0, color)]
        rings = [(outer, POINT_RADIUS, ring_color) for outer, _, ring_color in outer_rings] + rings
    distance, box = _distances(graphic, point, half_cell, POINT_RADIUS + 3 * line)
    part = graphic[box].astype(np.float32)
    for outer_radius, inner_radius, ring_color in rings:
        coverage = np.clip((outer_radius - distance) * half_cell[0] + 0.5, 0, 1)
        if inner_radius > 0:
            coverage *= np.clip((distance - inner_radius) * half_cell[0] + 0.5, 0, 1)
        part += coverage[..., None] * (np.array(ring_color, dtype=np.float32) - part)
    graphic[box] = np.rint(part).astype(np.uint8)


def _distances(
    graphic: NDArray[np.uint8], point: Point, half_cell: tuple[float, float], radius: float
) -> tuple[NDArray[np.float64], tuple[slice, slice]]:
    """Return how far the pixels around a point are from it, in widths of a cell, and which pixels these are."""
    centres = [(position + 0.5) * scale - 0.5 for position, scale in zip(point, half_cell, strict=True)]
    lengths = (graphic.shape[1], graphic.shape[0])
    columns, rows = (
        slice(max(0, int(centre - (radius + 1) * scale)), max(0, min(length, ceil(centre + (radius + 1) * scale) + 1)))
        for centre, scale, length in zip(centres, half_cell, lengths, strict=True)
    )
    dx = (np.arange(columns.start, columns.stop) - centres[0]) / half_cell[0]
    dy = (np.arange(rows.start, rows.stop) - centres[1]) / half_cell[1]
    return np.hypot(dx, dy[:, None]), (rows, columns)
