"""An image and what lies over it, as terminal cells.

From bottom to top: the image, the tint of the mask, the outline of a shape, dotted lines from handles to targets, the
cursor, and the glyphs ● (handle) and ◎ (target) with the pair's number. A disabled pair has paler glyphs (o, x) and no
line. Where the terminal has colours, lines and cursor are drawn in half-cells, so they are exact and hide little; the tint
is as fine as the image.
Glyphs take whole cells and cover everything else, so that a handle under the cursor can still be read. Only the letters at
points that are worth dragging cover them: they are there for a moment, and are typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_tui.config.themes import CanvasColors
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.cell_parts import PARTS
from draggan_tui.rendering.cells import BOLD, CURSOR, REVERSE, Cells
from draggan_tui.rendering.dithering import ColorDepth, dither
from draggan_tui.rendering.glyphs import Glyph, PairMark, place_glyphs
from draggan_tui.rendering.halfblocks import SHADES, colored_shades, halfblocks, shades
from draggan_tui.rendering.line_drawing import (
    cross,
    edge,
    legible_ground,
    line_pixels,
    outline,
    paint,
    paint_against,
    pale,
    tint,
    visible_color,
)
from draggan_tui.rendering.two_color_cells import screen_means, two_color_cells
from draggan_tui.terminal.cell_shape import CellShape
from draggan_tui.terminal.xterm_palette import Rgb

__all__ = ["CanvasStyle", "Overlay", "PairMark", "compose", "compose_view"]

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


@dataclass(frozen=True)
class CanvasStyle:
    """How images are drawn.

    Attributes:
        depth: how many colours the terminal has.
        colors: of the points, the mask and the cursor.
        ink, paper: of text, and of an image in a terminal without colours.
        shape: how the cells of an image are divided in truecolor. With fewer colours they are halves, because colours are
            mixed from neighbouring halves.
    """

    depth: ColorDepth
    colors: CanvasColors
    ink: Rgb = WHITE
    paper: Rgb = BLACK
    shape: CellShape = "half"

    @property
    def drawn_shape(self) -> CellShape:
        """How cells are divided in this terminal."""
        return self.shape if self.depth == "truecolor" else "half"

    @property
    def parts(self) -> Size:
        """How many parts a cell has beside and below each other: the pixels of images that are to be drawn."""
        return PARTS[self.drawn_shape]


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """What lies over an image. All positions are (column, row) in pixels of the image as it is shown.

    Attributes:
        mask: `[H, W]` of the shown image's size, nonzero = may move. None: no tint.
        quiet: draw only the edge of the mask, so that a moving or compared image is seen as it is.
        shape: `[H, W]` of the shown image's size, nonzero = inside. Its outline is drawn.
        labels: positions by letter. Those outside the image are not drawn.
    """

    cursor: tuple[int, int] | None = None
    pairs: tuple[PairMark, ...] = ()
    mask: NDArray[np.generic] | None = None
    quiet: bool = False
    shape: NDArray[np.generic] | None = None
    labels: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def compose_view(pixels: NDArray[np.uint8], view: Viewport, overlay: Overlay, style: CanvasStyle) -> Cells:
    """Return the cells of the whole room of a viewport, with the image where the viewport places it.

    Args:
        pixels: `uint8 [H, W, 3]`, what the viewport shows of the image, one pixel for each of the style's parts of cells.
    """
    cells = Cells.blank(view.screen_size.height // 2, view.screen_size.width, style.ink, style.paper)
    left, top = view.corner
    cells.paste(compose(pixels, overlay, style), top // 2, left)
    return cells


def compose(image: NDArray[np.uint8], overlay: Overlay, style: CanvasStyle) -> Cells:
    """Return the cells of an image and its overlay.

    Args:
        image: `uint8 [H, W, 3]`, one pixel for each of the style's parts of whole cells.

    Returns:
        Cells in colours of the terminal's palette, except for glyphs, for which `encode_rows` takes the nearest. In a
        terminal without colours every cell is `ink` on `paper`, and only characters differ.

    Raises:
        ValueError: the mask is not of the image's size in screen pixels.
    """
    parts = style.parts
    screen_shape = (image.shape[0] // parts.height * 2, image.shape[1] // parts.width)
    if overlay.mask is not None and overlay.mask.shape != screen_shape:
        raise ValueError(f"mask {overlay.mask.shape} is not of the image's size {screen_shape}")
    if style.depth == "none":
        return _compose_characters(image, overlay, style)

    colors = style.colors
    tinted_image = image
    if overlay.mask is not None:
        part_mask = spread(overlay.mask != 0, image.shape[:2])
        tinted_image = tint(image, part_mask, colors.mask, edge_only=overlay.quiet)
    screen_pixels = screen_means(tinted_image, parts)
    if style.drawn_shape == "half":
        cells = _compose_half_cells(screen_pixels, overlay, style)
    else:
        cells = two_color_cells(tinted_image, style.drawn_shape)
        marked_pixels = screen_pixels.copy()
        _paint_marks(marked_pixels, overlay, colors)
        _put_marks(cells, (marked_pixels != screen_pixels).any(axis=2), halfblocks(marked_pixels))

    for glyph in place_glyphs(overlay.pairs, cells.rows, cells.columns):
        glyph_color = colors.handle if glyph.is_handle else colors.target
        glyph_color = glyph_color if glyph.enabled else pale(glyph_color)
        mean_ground = screen_pixels[2 * glyph.row : 2 * glyph.row + 2, glyph.column].mean(axis=0)
        _draw_glyph(cells, glyph)
        cells.fg[glyph.row, glyph.column] = glyph_color
        cells.bg[glyph.row, glyph.column] = legible_ground(mean_ground, glyph_color, flat=style.depth == "16")
    _draw_labels(cells, overlay.labels, BLACK, WHITE, BOLD)
    if overlay.cursor is not None:
        _mark_cursor(cells, overlay.cursor)
    return cells


def _compose_half_cells(tinted_image: NDArray[np.uint8], overlay: Overlay, style: CanvasStyle) -> Cells:
    """Return the cells of an image of two pixels in each, with the marks that are drawn in half-cells."""
    depth, colors = style.depth, style.colors
    pixels = np.array(dither(tinted_image) if depth == "256" else tinted_image)
    if depth == "16" and overlay.mask is not None:
        pixels[edge(overlay.mask != 0)] = colors.mask  # a tint would be lost among so few colours
    _paint_marks(pixels, overlay, colors)
    if depth == "16":
        return _shades_with_marks(tinted_image, pixels)
    cells = halfblocks(pixels)
    return Cells(cells.char, cells.fg.copy(), cells.bg.copy(), cells.style)


def spread(is_inside: NDArray[np.bool_], image_shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return an area, `bool [H, W]`, as large as an image of more pixels: each of them takes the nearest value."""
    rows, columns = (
        (2 * np.arange(length) + 1) * area_length // (2 * length)
        for length, area_length in zip(image_shape, is_inside.shape, strict=True)
    )
    return np.asarray(is_inside[rows[:, None], columns])


def _paint_marks(pixels: NDArray[np.uint8], overlay: Overlay, colors: CanvasColors) -> None:
    """Paint what is drawn in half-cells: the shape, the lines of the pairs, and the cursor."""
    if overlay.shape is not None:
        paint_against(pixels, outline(overlay.shape != 0), colors.cursor)
    for pair in overlay.pairs:
        if pair.enabled and pair.target is not None:
            paint_against(pixels, line_pixels(pair.handle, pair.target), colors.line)
    if overlay.cursor is not None:
        cross_pixels = cross(overlay.cursor)
        paint(pixels, cross_pixels, visible_color(pixels, cross_pixels, (colors.cursor, BLACK, WHITE)))


def _mark_cursor(cells: Cells, cursor: tuple[int, int]) -> None:
    """Mark the cells that the cursor is drawn in."""
    for column, row in cross(cursor):
        if 0 <= row < 2 * cells.rows and 0 <= column < cells.columns:
            cells.style[row // 2, column] |= CURSOR


def _shades_with_marks(tinted_image: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> Cells:
    """Return cells in the 16 colours: shades, and half-cells where a mark is painted over the ground."""
    cells = colored_shades(tinted_image)
    is_painted = (pixels != tinted_image).any(axis=2)
    mostly_light = np.isin(cells.char, SHADES[2:])[..., None]
    plain_pixels = np.where(mostly_light, cells.fg, cells.bg).repeat(2, axis=0)
    _put_marks(cells, is_painted, halfblocks(np.where(is_painted[..., None], pixels, plain_pixels)))
    return cells


def _put_marks(cells: Cells, is_painted: NDArray[np.bool_], mark_cells: Cells) -> None:
    """Replace the cells in which a screen pixel, `bool [H, W]`, is painted."""
    is_marked = is_painted.reshape(cells.rows, 2, cells.columns).any(axis=1)
    cells.char[is_marked] = mark_cells.char[is_marked]
    cells.fg[is_marked], cells.bg[is_marked] = mark_cells.fg[is_marked], mark_cells.bg[is_marked]


def _compose_characters(image: NDArray[np.uint8], overlay: Overlay, style: CanvasStyle) -> Cells:
    """Return cells for a terminal without colours."""
    cells = shades(image, style.ink, style.paper)
    if overlay.mask is not None:
        is_inside = (overlay.mask != 0).reshape(cells.rows, 2, cells.columns).any(axis=1)
        rows, columns = np.indices(is_inside.shape)
        if not overlay.quiet:
            cells.char[is_inside & ((columns + 2 * rows) % 4 == 0)] = ord(":")
        cells.char[edge(is_inside)] = ord(":")
    if overlay.shape is not None:
        for column, row in outline(overlay.shape != 0):
            _put(cells, row // 2, column, "+")
    for pair in overlay.pairs:
        if pair.enabled and pair.target is not None:
            for column, row in line_pixels(pair.handle, pair.target):
                _put(cells, row // 2, column, "·")
    if overlay.cursor is not None:
        column, row = overlay.cursor
        _put(cells, row // 2, column - 1, "[", BOLD)
        _put(cells, row // 2, column, "▄" if row % 2 else "▀", BOLD)
        _put(cells, row // 2, column + 1, "]", BOLD)
    for glyph in place_glyphs(overlay.pairs, cells.rows, cells.columns):
        _draw_glyph(cells, glyph)
    _draw_labels(cells, overlay.labels, style.ink, style.paper, BOLD | REVERSE)
    return cells


def _draw_labels(cells: Cells, labels: Mapping[str, tuple[int, int]], ink: Rgb, paper: Rgb, label_style: int) -> None:
    """Write letters over everything else, each in a cell of its own."""
    for letter, (column, row) in labels.items():
        if 0 <= row // 2 < cells.rows and 0 <= column < cells.columns:
            _put(cells, row // 2, column, letter, label_style)
            cells.fg[row // 2, column], cells.bg[row // 2, column] = ink, paper


def _draw_glyph(cells: Cells, glyph: Glyph) -> None:
    glyph_style = (BOLD if glyph.enabled else 0) | (REVERSE if glyph.selected else 0)
    _put(cells, glyph.row, glyph.column, glyph.char, glyph_style)


def _put(cells: Cells, row: int, column: int, char: str, style: int = 0) -> None:
    """Write a character, unless its cell is outside the grid."""
    if 0 <= row < cells.rows and 0 <= column < cells.columns:
        cells.char[row, column] = ord(char)
        cells.style[row, column] = style
