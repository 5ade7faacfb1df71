"""What the editor does about each event of the engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from draggan_engine.core.errors import EditError
from draggan_engine.core.history import DragRecord
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
    PreviewShown,
    Resumed,
    Saved,
    SessionMoved,
    TrajectoryRead,
)
from draggan_tui.client.advice import with_advice
from draggan_tui.config.paths import short_path
from draggan_tui.editor.commands.context import MessageKind
from draggan_tui.editor.history_text import counted
from draggan_tui.editor.modes import LiveDrag, LoadingModel, ReleasedDrag
from draggan_tui.editor.state import STILL_LOADING
from draggan_tui.rendering.drag_outcome import outcome_text, reason_text
from draggan_tui.rendering.loading_text import loading_text

from .branch_list import BranchList
from .directory_prompt import DirectoryPrompt
from .editor_messages import LeaveEditor
from .mask_prompt import MaskPrompt
from .model_list import ModelList

if TYPE_CHECKING:
    from .editor import EditorScreen


class EngineEvents:
    """
    Args:
        screen: the editor's screen, which shows what has happened.
    """

    def __init__(self, screen: EditorScreen) -> None:
        self._screen, self._state, self._context = screen, screen.state, screen.context
        self._interrupted_drags: list[DragRecord] = []  # drags that a resumed session has and the user does not know of

    def handle(self, event: Event) -> None:
        """Bring the state up to date with an event of the engine, and show it."""
        match event:
            case LoadProgress():
                self._load_progress(event)
            case ModelLoaded():
                self._model_loaded(event)
            case ModelsListed():
                if isinstance(dialog := self._screen.app.screen, ModelList):
                    dialog.show(event.models)
            case MaskLoaded() | MaskSaved() | Failed(task="load_mask" | "save_mask"):
                self._mask_answered(event)
            case SessionMoved() | Failed(task="move_session"):
                self._session_moved(event)
            case Resumed():
                self._resumed(event)
            case Saved():
                self._saved(event)
            case ImageRendered():
                self._image_rendered(event)
            case ExportProgress():
                self._screen.report(f"exporting: frame {event.done} of {event.total}")
            case Exported():
                self._exported(event)
            case TrajectoryRead():
                self._context.trajectories.receive(event.trajectory)
                self._screen.show_state()
            case DragStarted() | DragProgress() | DragPreview() | DragEnded():
                self._drag_event(event)
            case Failed():
                self._failed(event)

    # Models ---------------------------------------------------------------------------------------------

    def _load_progress(self, event: LoadProgress) -> None:
        self._screen.panels.load_progress = event
        if self._context.images.latest is None:  # the empty canvas shows it
            return
        mode = self._state.mode
        name = mode.name if isinstance(mode, LoadingModel) else self._state.edit.model
        progress = f"loading {name}: {loading_text(event)}"
        self._screen.report(progress)
        dialog = self._screen.app.screen
        if isinstance(dialog, ModelList) and dialog.awaited_spec:
            dialog.show_loading(progress)

    def _model_loaded(self, event: ModelLoaded) -> None:
        state, sync, panels = self._state, self._context.sync, self._screen.panels
        is_first, is_another = state.model_info is None, isinstance(state.mode, LoadingModel)
        try:
            state.use_model(event.info)
        except EditError as error:  # there is nothing to edit, and nothing to lose
            self._screen.post_message(LeaveEditor(error.exit_code, str(error)))
            return
        panels.withdraw(STILL_LOADING)
        state.engine_status, state.device = "ready", event.device
        panels.load_progress = None
        sync.forget_request()
        if is_first and sync.directory is not None:
            self._screen.report(f"opened the session in {sync.directory}")
        elif is_another:
            self._begin_session()
        elif not is_first:
            self._screen.report("the engine is running again")
        self._report_interrupted_drags()
        self._screen.sync()
        if is_first and sync.save_problem:
            self._screen.session.offer_directory()

    def _begin_session(self) -> None:
        """Begin the session of another model."""
        sync = self._context.sync
        earlier_session = "" if sync.directory is None else f"; the earlier session is saved in {sync.directory}"
        self._screen.report(f"opened {self._state.edit.model}{earlier_session}")
        sync.directory = None
        sync.send_all_again()
        self._context.images.clear()
        self._screen.panels.forget_image()
        if isinstance(dialog := self._screen.app.screen, ModelList):
            dialog.dismiss(None)

    def _resumed(self, event: Resumed) -> None:
        state, history = self._state, event.history
        if state.is_opening_session:
            records = [record for record in history.drag_records if record.number in event.recovered_drags]
            state.receive_history(history)
        else:  # the engine was restarted
            new_revisions = history.missing_from(state.history.revisions)
            records = [revision.record for revision in new_revisions if revision.record is not None]
            state.merge_revisions(event.revisions)
        self._interrupted_drags = records
        self._context.sync.mark_sent(revision.id for revision in event.revisions)
        self._screen.show_state()

    def _report_interrupted_drags(self) -> None:
        for record in self._interrupted_drags:
            self._screen.report(
                f"drag {record.number} was interrupted; the {counted(record.steps, 'step')} that it made are a branch: "
                "{branches} lists the branches"
            )
        self._interrupted_drags = []

    # Files ----------------------------------------------------------------------------------------------

    def _saved(self, event: Saved) -> None:
        sync = self._context.sync
        self._state.saved_change_count = max(self._state.saved_change_count, event.change_count)
        sync.directory = sync.saved_directory = Path(event.directory)
        sync.save_problem, sync.keeps_directory = "", False
        self._screen.show_state()

    def _session_moved(self, event: SessionMoved | Failed) -> None:
        if isinstance(prompt := self._screen.app.screen, DirectoryPrompt):
            prompt.answer(event)
        elif isinstance(event, SessionMoved):  # the user has closed the prompt
            self._screen.session.use_directory(event.directory)
        else:
            self._screen.report(event.message, "bad")

    def _mask_answered(self, event: MaskLoaded | MaskSaved | Failed) -> None:
        if isinstance(prompt := self._screen.app.screen, MaskPrompt):
            prompt.answer(event)
        elif isinstance(event, Failed):  # the user has closed the prompt
            self._screen.report(event.message, "bad")

    def _exported(self, event: Exported) -> None:
        first = Path(event.files[0])
        self._screen.report(f"saved to {short_path(first if len(event.files) == 1 else first.parent)}", "good")
        if self._state.edit.source.drag:
            self._screen.end_hints()

    # Images and drags -----------------------------------------------------------------------------------

    def _image_rendered(self, event: ImageRendered) -> None:
        source = self._context.sync.take_requested_source(event.request_id)
        if source is None:
            return
        image = event.image.to_array()
        self._context.images.cache.put(source, image)
        if isinstance(dialog := self._screen.app.screen, BranchList):
            dialog.show_image(source, image)
        self._screen.panels.pause_spinner()
        self._screen.sync()

    def _drag_event(self, event: DragStarted | DragProgress | DragPreview | DragEnded) -> None:
        match event:
            case DragStarted():
                self._drag_started(event)
            case DragProgress():
                if self._state.is_dragging:
                    self._context.drag.move_handles(event.handles)  # they are drawn with the next preview
                    self._screen.panels.inspector.show_progress(event)
            case DragPreview():
                self._drag_preview(event)
            case DragEnded():
                self._drag_ended(event)

    def _drag_started(self, event: DragStarted) -> None:
        mode, edit = self._state.mode, self._state.edit
        live_pair = mode.live_pair if isinstance(mode, LiveDrag | ReleasedDrag) else None
        stop_distance = edit.settings.stop_distance_for(len(edit.dragged_pairs(live_pair)))
        self._screen.panels.inspector.begin_drag(event.drag_number, stop_distance, live=live_pair is not None)
        if event.notice is not None:
            self._screen.report(event.notice)

    def _drag_preview(self, event: DragPreview) -> None:
        if self._state.is_dragging:
            self._context.images.latest = event.image.to_array()
            self._screen.call_after_refresh(lambda: self._context.engine.send(PreviewShown()))
            self._screen.panels.pause_spinner()
            self._screen.sync()

    def _drag_ended(self, event: DragEnded) -> None:
        record, revision = event.record, event.revision
        if revision is not None:
            self._context.sync.mark_sent([revision.id])
            if event.image is not None:
                self._context.images.cache.put(revision.edit.source, event.image.to_array())
        self._context.drag.end(revision)
        self._screen.sync()
        step_limit = self._state.edit.settings.max_steps
        mean_distance = sum(pair.distance for pair in record.pairs) / len(record.pairs)
        self._screen.panels.inspector.end_drag(reason_text(record, step_limit), f"{mean_distance:.1f} px left")
        if event.problem:
            self._screen.report(event.problem, "bad")
        else:
            kind: MessageKind = "good" if record.reason == "reached" else "plain"
            self._screen.report(outcome_text(record, step_limit, mean_distance), kind)

    # Failures -------------------------------------------------------------------------------------------

    def _failed(self, event: Failed) -> None:
        session, sync = self._screen.session, self._context.sync
        message = with_advice(event.message, event.remedy)
        match event.task:
            case "load_model":
                session.stop_loading()
                self._screen.sync()
                session.refuse_model(message)
                return
            case "save":
                sync.save_problem = message
                if not sync.keeps_directory:
                    session.offer_directory()
            case "start_drag":
                self._context.drag.end(None)
            case "start":
                self._state.engine_status = "no model"
                if self._state.model_info is None:  # there is nothing to edit, and nothing to lose
                    self._screen.post_message(LeaveEditor(2, message))
        self._screen.show_state()
        self._screen.report(message, "bad")
