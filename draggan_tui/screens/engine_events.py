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
    EditMeasured,
    Event,
    Exported,
    ExportProgress,
    Failed,
    ImageRendered,
    LandmarksLocated,
    LoadProgress,
    MaskLoaded,
    MaskSaved,
    ModelLoaded,
    ModelsListed,
    Resumed,
    Saved,
    SessionMoved,
    TrajectoryRead,
)
from draggan_engine.server.photograph_messages import (
    InversionEnded,
    InversionMaskRead,
    InversionPreview,
    InversionProgress,
    PhotographOpened,
    PhotographViewed,
)
from draggan_engine.server.pull_messages import PullEnded, PullProgress
from draggan_tui.client.advice import with_advice
from draggan_tui.config.paths import short_path
from draggan_tui.editor.file_latent import UNKNOWN_LATENT, FileLatent
from draggan_tui.editor.history_text import counted
from draggan_tui.editor.modes import LiveDrag, LoadingModel, ReleasedDrag
from draggan_tui.editor.state import STILL_LOADING
from draggan_tui.rendering.drag_outcome import FALLBACK_TEXT, outcome_text, reason_text
from draggan_tui.rendering.loading_text import loading_text

from .branch_list import BranchList
from .directory_prompt import DirectoryPrompt
from .editor_messages import LeaveEditor
from .mask_prompt import MaskPrompt
from .model_list import ModelList
from .preview_pace import PreviewPace

if TYPE_CHECKING:
    from .editor import EditorScreen


class EngineEvents:
    """
    Args:
        screen: the editor's screen, which shows what has happened.
        previews_per_second: how many previews of a drag are shown at most.
    """

    def __init__(self, screen: EditorScreen, previews_per_second: int) -> None:
        self._screen, self._state, self._context = screen, screen.state, screen.context
        self._preview_pace = PreviewPace(screen, previews_per_second)
        self._interrupted_drags: list[DragRecord] = []  # drags that a resumed session has and the user does not know of
        self._fallback_reported = False  # in the running drag

    def handle(self, engine_event: Event) -> None:
        """Bring the state up to date with an event of the engine, and show it."""
        match engine_event:
            case LoadProgress():
                self._load_progress(engine_event)
            case ModelLoaded():
                self._model_loaded(engine_event)
            case ModelsListed():
                if isinstance(open_dialog := self._screen.app.screen, ModelList):
                    open_dialog.show(engine_event.models, engine_event.public_models)
            case PullProgress() | PullEnded() | Failed(task="pull_model"):
                self._pull_event(engine_event)
            case MaskLoaded() | MaskSaved() | Failed(task="load_mask" | "save_mask"):
                self._mask_answered(engine_event)
            case SessionMoved() | Failed(task="move_session"):
                self._session_moved(engine_event)
            case Resumed():
                self._resumed(engine_event)
            case Saved():
                self._saved(engine_event)
            case ImageRendered():
                self._image_rendered(engine_event)
            case EditMeasured():
                self._state.sigmas[engine_event.source] = engine_event.sigma
                self._screen.show_state()
            case LandmarksLocated():
                self._state.landmarks[engine_event.source] = engine_event.points
            case ExportProgress():
                self._screen.report(f"exporting: frame {engine_event.done} of {engine_event.total}")
            case Exported():
                self._exported(engine_event)
            case TrajectoryRead():
                self._context.trajectories.receive(engine_event.trajectory)
                self._screen.show_state()
            case (
                PhotographOpened()
                | PhotographViewed()
                | InversionProgress()
                | InversionPreview()
                | InversionEnded()
                | InversionMaskRead()
                | Failed(task="open_photograph" | "invert_photograph" | "view_photograph" | "read_inversion_mask")
            ):
                self._screen.photographs.handle(engine_event)
            case DragStarted() | DragProgress() | DragPreview() | DragEnded():
                self._drag_event(engine_event)
            case Failed():
                self._failed(engine_event)

    # Models ---------------------------------------------------------------------------------------------

    def _load_progress(self, engine_event: LoadProgress) -> None:
        self._screen.panels.load_progress = engine_event
        if self._context.images.latest is None:  # the empty canvas shows it
            return
        mode = self._state.mode
        model_name = mode.name if isinstance(mode, LoadingModel) else self._state.edit.model
        progress_text = f"loading {model_name}: {loading_text(engine_event)}"
        self._screen.report(progress_text)
        open_dialog = self._screen.app.screen
        if isinstance(open_dialog, ModelList) and open_dialog.awaited_spec:
            open_dialog.show_progress(progress_text)

    def _model_loaded(self, engine_event: ModelLoaded) -> None:
        state, sync, panels = self._state, self._context.sync, self._screen.panels
        is_first, is_another = state.model_info is None, isinstance(state.mode, LoadingModel)
        try:
            state.use_model(engine_event.info)
        except EditError as edit_error:  # there is nothing to edit, and nothing to lose
            self._screen.post_message(LeaveEditor(edit_error.exit_code, str(edit_error)))
            return
        panels.withdraw(STILL_LOADING)
        state.engine_status, state.device = "ready", engine_event.device
        panels.load_progress = None
        sync.forget_request()
        if is_first and sync.directory is not None:
            self._screen.report(f"opened the session in {sync.directory}")
        elif is_another:
            self._begin_session()
        elif not is_first:
            self._screen.report("the engine is running again")
        self._report_interruptions()
        self._screen.sync()
        self._screen.photographs.model_loaded()
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
        self._state.file_latent = UNKNOWN_LATENT
        self._screen.panels.forget_image()
        if isinstance(open_dialog := self._screen.app.screen, ModelList):
            open_dialog.dismiss(None)

    def _pull_event(self, engine_event: PullProgress | PullEnded | Failed) -> None:
        """Show the progress or the end of a download in the list of models; if it is closed, report the end."""
        pulls, open_dialog = self._screen.session.pulls, self._screen.app.screen
        open_list = open_dialog if isinstance(open_dialog, ModelList) else None
        match engine_event:
            case PullProgress():
                pulls.receive(engine_event)
                if open_list is not None:
                    open_list.show_progress(pulls.progress_text)
            case PullEnded():
                pulls.end()
                if open_list is not None:
                    open_list.end_pull(engine_event)
                elif engine_event.spec is not None:
                    self._screen.report(f"{engine_event.source} is downloaded: {{models}} opens it", "good")
            case Failed():
                pulls.end()
                failure_text = with_advice(engine_event.message, engine_event.remedy)
                if open_list is not None:
                    open_list.refuse(failure_text)
                else:
                    self._screen.report(failure_text, "bad")

    def _resumed(self, engine_event: Resumed) -> None:
        state, history = self._state, engine_event.history
        if state.is_opening_session:
            interrupted_records = [
                drag_record
                for drag_record in history.drag_records
                if drag_record.number in engine_event.recovered_drags
            ]
            state.receive_history(history)
        else:  # the engine was restarted
            new_revisions = history.missing_from(state.history.revisions)
            interrupted_records = [revision.record for revision in new_revisions if revision.record is not None]
            state.merge_revisions(engine_event.revisions)
        self._interrupted_drags = interrupted_records
        if engine_event.photograph is not None:
            state.file_latent = FileLatent(Path(engine_event.photograph).name, is_inversion=True)
        self._screen.photographs.unfinished_path = engine_event.unfinished_photograph or ""
        self._context.sync.mark_sent(revision.id for revision in engine_event.revisions)
        self._screen.show_state()

    def _report_interruptions(self) -> None:
        """Report the drags that a killed engine has left, and the inversion of a photograph."""
        for drag_record in self._interrupted_drags:
            self._screen.report(
                f"drag {drag_record.number} was interrupted; the {counted(drag_record.steps, 'step')} that it made "
                "are a branch: {branches} lists the branches"
            )
        self._interrupted_drags = []
        if unfinished_path := self._screen.photographs.unfinished_path:
            self._screen.report(
                f"the inversion of {Path(unfinished_path).name} was interrupted: {{photograph}} opens it and goes on"
            )

    # Files ----------------------------------------------------------------------------------------------

    def _saved(self, engine_event: Saved) -> None:
        sync = self._context.sync
        self._state.saved_change_count = max(self._state.saved_change_count, engine_event.change_count)
        sync.directory = sync.saved_directory = Path(engine_event.directory)
        sync.save_problem, sync.keeps_directory = "", False
        self._screen.show_state()

    def _session_moved(self, engine_event: SessionMoved | Failed) -> None:
        if isinstance(open_prompt := self._screen.app.screen, DirectoryPrompt):
            open_prompt.answer(engine_event)
        elif isinstance(engine_event, SessionMoved):  # the user has closed the prompt
            self._screen.session.use_directory(engine_event.directory)
        else:
            self._screen.report(engine_event.message, "bad")

    def _mask_answered(self, engine_event: MaskLoaded | MaskSaved | Failed) -> None:
        if isinstance(open_prompt := self._screen.app.screen, MaskPrompt):
            open_prompt.answer(engine_event)
        elif isinstance(engine_event, Failed):  # the user has closed the prompt
            self._screen.report(engine_event.message, "bad")

    def _exported(self, engine_event: Exported) -> None:
        first_path = Path(engine_event.files[0])
        saved_text = f"saved to {short_path(first_path if len(engine_event.files) == 1 else first_path.parent)}"
        notice_text = "" if engine_event.notice is None else f": {engine_event.notice}"
        self._screen.report(saved_text + notice_text, "good")
        if self._state.edit.source.drag:
            self._screen.end_hints()

    # Images and drags -----------------------------------------------------------------------------------

    def _image_rendered(self, engine_event: ImageRendered) -> None:
        image_source = self._context.sync.take_requested_source(engine_event.request_id)
        if image_source is None:
            return
        image = engine_event.image.to_array()
        self._context.images.cache.put(image_source, image)
        if isinstance(open_dialog := self._screen.app.screen, BranchList):
            open_dialog.show_image(image_source, image)
        self._screen.panels.pause_spinner()
        self._screen.sync()

    def _drag_event(self, drag_event: DragStarted | DragProgress | DragPreview | DragEnded) -> None:
        match drag_event:
            case DragStarted():
                self._drag_started(drag_event)
            case DragProgress():
                self._drag_progress(drag_event)
            case DragPreview():
                self._drag_preview(drag_event)
            case DragEnded():
                self._drag_ended(drag_event)

    def _drag_started(self, drag_event: DragStarted) -> None:
        mode, edit = self._state.mode, self._state.edit
        live_pair = mode.live_pair if isinstance(mode, LiveDrag | ReleasedDrag) else None
        stop_distance = edit.settings.stop_distance_for(len(edit.dragged_pairs(live_pair)))
        self._screen.panels.inspector.begin_drag(drag_event.drag_number, stop_distance, is_live=live_pair is not None)
        self._fallback_reported = False
        if drag_event.notice is not None:
            self._screen.report(drag_event.notice)

    def _drag_progress(self, drag_event: DragProgress) -> None:
        if not self._state.is_dragging:
            return
        self._context.drag.take_step(drag_event.handles, drag_event.sigma)  # they are drawn with the next preview
        self._screen.panels.inspector.show_progress(drag_event)
        if drag_event.max_steps is not None:  # a live drag has no last step
            self._screen.window_status.show_progress(drag_event.step / drag_event.max_steps)
        if drag_event.is_fallback and not self._fallback_reported:
            self._fallback_reported = True
            self._screen.report(FALLBACK_TEXT)

    def _drag_preview(self, drag_event: DragPreview) -> None:
        if self._state.is_dragging:
            self._context.images.latest = drag_event.image.to_array()
            self._preview_pace.request_next()
            self._screen.panels.pause_spinner()
            self._screen.sync()

    def _drag_ended(self, drag_event: DragEnded) -> None:
        drag_record, revision = drag_event.record, drag_event.revision
        if revision is not None:
            self._context.sync.mark_sent([revision.id])
            if drag_event.image is not None:
                self._context.images.cache.put(revision.edit.source, drag_event.image.to_array())
        self._context.drag.end(revision)
        self._preview_pace.end()
        self._screen.sync()
        step_limit = self._state.edit.settings.max_steps
        mean_distance = sum(pair.distance for pair in drag_record.pairs) / len(drag_record.pairs)
        self._screen.panels.inspector.end_drag(reason_text(drag_record, step_limit), f"{mean_distance:.1f} px left")
        drag_outcome = drag_event.problem or outcome_text(drag_record, step_limit, mean_distance)
        has_reached = drag_record.reason == "reached"
        self._screen.report(drag_outcome, "bad" if drag_event.problem else "good" if has_reached else "plain")
        self._screen.window_status.end(drag_outcome)

    # Failures -------------------------------------------------------------------------------------------

    def _failed(self, engine_event: Failed) -> None:
        session, sync = self._screen.session, self._context.sync
        failure_text = with_advice(engine_event.message, engine_event.remedy)
        match engine_event.task:
            case "load_model":
                session.stop_loading()
                self._screen.photographs.forget_start()
                self._screen.sync()
                session.refuse_model(failure_text)
                return
            case "save":
                sync.save_problem = failure_text
                if not sync.keeps_directory:
                    session.offer_directory()
            case "start_drag":
                self._context.drag.end(None)
                self._screen.window_status.end(failure_text)
            case "start":
                self._state.engine_status = "no model"
                if self._state.model_info is None:  # there is nothing to edit, and nothing to lose
                    self._screen.post_message(LeaveEditor(2, failure_text))
        self._screen.show_state()
        self._screen.report(failure_text, "bad")
