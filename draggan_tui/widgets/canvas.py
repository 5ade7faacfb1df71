"""The image on the screen, with points, mask and cursor over it."""

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
from textual.timer import Timer

from draggan_engine.core.geometry import Point, Size
from draggan_tui.config.themes import CanvasColors
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.compare import ComparedImages
from draggan_tui.rendering.graphic import GraphicSource, fits_graphic, graphic_parts, place_graphic
from draggan_tui.rendering.overlay import Overlay, compose_view
from draggan_tui.rendering.view_sampling import sample_view
from draggan_tui.terminal.graphics_sender import LIVE_SECONDS, MOST_SECONDS, Graphic, GraphicsSender

from .cell_widget import CellWidget

REST_SECONDS = 0.3
"""How long an image must not change before its graphic is sent over a slow line."""


class Canvas(CellWidget):
    """Shows an image, or a part of it, in the middle, and repaints only the rows that have changed.

    Its colours are those of the theme (`CanvasColors`). A border, padding or opacity of the canvas itself works but is
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
        """A mouse event on the canvas.

        Attributes:
            point: in pixels of the full-resolution image: the middle of the screen pixel under the mouse, or outside the
                image, of the nearest one. In a terminal that does not report the mouse in pixels, it is in the upper half of the cell.
        """

        def __init__(self, canvas: Canvas, point: Point) -> None:
            super().__init__()
            self.canvas = canvas
            self.point = point

        @property
        def control(self) -> Canvas:
            return self.canvas

    class Pressed(_Mouse):
        """Posted when the left (1) or right (3) button goes down on the image."""

        def __init__(self, canvas: Canvas, point: Point, button: int) -> None:
            super().__init__(canvas, point)
            self.button = button

    class Dragged(_Mouse):
        """Posted when the mouse moves while its left button is down; it may be outside the image."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Canvas.Dragged)

    class Released(_Mouse):
        """Posted when the left button goes up again, on the image or outside."""

    class Dropped(_Mouse):
        """Posted when another screen opens while the left button is down, so that its release will not be seen."""

    class Wheel(_Mouse):
        """Posted for each step of the wheel: 1 away from the user, −1 towards the user."""

        def __init__(self, canvas: Canvas, point: Point, step: int) -> None:
            super().__init__(canvas, point)
            self.step = step

    class Resized(Message):
        """Posted when the size of the canvas, and so its `room`, has changed."""

        def __init__(self, canvas: Canvas) -> None:
            super().__init__()
            self.canvas = canvas

        @property
        def control(self) -> Canvas:
            return self.canvas

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._placeholder_text = ""
        self._shown_image: NDArray[np.uint8] | ComparedImages | None = None
        self._image_view = Viewport(Size(1, 1), Size(1, 2))
        self._sampled_pixels: NDArray[np.uint8] | None = None  # what the view shows of the image
        self._sampled_for: tuple[Viewport, Size] | None = (
            None  # the view, and the parts of cells, that these pixels are of
        )
        self._shown_overlay = Overlay()
        self._held_point: Point | None = None  # where the mouse was last, while its button is down
        self._canvas_colors = CanvasColors()
        self._cells: Cells | None = None  # None: the placeholder is shown
        self._composed_for: object = None  # the size and colours of the cells
        self._graphics_sender: GraphicsSender | None = None
        self._graphic_source: GraphicSource | None = None  # of the graphic that was asked for last
        self._rest_timer: Timer | None = None

    # What is shown ------------------------------------------------------------------------------------

    @property
    def room(self) -> Size:
        """The size of the canvas in screen pixels (half-cells)."""
        return Size(self.size.width, 2 * self.size.height)

    def show(
        self,
        image: NDArray[np.uint8] | ComparedImages | None,
        overlay: Overlay | None = None,
        view: Viewport | None = None,
    ) -> None:
        """Show an image and what lies over it.

        Args:
            image: `uint8 [H, W, 3]`, the whole image at any size, or two that are compared; not to be changed
                afterwards. None: show the placeholder.
            overlay: in pixels of the view's window.
            view: which part of the image is shown. None: all of it, as large as it fits.

        Raises:
            ValueError: the overlay's mask is not of the window's size.
        """
        if image is not self._shown_image:
            self._shown_image, self._sampled_for = image, None
        self._shown_overlay = overlay or Overlay()
        if image is not None:
            image_shape = image.after.shape if isinstance(image, ComparedImages) else image.shape
            self._image_view = view or Viewport(Size(image_shape[1], image_shape[0]), self.room)
        self._update()

    def show_placeholder(self, placeholder_text: str) -> None:
        """Set the plain text that is shown in the middle while there is no image."""
        if placeholder_text != self._placeholder_text:
            self._placeholder_text = placeholder_text
            if self._cells is None:
                self.refresh()

    def use_graphics(self, sender: GraphicsSender | None) -> None:
        """Show graphics in the place of cells. None: show cells only."""
        self._graphics_sender, self._graphic_source = sender, None
        self._update()

    def update_graphic(self) -> None:
        """Show the graphic that the terminal has now, if it is the right one."""
        self._update()

    def render(self) -> RenderResult:
        return Content(self._placeholder_text)

    # Composing ----------------------------------------------------------------------------------------

    def _update(self) -> None:
        """Compose the cells, and repaint the rows that have changed."""
        old_cells, old_strips = self._cells, self.strips
        self._recompose()
        new_cells = self._cells
        if new_cells is None or old_cells is None or new_cells.char.shape != old_cells.char.shape:
            if new_cells is not old_cells:
                self.refresh()
            return
        has_changed = new_cells.differences(old_cells)
        changed_rows = np.asarray(has_changed.any(axis=1))
        self.strips = [None if is_new else strip for is_new, strip in zip(changed_rows, old_strips, strict=True)]
        repaint_regions = _repaint_regions(changed_rows, new_cells.columns)
        if repaint_regions:
            self.refresh(*repaint_regions)

    def _recompose(self) -> None:
        """Compose the cells, and forget the strips."""
        self._composed_for = self._cell_inputs
        self._cells = self._composed_cells()
        self.strips = [None] * (0 if self._cells is None else self._cells.rows)

    @property
    def _cell_inputs(self) -> tuple[object, ...]:
        """What the cells depend on besides the arguments of `show`."""
        return (self.size, *self.colors[2:])

    def _composed_cells(self) -> Cells | None:
        image = self._shown_image
        if image is None or not self.size.area:
            return None
        view = self._image_view.resized(self.room)
        style = self.canvas_style(self._canvas_colors)
        if self._sampled_pixels is None or self._sampled_for != (view, style.parts):
            self._sampled_pixels = (
                image.sampled(view, style.parts)
                if isinstance(image, ComparedImages)
                else sample_view(image, view, style.parts)
            )
            self._sampled_for = (view, style.parts)
        # After a resize the overlay is of another window, until `show` is called again.
        overlay = self._shown_overlay if self._image_view == view else Overlay()
        cells = compose_view(self._sampled_pixels, view, overlay, style)
        return self._with_graphic(cells, image, view, overlay)

    # Graphics -----------------------------------------------------------------------------------------

    def _with_graphic(
        self, cells: Cells, image: NDArray[np.uint8] | ComparedImages, view: Viewport, overlay: Overlay
    ) -> Cells:
        """Return cells with a graphic in the place of the image, and ask for a new graphic if it is another one.

        On a quick line the last graphic stays until the next one has arrived. On a slow one cells are shown meanwhile, and
        the graphic is sent when nothing has changed for a moment.
        """
        sender = self._graphics_sender
        if sender is None or self.depth == "none" or not fits_graphic(view):
            return cells
        parts = graphic_parts(view, sender.cell_pixels())
        columns, rows = view.window.width, view.window.height // 2
        seconds = sender.seconds_for(columns * parts.width * rows * parts.height)
        if seconds > MOST_SECONDS:
            return cells
        is_quick = seconds <= LIVE_SECONDS and not sender.is_late
        source = GraphicSource(image, view, overlay, self._canvas_colors, parts)
        if self._graphic_source is None or not source.looks_like(self._graphic_source):
            self._graphic_source = source
            graphic = Graphic(source, source.draw, columns, rows)
            if self._rest_timer is not None:
                self._rest_timer.stop()
            if is_quick:
                sender.send(graphic)
            else:
                self._rest_timer = self.set_timer(REST_SECONDS, lambda: sender.send(graphic))
        shown = sender.shown
        if shown is None or (shown.columns, shown.rows) != (columns, rows):
            return cells
        is_current = isinstance(shown.shows, GraphicSource) and source.looks_like(shown.shows)
        return place_graphic(cells, view, overlay, shown.number) if is_current or is_quick else cells

    # Painting -----------------------------------------------------------------------------------------

    def cells(self) -> Cells | None:
        if self._composed_for != self._cell_inputs:
            self._recompose()
        return self._cells

    # Events -------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._use_theme_colors()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._use_theme_colors())

    def _use_theme_colors(self) -> None:
        """Draw in the colours of the theme."""
        theme_variables = self.app.theme_variables
        self._canvas_colors = CanvasColors.from_variables(theme_variables)
        if "canvas-letterbox" in theme_variables:
            self.styles.background = Color(*self._canvas_colors.letterbox)
        self._update()

    def watch_depth(self) -> None:
        self._recompose()
        self.refresh()

    def watch_shape(self) -> None:
        self._recompose()
        self.refresh()

    def on_resize(self) -> None:
        self._update()
        self.post_message(self.Resized(self))

    def on_mouse_down(self, mouse_event: events.MouseDown) -> None:
        if self._cells is None or mouse_event.button not in (1, 3):
            return
        (column, row), window = self._pixel_at(mouse_event), self._image_view.window
        if window.left <= column < window.right and window.top <= row < window.bottom:
            point = self._image_view.point((column, row))
            self.post_message(self.Pressed(self, point, mouse_event.button))
            if mouse_event.button == 1:
                self._held_point = point
                self.capture_mouse()

    def on_mouse_move(self, mouse_event: events.MouseMove) -> None:
        if (
            self._held_point is not None
            and (point := self._image_view.point(self._pixel_at(mouse_event))) != self._held_point
        ):
            self._held_point = point
            self.post_message(self.Dragged(self, point))

    def on_mouse_up(self, mouse_event: events.MouseUp) -> None:
        if self._held_point is not None:
            self._held_point = None
            self.post_message(self.Released(self, self._image_view.point(self._pixel_at(mouse_event))))
            self.release_mouse()

    def on_mouse_release(self) -> None:
        if self._held_point is not None:
            self.post_message(self.Dropped(self, self._held_point))
            self._held_point = None

    def on_mouse_scroll_up(self, mouse_event: events.MouseScrollUp) -> None:
        self._post_wheel(mouse_event, 1)

    def on_mouse_scroll_down(self, mouse_event: events.MouseScrollDown) -> None:
        self._post_wheel(mouse_event, -1)

    def _post_wheel(self, mouse_event: events.MouseEvent, step: int) -> None:
        mouse_event.stop()
        if self._cells is not None:
            self.post_message(self.Wheel(self, self._image_view.point(self._pixel_at(mouse_event)), step))

    def _pixel_at(self, mouse_event: events.MouseEvent) -> tuple[int, int]:
        """Return (column, row) of the view's grid under the mouse, perhaps outside the image."""
        (left, top), (first_column, first_row) = self._image_view.corner, self._image_view.origin
        column = floor(mouse_event.pointer_x) - self.gutter.left - left + first_column
        row = floor(2 * (mouse_event.pointer_y - self.gutter.top)) - top + first_row
        return (column, row)


def _repaint_regions(changed_rows: NDArray[np.bool_], columns: int) -> list[Region]:
    """Return blocks of changed rows. Which of their cells are sent is found out later, from what the terminal shows."""
    run_edges = np.flatnonzero(np.diff(changed_rows, prepend=False, append=False)).tolist()
    return [
        Region(0, first_row, columns, end_row - first_row)
        for first_row, end_row in zip(run_edges[::2], run_edges[1::2], strict=True)
    ]
