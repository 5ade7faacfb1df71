"""The picture on the screen, with points, mask and cursor over it."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from textual import events
from textual.app import RenderResult
from textual.color import Color
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from draggan_engine.protocol.geometry import Size, fit_preview
from draggan_tui.renderables.cells import Cells
from draggan_tui.renderables.halfblocks import encode
from draggan_tui.renderables.overlay import Overlay, compose
from draggan_tui.renderables.palette import ColorDepth
from draggan_tui.renderables.strip import CellStrip
from draggan_tui.themes import CanvasColors


class Canvas(Widget):
    """Shows one picture, as large as fits, in the middle; repaints only the rows that changed.

    Its colours are those of the theme in use (`CanvasColors`). A border, padding or opacity of its own is honoured but
    slow: give those to a container.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Canvas {
        width: 1fr;
        height: 1fr;
        background: $background;
        color: $foreground;
        content-align: center middle;
        text-align: center;
    }
    """

    depth: reactive[ColorDepth] = reactive[ColorDepth]("truecolor", repaint=False)
    """How many colours the terminal takes."""

    class Pressed(Message):
        """Posted when the left button goes down on the picture.

        pixel: (column, row) of the preview; its half of the cell is known only where the terminal reports the mouse
        in pixels, else it is the upper one.
        """

        def __init__(self, canvas: Canvas, pixel: tuple[int, int]) -> None:
            super().__init__()
            self.canvas = canvas
            self.pixel = pixel

        @property
        def control(self) -> Canvas:
            return self.canvas

    class Resized(Message):
        """Posted when the canvas has another size, so that `preview_size` may give another answer."""

        def __init__(self, canvas: Canvas) -> None:
            super().__init__()
            self.canvas = canvas

        @property
        def control(self) -> Canvas:
            return self.canvas

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._text = ""
        self._picture: NDArray[np.uint8] | None = None
        self._preview: NDArray[np.uint8] | None = None  # the same at the size that fits
        self._of = Size(1, 1)  # the picture that this is a preview of
        self._overlay = Overlay()
        self._overlay_fits: Size | None = None  # the preview's size that it was made for
        self._colors = CanvasColors()
        self._cells: Cells | None = None  # what is to be seen; none: the placeholder
        self._composed_for: object = None  # the size and colours of that
        self._strips: list[CellStrip | None] = []  # one a row; none: not made since it changed

    # What is shown ------------------------------------------------------------------------------------

    def preview_size(self, picture: Size) -> Size:
        """The preview of a picture of that size that fits the canvas now."""
        return fit_preview(picture, self.size.width, self.size.height)

    def show(self, rgb: NDArray[np.uint8] | None, overlay: Overlay | None = None, picture: Size | None = None) -> None:
        """Shows a picture and what lies over it.

        Args:
            rgb: `uint8 [H, W, 3]`, not to be changed afterwards; resampled where it is not of the size that fits.
                None: the placeholder.
            overlay: in pixels of the preview that fits now: `preview_size(picture)`.
            picture: size of the picture that `rgb` is a preview of (its aspect ratio may differ by a rounding); None: W, H.

        Raises:
            ValueError: the overlay's mask is not of the preview's size.
        """
        if rgb is not self._picture:
            self._picture, self._preview = rgb, None
        self._overlay = overlay or Overlay()
        if rgb is not None:
            self._of = picture or Size(rgb.shape[1], rgb.shape[0])
        self._overlay_fits = self.preview_size(self._of)
        self._update()

    def placeholder(self, text: str) -> None:
        """What stands in the middle while there is no picture; plain text."""
        if text != self._text:
            self._text = text
            if self._cells is None:
                self.refresh()

    def render(self) -> RenderResult:
        return Content(self._text)

    # Composing ----------------------------------------------------------------------------------------

    def _update(self) -> None:
        """Composes, and asks for a repaint of the rows that are not as before."""
        before, strips = self._cells, self._strips
        self._recompose()
        now = self._cells
        if now is None or before is None or now.char.shape != before.char.shape:
            if now is not before:
                self.refresh()
            return
        changed = now.changed(before)
        rows = np.asarray(changed.any(axis=1))
        self._strips = [None if new else strip for new, strip in zip(rows, strips, strict=True)]
        edges = np.flatnonzero(np.diff(rows, prepend=False, append=False)).tolist()
        regions = []
        for first, end in zip(edges[::2], edges[1::2], strict=True):
            # From the left border: Textual's partial update cuts a strip at its right end only.
            width = int(np.flatnonzero(changed[first:end].any(axis=0))[-1]) + 1
            regions.append(Region(0, first, width, end - first))
        if regions:
            self.refresh(*regions)

    def _recompose(self) -> None:
        """Makes the cells anew, and forgets the strips."""
        self._composed_for = self._look
        self._cells = self._grid_of_cells()
        self._strips = [None] * (0 if self._cells is None else self._cells.rows)

    @property
    def _look(self) -> tuple[object, ...]:
        """What the cells depend on beyond what `show` was given."""
        return (self.size, *self.colors[2:])

    def _grid_of_cells(self) -> Cells | None:
        columns, rows = self.size
        if self._picture is None or not columns or not rows:
            return None
        fitted = self.preview_size(self._of)
        if self._preview is None or self._preview.shape[:2] != (fitted.height, fitted.width):
            self._preview = _resample(self._picture, fitted)
        # After a resize the overlay's pixels are those of another grid, until the next `show`.
        overlay = self._overlay if self._overlay_fits == fitted else Overlay()
        paper, ink = self.colors[2:]
        cells = compose(self._preview, overlay, self.depth, self._colors, ink=ink.rgb, paper=paper.rgb)
        grid = Cells.blank(rows, columns, ink.rgb, paper.rgb)
        grid.paste(cells, *self._corner(fitted))
        return grid

    def _corner(self, fitted: Size) -> tuple[int, int]:
        """Row and column of the picture's first cell."""
        return ((self.size.height - fitted.height // 2) // 2, (self.size.width - fitted.width) // 2)

    # Painting -----------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        strips = self._content_strips(range(y, y + 1))
        return strips[0] if strips else super().render_line(y)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Past Textual's line cache, which would take every strip apart; with a box or effects of its own, through it."""
        styles = self.styles
        boxed = self.gutter or styles.outline or styles.has_rule("hatch")
        plain = not boxed and styles.tint.a == 0 and self.opacity == styles.text_opacity == 1
        strips = self._content_strips(crop.line_range) if plain else None
        if strips is None:
            return super().render_lines(crop)
        background = self.background_colors[1]
        for filter in self.get_line_filters():
            strips = [strip.apply_filter(filter, background) for strip in strips]
        return [strip.crop(*crop.column_span) for strip in strips]

    def _content_strips(self, rows: range) -> list[Strip] | None:
        """Those rows, made where they are not; None where the placeholder is to be seen."""
        if self._composed_for != self._look:
            self._recompose()
        cells = self._cells
        if cells is None or rows.stop > cells.rows:
            return None
        missing = [row for row in rows if self._strips[row] is None]
        if missing:
            lines = [None] * len(missing) if self.depth == "none" else encode(cells.take(missing), self.depth)
            for row, line in zip(missing, lines, strict=True):
                self._strips[row] = CellStrip(cells.take(slice(row, row + 1)), self.depth, line)
        return cast("list[Strip]", self._strips[rows.start : rows.stop])

    # Events -------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._dress()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._dress())

    def _dress(self) -> None:
        """Takes the theme's colours."""
        variables = self.app.theme_variables
        self._colors = CanvasColors.from_variables(variables)
        if "canvas-letterbox" in variables:
            self.styles.background = Color(*self._colors.letterbox)
        self._update()

    def watch_depth(self) -> None:
        self._recompose()
        self.refresh()

    def on_resize(self) -> None:
        self._update()
        self.post_message(self.Resized(self))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button != 1 or self._preview is None or self._cells is None:
            return
        height, width, _ = self._preview.shape
        top, left = self._corner(Size(width, height))
        column = int(event.pointer_x) - self.gutter.left - left
        row = int(2 * (event.pointer_y - self.gutter.top)) - 2 * top
        if 0 <= column < width and 0 <= row < height:
            self.post_message(self.Pressed(self, (column, row)))


def _resample(picture: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """`uint8 [H, W, 3]` at another size: means when it shrinks, a smooth curve when it grows."""
    if picture.shape[:2] == (size.height, size.width):
        return picture
    shrinks = size.width <= picture.shape[1] and size.height <= picture.shape[0]
    method = Image.Resampling.BOX if shrinks else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(picture).resize(size, method))
