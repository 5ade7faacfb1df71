"""The editor: turns keys into changes of the session's workspace."""

from __future__ import annotations

from collections.abc import Callable

from textual.events import Key

from draggan_engine.protocol.edit import Edit
from draggan_engine.protocol.errors import EditError
from draggan_engine.protocol.geometry import convert
from draggan_engine.protocol.messages import Export, ListModels, StartDrag, StopDrag
from draggan_tui.engine_client import EngineClient
from draggan_tui.renderables.palette import ColorDepth
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.workspace import Workspace

from .dialogs import Help
from .key_map import BINDINGS
from .models import Models
from .session import SessionScreen
from .settings import Settings


class EditorScreen(SessionScreen):
    """The session, with the keys that change it."""

    BINDINGS = BINDINGS

    def __init__(self, workspace: Workspace, engine: EngineClient, depth: ColorDepth) -> None:
        super().__init__(workspace, engine, depth)
        self._passed_on: list[Key] = []

    # Keys ---------------------------------------------------------------------------------------------

    def on_key(self, event: Key) -> None:
        self._passed_on.append(event)  # on its way to the app, which looks its binding up

    def passed_on(self, event: Key) -> bool:
        """Whether a key that the app has to do something about came by way of the editor; asked once for each."""
        mine = any(event is key for key in self._passed_on)
        self._passed_on = [key for key in self._passed_on if key is not event]
        return mine

    def _attempt(self, change: Callable[[], object], message: str | None = None) -> bool:
        """Does it and shows the state, or says why not; whether it was done. A typed count is used up either way."""
        try:
            change()
        except EditError as error:
            self.say(str(error), "bad")
            return False
        finally:
            self.workspace.count = 0
        if message is not None:
            self.say(message)
        self.sync()
        return True

    def action_count(self, digit: int) -> None:
        self.workspace.type_digit(digit)
        self.show_state()

    def action_move(self, dx: int, dy: int) -> None:
        self._attempt(lambda: self.workspace.move(dx, dy, self._grid()))

    def action_edge(self, x: int, y: int) -> None:
        self._attempt(lambda: self.workspace.to_edge(x, y, self._grid()))

    def on_canvas_pressed(self, event: Canvas.Pressed) -> None:
        self._attempt(lambda: self.workspace.move_to(convert(event.pixel, self._grid(), self.workspace.picture)))

    def on_canvas_resized(self) -> None:
        self.sync()

    def action_place(self) -> None:
        """Enter: paints the shape if one is being stretched, or else places a point."""
        if self.workspace.shape is not None:
            self._finish_shape(True)
            return

        def place() -> None:
            waiting = self.workspace.place()
            number = (self.workspace.selected or 0) + 1
            self.say(f"handle {number}: move to its target, Enter" if waiting else f"pair {number} is set: d drags")

        self._attempt(place)

    def action_retarget(self) -> None:
        self._attempt(self.workspace.retarget, "new target: d drags")

    def action_select(self, step: int) -> None:
        self._attempt(lambda: self.workspace.select(step))

    def action_delete(self) -> None:
        self._attempt(self.workspace.delete, "pair deleted")

    def action_cancel(self) -> None:
        self._attempt(self.workspace.cancel, "")

    def action_pen(self) -> None:
        down = "pen down: what the cursor passes may move; m lifts it"
        self._attempt(lambda: self.workspace.toggle_pen(self._grid()), "pen up" if self.workspace.pen else down)

    def action_toggle_cell(self) -> None:
        self._attempt(lambda: self.workspace.paint(None, self._grid()))

    def action_brush(self, step: int) -> None:
        self._attempt(lambda: self.workspace.resize_brush(step))

    def action_reshape_brush(self) -> None:
        self._attempt(self.workspace.reshape_brush)

    def action_shape(self) -> None:
        if self._attempt(self.workspace.next_shape):
            shape = self.workspace.shape
            more = "v: ellipse" if shape is not None and shape.form == "rectangle" else "v: none"
            self.say("no shape" if shape is None else f"{shape.form}: move, Enter sets, Backspace erases; {more}")

    def action_erase_shape(self) -> None:
        self._finish_shape(False)

    def _finish_shape(self, value: bool) -> None:
        if self._attempt(lambda: self.workspace.finish_shape(value, self._grid())):
            done = "shape painted" if value else "shape erased"
            self.say(done if self.workspace.edit.mask is not None else "no mask is left: everything may move")

    def action_grow_mask(self, step: int) -> None:
        self._attempt(lambda: self.workspace.grow_mask(step, self._grid()), "mask grown" if step > 0 else "mask shrunk")

    def action_invert_mask(self) -> None:
        self._attempt(self.workspace.invert_mask, "mask inverted")

    def action_clear_mask(self) -> None:
        self._attempt(self.workspace.clear_mask, "no mask: everything may move")

    def action_drag(self) -> None:
        if self.workspace.dragging:
            self.engine.send(StopDrag())
            self.say("stopping …")
        else:
            self._start_drag(self.workspace.edit)

    def action_one_step(self) -> None:
        edit = self.workspace.edit
        self._start_drag(edit.model_copy(update={"settings": edit.settings.model_copy(update={"max_steps": 1})}))

    def _start_drag(self, edit: Edit) -> None:
        def start() -> None:
            if not self.engine.alive:
                raise EditError("no engine: R restarts it")
            self.workspace.begin_drag(edit)
            grid = self._grid()
            self.engine.send(StartDrag(edit=edit, width=grid.width, height=grid.height))

        self._attempt(start, "dragging: d stops")

    def action_toggle_space(self) -> None:
        self._attempt(self.workspace.toggle_space)

    async def action_settings(self) -> None:
        info = self.workspace.info
        if info is None or self.workspace.dragging or self.workspace.loading is not None:
            self.say("the settings open when the model is loaded and no drag runs")
            return
        await self.app.push_screen(Settings(self.workspace.edit, info), self._settings_chosen)

    def _settings_chosen(self, edit: Edit | None) -> None:
        if edit is not None:
            self._attempt(lambda: self.workspace.change(edit), "settings taken")

    def action_reseed(self, step: int) -> None:
        self._attempt(lambda: self.workspace.reseed(step))

    def action_reclass(self, step: int) -> None:
        self._attempt(lambda: self.workspace.reclass(step))

    async def action_models(self) -> None:
        def check() -> None:
            self.workspace.at_rest()
            if not self.engine.alive or self.device == "starting":
                raise EditError("the engine is starting" if self.engine.alive else "no engine: R restarts it")

        if self._attempt(check):
            self.engine.send(ListModels())
            await self.app.push_screen(Models(self.engine.model), self._model_chosen)

    def _model_chosen(self, spec: str | None) -> None:
        if spec == self.engine.model:
            self.say(f"{spec} is the present model")
        elif spec is not None:
            self.run_worker(self.change_model(spec))

    def action_undo(self) -> None:
        self._attempt(self.workspace.undo, "")

    def action_redo(self) -> None:
        self._attempt(self.workspace.redo, "")

    def action_save(self) -> None:
        def save() -> None:
            if not self.engine.alive:
                raise EditError("no engine to save with: R restarts it")
            self.workspace.keep()
            self.sync()
            self.engine.send(Export(edit=self.workspace.edit))

        self._attempt(save, "saving …")

    def action_help(self) -> None:
        self.app.push_screen(Help())
