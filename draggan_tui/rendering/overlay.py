"""The picture with what lies over it, as terminal cells.

From below: the picture, the tint of the mask, the outline of a shape that is being stretched, dotted lines from
handles to targets, the cursor, then the signs ● (handle) and ◎ (target) with the pair's number. A disabled pair has
other, paler signs (o, x) and no line. With colours, tint, lines and cursor are drawn in the preview's pixels, so they
are exact to half a cell and hide little; signs take whole cells and win over everything, so a handle under the cursor
can still be read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from draggan_tui.config.themes import CanvasColors
from draggan_tui.rendering.cells import BOLD, REVERSE, Cells
from draggan_tui.rendering.dithering import ColorDepth, dither
from draggan_tui.rendering.glyphs import Glyph, PairMark, place_glyphs
from draggan_tui.rendering.halfblocks import RAMP, colored_shades, halfblocks, shades
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
from draggan_tui.terminal.xterm_palette import Rgb

__all__ = ["Overlay", "PairMark", "compose"]

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """What lies over the picture.

    cursor: (column, row) of a preview pixel.
    mask: `[H, W]` of the preview's size, nonzero = may move; none: no tint.
    quiet: of the mask only the edge is drawn: a picture that moves, or is compared, is to be seen as it is.
    shape: `[H, W]` likewise, nonzero = inside; its outline is drawn.
    """

    cursor: tuple[int, int] | None = None
    pairs: tuple[PairMark, ...] = ()
    mask: NDArray[np.generic] | None = None
    quiet: bool = False
    shape: NDArray[np.generic] | None = None


def compose(
    picture: NDArray[np.uint8],
    overlay: Overlay,
    depth: ColorDepth,
    colors: CanvasColors,
    *,
    ink: Rgb = (255, 255, 255),
    paper: Rgb = (0, 0, 0),
) -> Cells:
    """Cells of a preview and its overlay.

    Args:
        picture: `uint8 [H, W, 3]`, H even.
        depth: colours are those of its palette (signs excepted, `encode` finds the nearest); with "none" every cell
            is `ink` on `paper`, and shapes tell everything.

    Raises:
        ValueError: the mask is of another size than the picture.
    """
    if overlay.mask is not None and overlay.mask.shape != picture.shape[:2]:
        raise ValueError(f"mask {overlay.mask.shape} is not of the preview's size {picture.shape[:2]}")
    if depth == "none":
        return _compose_shapes(picture, overlay, ink, paper)

    ground = picture if overlay.mask is None else tint(picture, overlay.mask != 0, colors.mask, edge_only=overlay.quiet)
    pixels = np.array(dither(ground) if depth == "256" else ground)
    if depth == "16" and overlay.mask is not None:
        pixels[edge(overlay.mask != 0)] = colors.mask  # a tint would be lost among so few colours
    _paint_marks(pixels, overlay, colors)
    if depth == "16":
        cells = _shades_with_marks(ground, pixels)
    else:
        cells = halfblocks(pixels)
        cells = Cells(cells.char, cells.fg.copy(), cells.bg.copy(), cells.style)

    for sign in place_glyphs(overlay.pairs, cells.rows, cells.columns):
        color = colors.handle if sign.is_handle else colors.target
        color = color if sign.enabled else pale(color)
        both = ground[2 * sign.row : 2 * sign.row + 2, sign.column].mean(axis=0)
        _draw(cells, sign)
        cells.fg[sign.row, sign.column] = color
        cells.bg[sign.row, sign.column] = legible_ground(both, color, flat=depth == "16")
    return cells


def _paint_marks(pixels: NDArray[np.uint8], overlay: Overlay, colors: CanvasColors) -> None:
    """Paints what is drawn in pixels: the shape, the lines of the pairs, the cursor."""
    if overlay.shape is not None:
        paint_against(pixels, outline(overlay.shape != 0), colors.cursor)
    for pair in overlay.pairs:
        if pair.enabled and pair.target is not None:
            paint_against(pixels, line_pixels(pair.handle, pair.target), colors.line)
    if overlay.cursor is not None:
        arms = cross(overlay.cursor)
        paint(pixels, arms, visible_color(pixels, arms, (colors.cursor, BLACK, WHITE)))


def _shades_with_marks(ground: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> Cells:
    """Cells in the 16 colours: shades, and two pixels where a mark is painted over the ground."""
    cells = colored_shades(ground)
    painted = (pixels != ground).any(axis=2)
    mostly_light = np.isin(cells.char, RAMP[2:])[..., None]
    plain = np.where(mostly_light, cells.fg, cells.bg).repeat(2, axis=0)
    marks = halfblocks(np.where(painted[..., None], pixels, plain))
    marked = painted.reshape(cells.rows, 2, cells.columns).any(axis=1)
    cells.char[marked], cells.fg[marked], cells.bg[marked] = marks.char[marked], marks.fg[marked], marks.bg[marked]
    return cells


def _compose_shapes(picture: NDArray[np.uint8], overlay: Overlay, ink: Rgb, paper: Rgb) -> Cells:
    cells = shades(picture, ink, paper)
    if overlay.mask is not None:
        inside = (overlay.mask != 0).reshape(cells.rows, 2, cells.columns).any(axis=1)
        rows, columns = np.indices(inside.shape)
        if not overlay.quiet:
            cells.char[inside & ((columns + 2 * rows) % 4 == 0)] = ord(":")
        cells.char[edge(inside)] = ord(":")
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
    for sign in place_glyphs(overlay.pairs, cells.rows, cells.columns):
        _draw(cells, sign)
    return cells


def _draw(cells: Cells, sign: Glyph) -> None:
    style = (BOLD if sign.enabled else 0) | (REVERSE if sign.selected else 0)
    _put(cells, sign.row, sign.column, sign.char, style)


def _put(cells: Cells, row: int, column: int, char: str, style: int = 0) -> None:
    if 0 <= row < cells.rows and 0 <= column < cells.columns:
        cells.char[row, column] = ord(char)
        cells.style[row, column] = style
