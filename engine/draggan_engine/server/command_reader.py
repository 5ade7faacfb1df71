"""Read the client's commands. What needs no model is done at once, also while torch loads or a drag runs; the rest becomes
a job for the main thread."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

from draggan_engine.checkpoints.registry import list_downloadable_models, list_models
from draggan_engine.core.errors import DragganError, EngineError
from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.storage.image_io import read_mask, write_mask

from .command_stream import receive_commands
from .engine_state import EngineState
from .failures import failure_of, report_failures
from .job_queue import DragJob, InversionJob, UpdateResult
from .lingering import wait_for_client
from .messages import (
    Attach,
    Command,
    Export,
    ExportFile,
    ListModels,
    LoadMask,
    LoadModel,
    MaskLoaded,
    MaskSaved,
    ModelsListed,
    MoveLiveTarget,
    MoveSession,
    PreviewShown,
    Quit,
    ReadTrajectory,
    ReleaseLiveTarget,
    Render,
    Save,
    Saved,
    SaveMask,
    SessionMoved,
    SetPreviewSize,
    StartDrag,
    StopDrag,
    TrajectoryRead,
)
from .photograph_messages import InvertPhotograph, OpenPhotograph, ReadInversionMask, ViewPhotograph
from .pull_messages import PullModel, StopPull
from .resumed_session import resumed_event

log = logging.getLogger("draggan_engine")


class CommandReader:
    """Handles the commands of one connection, in a thread of its own."""

    def __init__(self, connection: socket.socket, state: EngineState, linger_seconds: float = 0.0) -> None:
        self._connection, self._engine_state, self._linger_seconds = connection, state, linger_seconds

    def run(self) -> None:
        """Handle commands until no client is left or one sends a malformed message; then let the engine end."""
        connection: socket.socket | None = self._connection
        try:
            while connection is not None:
                for command in receive_commands(connection):
                    self._handle(command)
                connection = self._next_client(connection)
        except DragganError as command_error:
            log.error("%s", command_error)
            self._engine_state.outbox.send(failure_of(command_error, "receive"))
        except Exception:
            log.exception("command reader")
        finally:
            self._engine_state.close()

    def _next_client(self, lost_connection: socket.socket) -> socket.socket | None:
        """Linger after a client was lost; return the connection of the next one, or None if the engine is to end."""
        state = self._engine_state
        if not self._linger_seconds or state.jobs.is_closed:
            return None
        state.outbox.disconnect(lost_connection)
        lost_connection.close()
        state.drag_control.release_target()  # nobody moves it any longer
        connection = wait_for_client(state, self._linger_seconds)
        if connection is not None:
            state.outbox.connect(connection, lambda: resumed_event(state.store))
            state.drag_control.preview_shown()
        return connection

    def _handle(self, command: Command) -> None:
        state = self._engine_state
        match command:
            case Save() | ListModels() | ReadTrajectory() | LoadMask() | SaveMask() | MoveSession():
                with report_failures(state.outbox, command.type):
                    self._answer(command)
            case StartDrag():
                state.drag_control.stop()
                state.drag_control = DragControl(command.preview_size.size)
                state.jobs.put(DragJob(command, state.drag_control))
            case SetPreviewSize():
                state.drag_control.set_preview_size(command.preview_size.size)
            case PreviewShown():
                state.drag_control.preview_shown()
            case MoveLiveTarget():
                state.drag_control.move_target(command.target)
            case ReleaseLiveTarget():
                state.drag_control.release_target()
            case StopDrag():
                state.drag_control.stop()
            case Render():
                state.jobs.put(command)
                state.drag_control.wake()  # a resting drag takes the time to render it
            case InvertPhotograph():
                state.drag_control.stop()
                state.drag_control = DragControl()
                state.jobs.put(InversionJob(command, state.drag_control))
            case Export() | ExportFile() | OpenPhotograph() | ViewPhotograph() | ReadInversionMask() | LoadModel():
                state.jobs.put(command)
            case PullModel():
                with report_failures(state.outbox, command.type):
                    state.model_pull.start(command)
            case StopPull():
                state.model_pull.stop()
            case Attach():
                raise EngineError("malformed message: Attach is the first command of a connection")
            case Quit():
                state.was_quit = True
                state.close()

    def _answer(self, command: Save | ListModels | ReadTrajectory | LoadMask | SaveMask | MoveSession) -> None:
        state = self._engine_state
        match command:
            case Save():
                session_directory = state.store.save(command.revisions, command.current)
                state.outbox.send(Saved(change_count=command.change_count, directory=str(session_directory)))
                state.jobs.put(UpdateResult())
            case ListModels():
                state.outbox.send(ModelsListed(models=list_models(), public_models=list_downloadable_models()))
            case ReadTrajectory():
                state.outbox.send(TrajectoryRead(trajectory=state.store.trajectory(command.drag_number)))
            case LoadMask():
                self._load_mask(command)
            case SaveMask():
                write_mask(Path(command.path), command.mask)
                state.outbox.send(MaskSaved(path=command.path))
            case MoveSession():
                state.store.move_to(Path(command.directory))
                state.outbox.send(SessionMoved(directory=command.directory))
                state.jobs.put(UpdateResult())  # for the images that could not be written before

    def _load_mask(self, command: LoadMask) -> None:
        loaded_model = self._engine_state.model
        if loaded_model is None:
            raise EngineError("the model is still loading: the mask has the size of its images")
        mask, is_resized = read_mask(Path(command.path), loaded_model.info.size)
        self._engine_state.outbox.send(MaskLoaded(path=command.path, mask=mask, resized=is_resized))
