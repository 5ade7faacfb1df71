"""A session on the screen: shows a workspace, keeps the engine informed, and takes in what it says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer

from draggan_engine.protocol.errors import EditError
from draggan_engine.protocol.geometry import Size
from draggan_engine.protocol.messages import (
    DragEnded,
    DragProgress,
    DragStarted,
    Event,
    Exported,
    Failed,
    Loading,
    ModelLoaded,
    ModelsListed,
    Preview,
    Render,
    Save,
    Saved,
)
from draggan_tui import document
from draggan_tui.engine_client import EngineClient
from draggan_tui.renderables.facts import seconds_text
from draggan_tui.renderables.loading import SPINNER, loading_text, placeholder
from draggan_tui.renderables.overlay import Overlay, PairMark
from draggan_tui.renderables.palette import ColorDepth
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.inspector import Inspector
from draggan_tui.widgets.status import Kind, StatusLine
from draggan_tui.workspace import Workspace

from .dialogs import Question
from .models import Models

NO_MODEL, ENGINE_GONE = "no model", "engine gone"
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


class SessionScreen(Screen[None]):
    """Canvas left, inspector right, status and keys below.

    Args:
        workspace: what is edited.
        engine: its events come as `EngineSaid` and `EngineLost`.
        depth: how many colours the canvas may use.
    """

    DEFAULT_CSS = """
    SessionScreen { layers: base over; }
    SessionScreen #work { height: 1fr; margin-bottom: 1; }
    SessionScreen StatusLine { layer: over; dock: bottom; margin-bottom: 1; }
    SessionScreen Canvas { width: 1fr; height: 1fr; }
    """

    def __init__(self, workspace: Workspace, engine: EngineClient, depth: ColorDepth) -> None:
        super().__init__()
        self.workspace, self.engine, self.depth = workspace, engine, depth
        self.device = "starting"
        self.folder: str | None = None
        self.shown: NDArray[np.uint8] | None = None  # the preview, [height, width, 3]
        self._loading: Loading | None = None
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
        """The empty canvas: the model's name, what is being done about it, and a sign of life."""
        self._frame += 1
        name = Path(self.workspace.edit.model).name
        sign = "–" if self.device in (NO_MODEL, ENGINE_GONE) else SPINNER[self._frame % len(SPINNER)]
        canvas = self.query_one(Canvas)
        canvas.placeholder(placeholder(sign, name, self._loading, *canvas.size))

    # State → screen and engine ------------------------------------------------------------------------

    def sync(self) -> None:
        """Tells the engine what it does not know yet, and shows the state."""
        work = self.workspace
        if work.revision > self._sent_revision:
            self._sent_revision = work.revision
            self.engine.send(Save(revision=work.revision, edit=work.edit))
        if work.info is not None and work.loading is None:
            grid = self._grid()
            wanted = (work.edit.source, grid)
            if wanted != self._asked_for:
                self._asked_for = wanted
                self._request += 1
                self.engine.send(Render(request=self._request, edit=work.edit, width=grid.width, height=grid.height))
        self.show_state()

    def show_state(self) -> None:
        """Shows the document, the cursor and the drag as they are."""
        work = self.workspace
        share = None if work.edit.mask is None else work.edit.mask.share
        given = "" if self.engine.latent is None else self.engine.latent.name
        self.query_one(Inspector).show_edit(
            work.edit, self.device, work.cursor, work.handles, work.selected, share, work.brush, work.info, given
        )
        modes = (
            str(work.count or ""),
            "PEN" if work.pen else "",
            "" if work.shape is None else work.shape.form.upper(),
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
        cursor = None if work.cursor is None else work.pixel(work.cursor, grid)
        area = work.shape_area(grid)
        shape = None if area is None else document.preview_area(area, grid)
        return Overlay(cursor=cursor, pairs=marks, mask=mask, shape=shape)

    def _grid(self) -> Size:
        return self.query_one(Canvas).preview_size(self.workspace.picture)

    def say(self, message: str, kind: Kind = "plain") -> None:
        """Shows a message in the status line."""
        self.query_one(StatusLine).say(message, kind)

    # Engine events ------------------------------------------------------------------------------------

    def on_engine_said(self, message: EngineSaid) -> None:
        work = self.workspace
        match message.event:
            case Loading() as event:
                self._loading = event
                if self.shown is not None:
                    name = Path(work.loading or self.engine.model).name
                    self.say(f"loading {name}: {loading_text(event)}")
            case ModelsListed() as event:
                if isinstance(self.app.screen, Models):
                    self.app.screen.show(event.models)
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
        work = self.workspace
        first, another = work.info is None, work.loading is not None
        try:
            work.model_loaded(event.info)
        except EditError as error:  # nothing to edit, and nothing to lose
            self.post_message(LeaveEditor(error.exit_code, str(error)))
            return
        self.device = event.device
        self._loading, self._asked_for = None, None
        if first and self.folder is not None:
            self.say(f"this session goes on: {self.folder}")
        elif first:
            self.say("Enter places a handle, then its target; d drags; ? shows all keys")
        elif another:
            self._begin_session()
        else:
            self.say("the engine is back")
        self.sync()

    def _begin_session(self) -> None:
        earlier = "" if self.folder is None else f"; the earlier session is in {self.folder}"
        self.say(f"now {self.workspace.edit.model}{earlier}")
        self.folder, self._sent_revision, self.shown = None, 0, None
        self.query_one(Canvas).show(None)
        self.query_one(Inspector).forget_drag()
        self._spinner.resume()

    def _preview(self, event: Preview) -> None:
        if event.request == self._request or (event.request == 0 and self.workspace.dragging):
            self._spinner.pause()
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
        elif event.command == "load_model":
            self._end_loading()
            self.sync()
        elif event.command == "start":
            self.device = NO_MODEL
            if self.workspace.info is None:  # nothing to edit, and nothing to lose
                self.post_message(LeaveEditor(2, event.message))
        self.show_state()
        self.say(event.message, "bad")

    def on_engine_lost(self) -> None:
        if self.workspace.dragging:
            self.query_one(Inspector).end_drag("interrupted")
        self.workspace.end_drag(None)
        self._end_loading()
        self.device = ENGINE_GONE
        self.say("the engine has ended unexpectedly", "bad")
        self.show_state()
        text = "The engine has ended unexpectedly. Points, mask and the last finished picture are kept."
        answers = {"r": ("restart", "restart it"), "q": ("leave", "quit"), "escape": ("", "go on without")}
        self.app.push_screen(Question(text, answers), self._answer_lost)

    def _end_loading(self) -> None:
        self.workspace.end_loading()
        self._loading = None

    async def _answer_lost(self, answer: str | None) -> None:
        if answer == "restart":
            await self.action_restart_engine()
        elif answer == "leave":
            await self.action_leave()
        else:
            self.say("no engine: R restarts it", "bad")

    # Ways on, and out ---------------------------------------------------------------------------------

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

    async def change_model(self, spec: str) -> None:
        """Asks the engine for another model, once all of this session is on disk."""
        work = self.workspace
        try:
            work.begin_loading(spec)
        except EditError as error:
            self.say(str(error), "bad")
            return
        self.say(f"loading {Path(spec).name} …")
        if work.unsaved:
            self._sent_revision = 0  # once more: it may have failed
            self.sync()
        if work.unsaved and not await self._saved_soon():
            self._end_loading()
            self.say("the last changes are not on disk, so the model stays; s saves them", "bad")
        elif self.engine.alive:
            self.engine.load_model(spec)
        self.show_state()

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
