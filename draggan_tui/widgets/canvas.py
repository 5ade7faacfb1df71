"""The picture on the screen, with points, mask and cursor over it."""

from __future__ import annotations

from math import floor

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.app import RenderResult
from textual.color import Color
from textual.content import Content
from textual.geometry import Region
from textual.message import Message

from draggan_engine.core.geometry import Point, Size
from draggan_tui.config.themes import CanvasColors
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.compare import ComparedImages
from draggan_tui.rendering.overlay import Overlay, compose
from draggan_tui.rendering.view_sampling import sample_view

from .cell_widget import CellWidget

MOST_CUT_ROWS = 8


class Canvas(CellWidget):
    """Shows a picture, or a window of it, in the middle; repaints only the rows that changed.

    Its colours are those of the theme in use (`CanvasColors`). A border, padding or opacity of its own is honoured but
    slow: give those to a container.
    """

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

    class _Mouse(Message):
        """
        point: of the picture: the middle of the screen pixel under the mouse, or beyond the picture, of the nearest;
        its half of the cell is known only where the terminal reports the mouse in pixels, else it is the upper one.
        """

        def __init__(self, canvas: Canvas, point: Point) -> None:
            super().__init__()
            self.canvas = canvas
            self.point = point

        @property
        def control(self) -> Canvas:
            return self.canvas

    class Pressed(_Mouse):
        """Posted when the left (1) or right (3) button goes down on the picture."""

        def __init__(self, canvas: Canvas, point: Point, button: int) -> None:
            super().__init__(canvas, point)
            self.button = button

    class Dragged(_Mouse):
        """Posted when the mouse has moved with the left button down; it may be outside."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Canvas.Dragged)

    class Released(_Mouse):
        """Posted when the left button goes up again, wherever."""

    class Dropped(_Mouse):
        """Posted when the left button is down and the mouse is taken away: another screen has opened."""

    class Wheel(_Mouse):
        """Posted for each step of the wheel: 1 away from the user, -1 towards."""

        def __init__(self, canvas: Canvas, point: Point, step: int) -> None:
            super().__init__(canvas, point)
            self.step = step

    class Resized(Message):
        """Posted when the canvas has another size, and so another `room`."""

        def __init__(self, canvas: Canvas) -> None:
            super().__init__()
            self.canvas = canvas

        @property
        def control(self) -> Canvas:
            return self.canvas

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._text = ""
        self._picture: NDArray[np.uint8] | ComparedImages | None = None
        self._view = Viewport(Size(1, 1), Size(1, 2))
        self._sampled: NDArray[np.uint8] | None = None  # the picture's window
        self._sampled_for: Viewport | None = None
        self._overlay = Overlay()
        self._held: Point | None = None  # where the mouse was last, while its button is down
        self._colors = CanvasColors()
        self._cells: Cells | None = None  # what is to be seen; none: the placeholder
        self._composed_for: object = None  # the size and colours of that

    # What is shown ------------------------------------------------------------------------------------

    @property
    def room(self) -> Size:
        """How many screen pixels (half-cells) there are."""
        return Size(self.size.width, 2 * self.size.height)

    def show(
        self,
        rgb: NDArray[np.uint8] | ComparedImages | None,
        overlay: Overlay | None = None,
        view: Viewport | None = None,
    ) -> None:
        """Shows a picture and what lies over it.

        Args:
            rgb: `uint8 [H, W, 3]`, the whole picture at any size, or two, not to be changed afterwards. None: the
                placeholder.
            overlay: in pixels of the view's window.
            view: which window of the picture; None: all of it, as large as it fits.

        Raises:
            ValueError: the overlay's mask is not of the window's size.
        """
        if rgb is not self._picture:
            self._picture, self._sampled_for = rgb, None
        self._overlay = overlay or Overlay()
        if rgb is not None:
            shape = rgb.after.shape if isinstance(rgb, ComparedImages) else rgb.shape
            self._view = view or Viewport(Size(shape[1], shape[0]), self.room)
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
        before, strips = self._cells, self.strips
        self._recompose()
        now = self._cells
        if now is None or before is None or now.char.shape != before.char.shape:
            if now is not before:
                self.refresh()
            return
        changed = now.changed(before)
        rows = np.asarray(changed.any(axis=1))
        self.strips = [None if new else strip for new, strip in zip(rows, strips, strict=True)]
        edges = np.flatnonzero(np.diff(rows, prepend=False, append=False)).tolist()
        regions = []
        for first, end in zip(edges[::2], edges[1::2], strict=True):
            # From the left border: Textual's partial update cuts a strip at its right end only. And what is cut is
            # encoded again, row by row: that pays for the few rows of a cursor, not for a picture.
            cut = end - first <= MOST_CUT_ROWS
            width = int(np.flatnonzero(changed[first:end].any(axis=0))[-1]) + 1 if cut else now.columns
            regions.append(Region(0, first, width, end - first))
        if regions:
            self.refresh(*regions)

    def _recompose(self) -> None:
        """Makes the cells anew, and forgets the strips."""
        self._composed_for = self._look
        self._cells = self._grid_of_cells()
        self.strips = [None] * (0 if self._cells is None else self._cells.rows)

    @property
    def _look(self) -> tuple[object, ...]:
        """What the cells depend on beyond what `show` was given."""
        return (self.size, *self.colors[2:])

    def _grid_of_cells(self) -> Cells | None:
        columns, rows = self.size
        if self._picture is None or not columns or not rows:
            return None
        view = self._view.resized(self.room)
        if self._sampled is None or self._sampled_for != view:
            shown = self._picture
            self._sampled = shown.sampled(view) if isinstance(shown, ComparedImages) else sample_view(shown, view)
            self._sampled_for = view
        # After a resize the overlay's pixels are those of another window, until the next `show`.
        overlay = self._overlay if self._view == view else Overlay()
        paper, ink = self.colors[2:]
        cells = compose(self._sampled, overlay, self.depth, self._colors, ink=ink.rgb, paper=paper.rgb)
        grid = Cells.blank(rows, columns, ink.rgb, paper.rgb)
        left, top = view.corner
        grid.paste(cells, top // 2, left)
        return grid

    # Painting -----------------------------------------------------------------------------------------

    def cells(self) -> Cells | None:
        if self._composed_for != self._look:
            self._recompose()
        return self._cells

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
        if self._cells is None or event.button not in (1, 3):
            return
        (column, row), window = self._pixel_at(event), self._view.window
        if window.left <= column < window.right and window.top <= row < window.bottom:
            point = self._view.point((column, row))
            self.post_message(self.Pressed(self, point, event.button))
            if event.button == 1:
                self._held = point
                self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._held is not None and (point := self._view.point(self._pixel_at(event))) != self._held:
            self._held = point
            self.post_message(self.Dragged(self, point))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._held is not None:
            self._held = None
            self.post_message(self.Released(self, self._view.point(self._pixel_at(event))))
            self.release_mouse()

    def on_mouse_release(self) -> None:
        if self._held is not None:
            self.post_message(self.Dropped(self, self._held))
            self._held = None

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._turned(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._turned(event, -1)

    def _turned(self, event: events.MouseEvent, step: int) -> None:
        event.stop()
        if self._cells is not None:
            self.post_message(self.Wheel(self, self._view.point(self._pixel_at(event)), step))

    def _pixel_at(self, event: events.MouseEvent) -> tuple[int, int]:
        """(column, row) of the view's grid under the mouse, perhaps beyond the picture."""
        (left, top), (first, above) = self._view.corner, self._view.origin
        column = floor(event.pointer_x) - self.gutter.left - left + first
        row = floor(2 * (event.pointer_y - self.gutter.top)) - top + above
        return (column, row)
