"""Where the cursor is and what is shown, by keys and by mouse."""

from __future__ import annotations

from collections.abc import Callable

from draggan_engine.core.geometry import Point
from draggan_tui.client.engine_client import EngineClient
from draggan_tui.editor.viewport import SCALES
from draggan_tui.editor.workspace import EditorState
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.widgets.canvas import Canvas

from .editor_session import SessionScreen
from .goto_prompt import GotoPrompt
from .pointer import Pointer


class ViewKeys(SessionScreen):
    """Moving, zooming, and the mouse."""

    def __init__(self, state: EditorState, engine: EngineClient, depth: ColorDepth) -> None:
        super().__init__(state, engine, depth)
        self.pointer = Pointer(state)

    def action_count(self, digit: int) -> None:
        self.state.type_digit(digit)
        self.show_state()

    def action_move(self, dx: int, dy: int) -> None:
        self.go(lambda: self.state.move(dx, dy, self.grid()))

    def action_edge(self, x: int, y: int) -> None:
        self.go(lambda: self.state.to_edge(x, y, self.grid()))

    async def action_goto(self) -> None:
        work = self.state
        if self.attempt(lambda: work.picture) and work.cursor is not None:
            await self.app.push_screen(GotoPrompt(work.cursor, work.picture), self._place_typed)

    def _place_typed(self, point: Point | None) -> None:
        if point is not None:
            self.go(lambda: self.state.move_to(point))

    def action_zoom(self, step: int) -> None:
        self._zoom(step * (self.state.count or 1), self.state.cursor or (0, 0))

    def on_canvas_wheel(self, event: Canvas.Wheel) -> None:
        self.begin_command()
        self._zoom(event.step, event.point)

    def _zoom(self, steps: int, point: Point) -> None:
        """About a point; the cursor comes along where it would be lost."""

        def zoom() -> None:
            self.view = self.show_cursor().zoomed(steps, point)
            if (cursor := self.state.cursor) is not None:
                self.state.move_to(self.view.nearest_shown(cursor))
            self._say_zoom()

        self.attempt(zoom)

    def _say_zoom(self) -> None:
        limit = ", the largest" if self.view.scale == SCALES[-1] else ""
        self.say(f"zoom {self.view.ratio}{limit}" if self.view.ratio else "the whole image is shown")

    def action_fit(self) -> None:
        def fit() -> None:
            self.view = self.show_cursor().fitted()
            self._say_zoom()

        self.attempt(fit)

    def action_side_panel(self) -> None:
        """Hides the panels beside the image, or shows them."""
        if self.has_class("-narrow"):
            self.say("the side panel needs a terminal of at least 60 columns")
        else:
            self.toggle_class("no-panels")

    def action_image_only(self) -> None:
        """Hides everything but the image, or shows it again."""
        self.toggle_class("image-only")
        if self.has_class("image-only"):
            self.say("only the image is shown: {image-only} shows the rest again")

    def on_canvas_pressed(self, event: Canvas.Pressed) -> None:
        self.begin_command()

        def press() -> None:
            if event.button == 1:
                self.pointer.press(event.point, self.view)
            elif (deleted := self.pointer.delete(event.point, self.view)) is not None:
                self.say(f"pair {deleted + 1} is deleted")

        self._by_mouse(press)

    def on_canvas_dragged(self, event: Canvas.Dragged) -> None:
        if self.pointer.busy:
            self._by_mouse(lambda: self.pointer.drag(event.point, self.view))

    def on_canvas_released(self, event: Canvas.Released) -> None:
        def release() -> None:
            if done := self.pointer.release(event.point, self.view):
                self.say_or_warn(done)

        self._by_mouse(release)

    def on_canvas_dropped(self) -> None:
        self._by_mouse(self.pointer.drop)

    def _by_mouse(self, change: Callable[[], object]) -> None:
        if not self.attempt(change):
            self.show_state()  # what the button had begun is gone
