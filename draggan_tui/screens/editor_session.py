"""A session on the screen: keeps the engine informed, takes in what it says, and knows the ways out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from pathlib import Path

from textual.message import Message

from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size
from draggan_engine.core.history import DragRecord, Trajectory
from draggan_engine.server.messages import (
    DragEnded,
    DragPreview,
    DragProgress,
    DragStarted,
    Event,
    Exported,
    ExportProgress,
    Failed,
    ImageRendered,
    LoadProgress,
    MaskLoaded,
    MaskSaved,
    ModelLoaded,
    ModelsListed,
    MoveLiveTarget,
    PreviewShown,
    PreviewSize,
    Render,
    Resumed,
    Save,
    Saved,
    SessionMoved,
    SetPreviewSize,
    TrajectoryRead,
)
from draggan_engine.storage.output_paths import DEFAULT_OUTPUT_DIRECTORY, session_name
from draggan_tui.client.advice import with_advice
from draggan_tui.client.engine_client import EngineClient
from draggan_tui.config.paths import short_path
from draggan_tui.config.themes import EditorTheme
from draggan_tui.editor.history_text import counted
from draggan_tui.editor.mask_reach import conflict_text, mask_conflicts
from draggan_tui.editor.state import STILL_LOADING
from draggan_tui.editor.viewport import SCROLL_OFF
from draggan_tui.editor.workspace import EditorState
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.drag_outcome import outcome_text, reason_text
from draggan_tui.rendering.loading_text import loading_text
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.inspector import Inspector

from .branch_list import BranchList
from .directory_prompt import DirectoryPrompt, suggested_directory
from .editor_layout import ENGINE_GONE, NO_MODEL, StageScreen
from .key_names import with_keys
from .mask_prompt import MaskPrompt
from .model_list import ModelList
from .question import Question

NO_ENGINE = "no engine: {restart-engine} restarts it"


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


class ThemeChosen(Message):
    """Posted when the user has chosen another look, for this run."""

    def __init__(self, theme: EditorTheme) -> None:
        super().__init__()
        self.theme = theme


class SessionScreen(StageScreen):
    """
    Args:
        state: what is edited.
        engine: its events come as `EngineSaid` and `EngineLost`.
        depth: how many colours the canvas may use.
    """

    def __init__(self, state: EditorState, engine: EngineClient, depth: ColorDepth) -> None:
        super().__init__(state, depth)
        self.engine = engine
        self.given = "" if (latent := engine.options.latent) is None else latent.name
        self.folder: str | None = None
        self.saved_session: Path | None = None  # where the changes of this run have been written last
        self.directory_problem = ""  # why the session cannot be written where it is
        self.stays_in_directory = False  # all the same: the user has declined to choose another
        self._request = 0
        self._asked_for: Hashable = None  # what the last requested picture is of; none: it has come
        self._sent_revision = 0
        self._sent: set[int] = set()  # ids of the entries that the engine has been told
        self._recovered: list[DragRecord] = []  # drags that nobody has been told of
        self._led: Point | None = None  # where the engine was last told that the hand is
        self._looked: Size | None = None  # the size that a running drag's pictures were last asked in

    # For the keys ---------------------------------------------------------------------------------------

    def attempt(self, change: Callable[[], object], message: str | None = None) -> bool:
        """Does it and shows the state, or says why not; whether it was done. A typed count is used up either way."""
        try:
            change()
        except EditError as error:
            self.say(with_advice(str(error), error.remedy), "bad")
            return False
        finally:
            self.state.count = 0
        if message is not None:
            self.say(message)
        self.sync()
        return True

    def go(self, move: Callable[[], object]) -> None:
        """Moves the cursor; a zoomed view goes along before the cursor is at its edge."""

        def go() -> None:
            move()
            self.show_cursor(SCROLL_OFF)

        self.attempt(go)

    def say_or_warn(self, message: str) -> None:
        """Say what a command did, and which points the mask now keeps from moving or from arriving."""
        work = self.state
        conflict = conflict_text(mask_conflicts(work.edit, work.picture))
        if conflict:
            self.say(f"{message}; {conflict}" if message else conflict, "warning")
        else:
            self.say(message)

    def check_engine(self) -> None:
        """
        Raises:
            EditError: there is none.
        """
        if not self.engine.alive:
            raise EditError(NO_ENGINE)

    # State → engine -----------------------------------------------------------------------------------

    def sync(self) -> None:
        """Tells the engine what it does not know yet, and shows the state."""
        work = self.state
        if work.revision > self._sent_revision:
            self._save()
        if work.dragging:
            self._follow_drag()
        if work.info is not None and work.loading is None:
            self._ask()
        self.show_state()

    def _save(self) -> None:
        work = self.state
        entries = work.history.missing_from(self._sent)
        self._sent.update(revision.id for revision in entries)
        self._sent_revision = work.revision
        self.engine.send(Save(change_count=work.revision, revisions=entries, current=work.history.current))

    def save_again(self) -> None:
        """All of it: the engine is another one, or has failed to write."""
        self._sent_revision = 0
        self._sent.clear()

    def _follow_drag(self) -> None:
        """A running drag learns where the hand is, and how large a picture is wanted."""
        size, lead = self.preview_size(), self.state.lead
        if size != self._looked:
            self._looked = size
            self.engine.send(SetPreviewSize(preview_size=PreviewSize.of(size)))
        if lead is not None and lead != self._led:
            self._led = lead
            self.engine.send(MoveLiveTarget(target=lead))

    def _ask(self) -> None:
        """Requests the picture that is to be seen and not there, if it is not on its way."""
        edit = self.missing()
        if edit is None and isinstance(self.app.screen, BranchList):
            edit = self.app.screen.missing_image()
        if edit is not None and self._asked_for != edit.source:
            self._asked_for = edit.source
            self._request += 1
            self.engine.send(Render(request_id=self._request, edit=edit))

    # Engine events ------------------------------------------------------------------------------------

    def on_engine_said(self, message: EngineSaid) -> None:
        work = self.state
        match message.event:
            case LoadProgress() as event:
                self.loaded_so_far = event
                if self.seen is not None:
                    progress = f"loading {work.loading or work.edit.model}: {loading_text(event)}"
                    self.say(progress)
                    if isinstance(self.app.screen, ModelList) and self.app.screen.awaited_spec:
                        self.app.screen.show_loading(progress)
            case ModelsListed() as event:
                if isinstance(self.app.screen, ModelList):
                    self.app.screen.show(event.models)
            case (MaskLoaded() | MaskSaved() | Failed(task="load_mask" | "save_mask")) as event:
                if isinstance(self.app.screen, MaskPrompt):
                    self.app.screen.answer(event)
                elif isinstance(event, Failed):  # the user has left it
                    self.say(event.message, "bad")
            case ModelLoaded() as event:
                self._model_loaded(event)
            case ImageRendered() as event:
                self._image_rendered(event)
            case DragPreview() as event:
                self._drag_preview(event)
            case Saved() as event:
                work.saved = max(work.saved, event.change_count)
                self.folder = event.directory
                self.saved_session = Path(event.directory)
                self.directory_problem, self.stays_in_directory = "", False
                self.show_state()
            case (SessionMoved() | Failed(task="move_session")) as event:
                if isinstance(self.app.screen, DirectoryPrompt):
                    self.app.screen.answer(event)
                elif isinstance(event, SessionMoved):  # the user has left the prompt
                    self._directory_chosen(event.directory)
                else:
                    self.say(event.message, "bad")
            case ExportProgress() as event:
                self.say(f"exporting: frame {event.done} of {event.total}")
            case Exported() as event:
                self.say(f"saved to {_where(event.files)}", "good")
                if work.edit.source.drag:
                    self.end_hints()
            case Resumed() as event:
                new = [revision for revision in event.revisions if revision.id not in work.history.revisions]
                self._recovered = [revision.record for revision in new if revision.record is not None]
                work.adopt(event.revisions)
                self._sent.update(revision.id for revision in event.revisions)
                self.show_state()
            case TrajectoryRead() as event:
                self.drag_read(event.trajectory)
            case DragStarted() as event:
                self._drag_started(event.drag_number)
                if event.notice is not None:
                    self.say(event.notice)
            case DragProgress() as event:
                if work.dragging:
                    work.moved = event.handles
                    self.query_one(Inspector).show_progress(event)  # the handles are shown with the next picture
            case DragEnded() as event:
                self._drag_ended(event)
            case Failed() as event:
                self._failed(event)

    def _model_loaded(self, event: ModelLoaded) -> None:
        work = self.state
        first, another = work.info is None, work.loading is not None
        try:
            work.model_loaded(event.info)
        except EditError as error:  # nothing to edit, and nothing to lose
            self.post_message(LeaveEditor(error.exit_code, str(error)))
            return
        self.withdraw(STILL_LOADING)
        self.device = event.device
        self.loaded_so_far, self._asked_for = None, None
        if first and self.folder is not None:
            self.say(f"opened the session in {self.folder}")
        elif another:
            self._begin_session()
            if isinstance(self.app.screen, ModelList):
                self.app.screen.dismiss(None)
        elif not first:
            self.say("the engine is running again")
        for record in self._recovered:
            self.say(
                f"drag {record.number} was interrupted; the {counted(record.steps, 'step')} that it made are a branch: "
                "{branches} lists the branches"
            )
        self._recovered = []
        self.sync()
        if first and self.directory_problem:
            self.offer_directory()

    def _begin_session(self) -> None:
        earlier = "" if self.folder is None else f"; the earlier session is saved in {self.folder}"
        self.say(f"opened {self.state.edit.model}{earlier}")
        self.folder, self.seen, self.view, self.given = None, None, self.view.fitted(), ""
        self.save_again()
        self.pictures.clear()
        self.query_one(Canvas).show(None)
        self.spinner.resume()

    def _image_rendered(self, event: ImageRendered) -> None:
        if event.request_id != self._request or self._asked_for is None:
            return
        image = event.image.to_array()
        self.pictures.put(self._asked_for, image)
        if isinstance(self.app.screen, BranchList):
            self.app.screen.show_image(self._asked_for, image)
        self._asked_for = None
        self.spinner.pause()
        self.sync()

    def _drag_preview(self, event: DragPreview) -> None:
        if not self.state.dragging:
            return
        self.seen = event.image.to_array()
        self.call_after_refresh(lambda: self.engine.send(PreviewShown()))
        self.spinner.pause()
        self.sync()

    def drag_read(self, path: Trajectory) -> None:
        """The way of a drag has been read."""
        self.state.trajectories[path.number] = path
        self.show_state()

    def _drag_started(self, number: int) -> None:
        work = self.state
        stop_distance = work.edit.settings.stop_distance_for(len(work.edit.dragged_pairs(work.led)))
        self.query_one(Inspector).begin_drag(number, stop_distance, live=work.led is not None)

    def _drag_ended(self, event: DragEnded) -> None:
        record = event.record
        if event.revision is not None:
            self._sent.add(event.revision.id)
            if event.image is not None:
                self.pictures.put(event.revision.edit.source, event.image.to_array())
        self.state.end_drag(event.revision)
        self._led = self._looked = None
        self.sync()
        step_limit = self.state.edit.settings.max_steps
        left = sum(pair.distance for pair in record.pairs) / len(record.pairs)
        self.query_one(Inspector).end_drag(reason_text(record, step_limit), f"{left:.1f} px left")
        if event.problem:
            self.say(event.problem, "bad")
        else:
            self.say(outcome_text(record, step_limit, left), "good" if record.reason == "reached" else "plain")

    def offer_directory(self) -> None:
        """Let the user choose where to save a session that cannot be written where it is."""
        if self.app.screen is self and not self.state.dragging:
            edit = self.state.edit
            default = self.engine.options.out or DEFAULT_OUTPUT_DIRECTORY / session_name(edit.model, edit)
            current = default if self.folder is None else Path(self.folder)
            prompt = DirectoryPrompt(self.engine, self.directory_problem, suggested_directory(current))
            self.app.push_screen(prompt, self._directory_chosen)

    def _directory_chosen(self, directory: str | None) -> None:
        if directory is None:
            self.stays_in_directory = True
            self.say(self.directory_problem, "bad")
            return
        self.directory_problem, self.stays_in_directory = "", False
        self.engine.write_to(Path(directory))
        if self.folder is not None:
            self.folder, self.saved_session = directory, Path(directory)
        self.save_again()
        self.say(f"this session is saved in {short_path(Path(directory))} from now on", "good")
        self.sync()

    def _failed(self, event: Failed) -> None:
        message = with_advice(event.message, event.remedy)
        if event.task == "save":
            self.directory_problem = message
            if not self.stays_in_directory:
                self.offer_directory()
        if event.task == "start_drag":
            self.state.end_drag(None)
        elif event.task == "load_model":
            self._end_loading()
            self.sync()
            self._refuse_model(message)
            return
        elif event.task == "start":
            self.device = NO_MODEL
            if self.state.info is None:  # nothing to edit, and nothing to lose
                self.post_message(LeaveEditor(2, message))
        self.show_state()
        self.say(message, "bad")

    def on_engine_lost(self) -> None:
        if self.state.dragging:
            self.query_one(Inspector).end_drag("interrupted")
        self.state.end_drag(None)
        self._end_loading()
        self.device = ENGINE_GONE
        self._refuse_model("the engine has ended unexpectedly")
        self.show_state()
        text = "The engine has ended unexpectedly. Points, mask and the last finished image are kept."
        answers = {"r": ("restart", "restart it"), "q": ("leave", "quit"), "escape": ("", "go on without")}
        self.app.push_screen(Question(text, answers), self._answer_lost)

    def _refuse_model(self, problem: str) -> None:
        """Says why another model cannot be opened, where it was asked for."""
        if isinstance(self.app.screen, ModelList) and self.app.screen.awaited_spec:
            self.app.screen.refuse(problem)
            self.say("")
        else:
            self.say(problem, "bad")

    def _end_loading(self) -> None:
        self.state.end_loading()
        self.loaded_so_far = None

    async def _answer_lost(self, answer: str | None) -> None:
        if answer == "restart":
            await self.action_restart_engine()
        elif answer == "leave":
            await self.action_leave()
        else:
            self.say(NO_ENGINE, "bad")

    # Ways on, and out ---------------------------------------------------------------------------------

    async def action_restart_engine(self) -> None:
        if self.engine.alive:
            self.say("the engine is running")
            return
        self.device = "starting"
        self.say("starting the engine …")
        await self.engine.start(resume=self.folder)
        self.save_again()
        self.sync()

    async def change_model(self, spec: str, name: str) -> None:
        """Asks the engine for another model, once all of this session is on disk.

        Args:
            spec: its name or path.
            name: what it is called.
        """
        work = self.state
        try:
            work.begin_loading(name)
        except EditError as error:
            self._refuse_model(with_keys(self.app, str(error)))
            return
        self.say(f"loading {name} …")
        if work.unsaved:
            self.save_again()  # it may have failed
            self.sync()
        if work.unsaved and not await self._saved_soon():
            self._end_loading()
            text = "the model stays, because the last changes are not on disk yet: {save} saves them"
            self._refuse_model(with_keys(self.app, text))
        elif self.engine.alive:
            self.engine.load_model(spec)
        self.show_state()

    async def action_leave(self) -> None:
        if self.state.unsaved and not await self._saved_soon():
            text = "The last changes are not on disk."
            answers = {"y": ("leave", "quit and lose them"), "n": ("", "stay")}
            if self.directory_problem and self.engine.alive:
                answers["d"] = ("directory", "save in another directory")
            self.app.push_screen(Question(text, answers), self._answer_leave)
        else:
            self.post_message(LeaveEditor())

    def _answer_leave(self, answer: str | None) -> None:
        if answer == "leave":
            self.post_message(LeaveEditor())
        elif answer == "directory":
            self.offer_directory()

    async def _saved_soon(self) -> bool:
        """Whether the engine acknowledges what it was last sent, within a second."""
        for _ in range(20):
            if not self.state.unsaved or not self.engine.alive:
                break
            await asyncio.sleep(0.05)
        return not self.state.unsaved


def _where(files: tuple[str, ...]) -> str:
    """The one file, or the directory of several, from where the editor was started."""
    return short_path(Path(files[0]) if len(files) == 1 else Path(files[0]).parent)
