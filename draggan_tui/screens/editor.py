"""The editor: shows a workspace, turns keys into changes of it, and keeps the engine informed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer

from draggan_engine.protocol.edit import Edit
from draggan_engine.protocol.errors import EditError
from draggan_engine.protocol.geometry import Size, convert
from draggan_engine.protocol.messages import (
    DragEnded,
    DragProgress,
    DragStarted,
    Event,
    Export,
    Exported,
    Failed,
    ModelLoaded,
    Preview,
    Render,
    Save,
    Saved,
    StartDrag,
    StopDrag,
)
from draggan_tui import document
from draggan_tui.engine_client import EngineClient
from draggan_tui.renderables.facts import seconds_text
from draggan_tui.renderables.overlay import Overlay, PairMark
from draggan_tui.renderables.palette import ColorDepth
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.inspector import Inspector
from draggan_tui.widgets.status import Kind, StatusLine
from draggan_tui.workspace import Workspace

from .dialogs import Help, Question
from .key_map import BINDINGS
from .settings import Settings

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
REASONS = {
    "reached": "reached",
    "max_steps": "ended at the most steps",
    "stopped": "stopped",
    "diverged": "diverged; the last finite picture is kept (a smaller step size may help)",
}


class EngineSaid(Message):
    """Posted by the app for each event of the engine, in order."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class EngineLost(Message):
    """Posted by the app when the engine process has gone by itself."""


class LeaveEditor(Message):
    """Posted when the user wants to go and nothing would be lost, or has agreed to lose it; or when there is no model."""

    def __init__(self, return_code: int = 0, message: str | None = None) -> None:
        super().__init__()
        self.return_code, self.message = return_code, message


class EditorScreen(Screen[None]):
    """Canvas left, inspector right, status and keys below.

    Args:
        workspace: what is edited.
        engine: its events come as `EngineSaid` and `EngineLost`.
        depth: how many colours the canvas may use.
    """

    DEFAULT_CSS = """
    EditorScreen #work { height: 1fr; }
    EditorScreen Canvas { width: 1fr; height: 1fr; }
    """
    BINDINGS = BINDINGS

    def __init__(self, workspace: Workspace, engine: EngineClient, depth: ColorDepth) -> None:
        super().__init__()
        self.workspace, self.engine, self.depth = workspace, engine, depth
        self.device = "starting"
        self.folder: str | None = None
        self.shown: NDArray[np.uint8] | None = None  # the preview, [height, width, 3]
        self._request = 0
        self._asked_for: tuple[object, ...] | None = None  # what the last requested preview is of
        self._sent_revision = 0
        self._frame = 0

    def compose(self) -> ComposeResult:
        with Horizontal(id="work"):
            yield Canvas()
            yield Inspector()
        yield StatusLine()
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one(Canvas).depth = self.depth
        self._spinner = self.set_interval(0.1, self._spin)
        self._spin()
        self.show_state()

    def _spin(self) -> None:
        """The empty canvas: the model's name, and a sign of life while the engine starts."""
        self._frame += 1
        name = Path(self.workspace.edit.model).name
        sign = SPINNER[self._frame % len(SPINNER)] if self.device == "starting" else "–"
        self.query_one(Canvas).placeholder(f"{sign} {name}")

    # State → screen and engine ------------------------------------------------------------------------

    def sync(self) -> None:
        """Tells the engine what it does not know yet, and shows the state."""
        work = self.workspace
        if work.revision > self._sent_revision:
            self._sent_revision = work.revision
            self.engine.send(Save(revision=work.revision, edit=work.edit))
        if work.info is not None:
            grid = self._grid()
            wanted = (work.edit.seed, work.edit.psi, work.edit.latent, grid)
            if wanted != self._asked_for:
                self._asked_for = wanted
                self._request += 1
                self.engine.send(Render(request=self._request, edit=work.edit, width=grid.width, height=grid.height))
        self.show_state()

    def show_state(self) -> None:
        """Shows the document, the cursor and the drag as they are."""
        work = self.workspace
        share = None if work.edit.mask is None else work.edit.mask.share
        self.query_one(Inspector).show_edit(
            work.edit, self.device, work.cursor, work.handles, work.selected, share, work.brush
        )
        modes = (
            str(work.count or ""),
            "PEN" if work.pen else "",
            "DRAG" if work.dragging else "",
            "*" if work.unsaved else "",
        )
        self.query_one(StatusLine).mode = " ".join(mode for mode in modes if mode)
        if self.shown is not None:
            self.query_one(Canvas).show(self.shown, self._overlay(), self.workspace.picture)

    def _overlay(self) -> Overlay:
        work, grid = self.workspace, self._grid()
        mask = None if work.edit.mask is None else document.preview_mask(work.edit.mask, grid)
        marks = tuple(
            PairMark(
                number=i + 1,
                handle=work.pixel(handle, grid),
                target=None if pair.target is None else work.pixel(pair.target, grid),
                selected=i == work.selected,
            )
            for i, (pair, handle) in enumerate(zip(work.edit.pairs, work.handles, strict=True))
        )
        return Overlay(cursor=None if work.cursor is None else work.pixel(work.cursor, grid), pairs=marks, mask=mask)

    def _grid(self) -> Size:
        return self.query_one(Canvas).preview_size(self.workspace.picture)

    def say(self, message: str, kind: Kind = "plain") -> None:
        """Shows a message in the status line."""
        self.query_one(StatusLine).say(message, kind)

    # Engine events ------------------------------------------------------------------------------------

    def on_engine_said(self, message: EngineSaid) -> None:
        work = self.workspace
        match message.event:
            case ModelLoaded() as event:
                self._model_loaded(event)
            case Preview() as event:
                self._preview(event)
            case Saved() as event:
                work.saved = max(work.saved, event.revision)
                self.folder = event.folder
                self.show_state()
            case Exported() as event:
                self.say(f"saved: {self.folder or Path(event.files[0]).parent}", "good")
            case DragStarted() as event:
                self.query_one(Inspector).begin_drag(event.number)
            case DragProgress() as event:
                if work.dragging:
                    work.live = event.handles
                    self.query_one(Inspector).show_progress(event)
                    self.show_state()
            case DragEnded() as event:
                self._drag_ended(event)
            case Failed() as event:
                self._failed(event)

    def _model_loaded(self, event: ModelLoaded) -> None:
        first = self.workspace.info is None
        self.say("Enter places a handle, then its target; d drags; ? shows all keys" if first else "the engine is back")
        self.workspace.model_loaded(event.info)
        self.device = event.device
        self._asked_for = None
        self.sync()

    def _preview(self, event: Preview) -> None:
        if event.request == self._request or (event.request == 0 and self.workspace.dragging):
            self._spinner.stop()
            self.shown = np.frombuffer(event.rgb, np.uint8).reshape(event.height, event.width, 3)
            self.show_state()

    def _drag_ended(self, event: DragEnded) -> None:
        record = event.record
        self.workspace.end_drag(record if record.steps else None)
        self.sync()
        left = sum(pair.distance for pair in record.pairs) / len(record.pairs)
        self.query_one(Inspector).end_drag(f"{record.steps} steps, {left:.1f} px left")
        if event.problem:
            self.say(event.problem, "bad")
        else:
            outcome = (
                f"{REASONS[record.reason]}: {record.steps} steps, {seconds_text(record.seconds)}, {left:.1f} px left"
            )
            self.say(f"drag {record.number} {outcome}", "good" if record.reason == "reached" else "plain")

    def _failed(self, event: Failed) -> None:
        if event.command == "start_drag":
            self.workspace.end_drag(None)
        elif event.command == "start":
            self.device = "no model"
            if self.workspace.info is None:  # nothing to edit, and nothing to lose
                self.post_message(LeaveEditor(2, event.message))
        self.show_state()
        self.say(event.message, "bad")

    def on_engine_lost(self) -> None:
        if self.workspace.dragging:
            self.query_one(Inspector).end_drag("interrupted")
        self.workspace.end_drag(None)
        self.device = "engine gone"
        self.say("the engine has ended unexpectedly", "bad")
        self.show_state()
        text = "The engine has ended unexpectedly. Points, mask and the last finished picture are kept."
        answers = {"r": ("restart", "restart it"), "q": ("leave", "quit"), "escape": ("", "go on without")}
        self.app.push_screen(Question(text, answers), self._answer_lost)

    async def _answer_lost(self, answer: str | None) -> None:
        if answer == "restart":
            await self.action_restart_engine()
        elif answer == "leave":
            await self.action_leave()
        else:
            self.say("no engine: R restarts it", "bad")

    # Keys ---------------------------------------------------------------------------------------------

    def _attempt(self, change: Callable[[], object], message: str | None = None) -> None:
        """Does it and shows the state, or says why not. A typed count is used up either way."""
        try:
            change()
        except EditError as error:
            self.say(str(error), "bad")
            return
        finally:
            self.workspace.count = 0
        if message is not None:
            self.say(message)
        self.sync()

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

    def action_settings(self) -> None:
        info = self.workspace.info
        if info is None or self.workspace.dragging:
            self.say("the settings open when the model is loaded and no drag runs")
            return
        self.app.push_screen(Settings(self.workspace.edit, info), self._settings_chosen)

    def _settings_chosen(self, edit: Edit | None) -> None:
        if edit is not None:
            self._attempt(lambda: self.workspace.change(edit), "settings taken")

    def action_reseed(self, step: int) -> None:
        self._attempt(lambda: self.workspace.reseed(step))

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

    async def action_restart_engine(self) -> None:
        if self.engine.alive:
            self.say("the engine is running")
            return
        self.device = "starting"
        self.say("starting the engine …")
        await self.engine.start(resume=self.folder)
        if self.workspace.unsaved:
            self._sent_revision = 0
        self.sync()

    async def action_leave(self) -> None:
        if self.workspace.unsaved and not await self._saved_soon():
            text = "The last changes are not on disk."
            answers = {"y": ("leave", "quit and lose them"), "n": ("", "stay")}
            self.app.push_screen(Question(text, answers), self._answer_leave)
        else:
            self.post_message(LeaveEditor())

    def _answer_leave(self, answer: str | None) -> None:
        if answer == "leave":
            self.post_message(LeaveEditor())

    async def _saved_soon(self) -> bool:
        """Whether the engine acknowledges what it was last sent, within a second."""
        for _ in range(20):
            if not self.workspace.unsaved or not self.engine.alive:
                break
            await asyncio.sleep(0.05)
        return not self.workspace.unsaved
