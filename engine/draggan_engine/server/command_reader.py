"""Read the client's commands. What needs no model is done at once, also while torch loads or a drag runs; the rest becomes
a job for the main thread."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

from draggan_engine.checkpoints.registry import list_downloadable_models, list_models
from draggan_engine.core.errors import DragganError, EngineError
from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.storage.image_io import read_mask, write_mask

from .codec import HEADER, body_length, decode_command
from .engine_state import EngineState
from .failures import failure_of, report_failures
from .job_queue import DragJob, InversionJob, UpdateResult
from .messages import (
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

log = logging.getLogger("draggan_engine")


class CommandReader:
    """Handles the commands of one connection, in a thread of its own."""

    def __init__(self, connection: socket.socket, state: EngineState) -> None:
        self._connection, self._engine_state = connection, state

    def run(self) -> None:
        """Handle commands until the client is gone or sends a malformed message; then let the engine end."""
        try:
            for command in receive_commands(self._connection):
                self._handle(command)
        except DragganError as command_error:
            log.error("%s", command_error)
            self._engine_state.outbox.send(failure_of(command_error, "receive"))
        except Exception:
            log.exception("command reader")
        finally:
            self._engine_state.close()

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


def receive_commands(connection: socket.socket) -> Iterator[Command]:
    """Yield commands until the connection ends.

    Raises:
        EngineError: a malformed message came in.
    """
    while (message_header := _receive(connection, HEADER.size)) is not None:
        message_body = _receive(connection, body_length(message_header))
        if message_body is None:
            return
        yield decode_command(message_body)


def _receive(connection: socket.socket, byte_count: int) -> bytes | None:
    """Return that many bytes, or None if the connection ends before."""
    received_bytes = bytearray()
    while len(received_bytes) < byte_count:
        try:
            received_part = connection.recv(byte_count - len(received_bytes))
        except OSError:
            return None
        if not received_part:
            return None
        received_bytes += received_part
    return bytes(received_bytes)
