"""The engine process: commands in, events out, over a socket that the screen hands it.

Three threads. The reader takes commands and writes edits to disk from the first moment, while torch still
loads or a step runs; the writer sends events, leaving out progress that a newer one has overtaken; the main
thread loads models and computes. The process lives in a session of its own, so a hangup of the
terminal does not end it; when its client is gone it ends the running drag, writes it, and exits.
"""

from __future__ import annotations

import argparse
import gc
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from draggan_engine.checkpoints.registry import list_models
from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import DragganError, EditError, EngineError, Remedy
from draggan_engine.core.history import Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.storage.image_io import read_mask, write_mask
from draggan_engine.storage.session_store import SessionStore

from .codec import HEADER, body_length, decode_command, encode
from .drag_control import Steering
from .drag_reporter import DragTeller
from .job_queue import JobQueue, Refresh
from .messages import (
    Command,
    DragEnded,
    DragStarted,
    Event,
    Export,
    Exported,
    ExportFile,
    ExportProgress,
    Failed,
    FailedTask,
    ImageData,
    ImageRendered,
    ListModels,
    LoadMask,
    LoadModel,
    LoadProgress,
    MaskLoaded,
    MaskSaved,
    ModelLoaded,
    ModelsListed,
    MoveLiveTarget,
    MoveSession,
    PreviewShown,
    Quit,
    ReadTrajectory,
    ReleaseLiveTarget,
    Render,
    Resumed,
    Save,
    Saved,
    SaveMask,
    SessionMoved,
    SetPreviewSize,
    StartDrag,
    StopDrag,
    TrajectoryRead,
)
from .outbox import Outbox

if TYPE_CHECKING:
    from draggan_engine.checkpoints.loader import Model
    from draggan_engine.networks.preview_fidelity import PreviewHeights

log = logging.getLogger("draggan_engine")

LOADING_INTERVAL = 0.1


class Engine:
    """The state that the threads share.

    Args:
        connection: to the client.
        store: of the session that the first model serves.
        device: where models go.
    """

    def __init__(self, connection: socket.socket, store: SessionStore, device: str) -> None:
        self.connection = connection
        self.store = store
        self.device = device
        self.model: Model | None = None
        self.outbox = Outbox(connection)
        self.jobs = JobQueue()
        self.steering = Steering()
        self._closed_in_order = False
        self._heights: PreviewHeights | None = None  # of the model's images that may be shown; None: not measured yet
        self._shown: LatentRef | None = None  # the source of the picture in final.png

    # Reader thread ------------------------------------------------------------------------------------

    def read(self) -> None:
        """Takes commands until the client goes away."""
        try:
            while (command := self._receive()) is not None:
                self._take(command)
        except DragganError as error:
            log.error("%s", error)
            self.outbox.send(Failed(task="receive", message=str(error), remedy=error.remedy))
        except Exception:
            log.exception("reader")
        finally:
            self.leave()

    def leave(self) -> None:
        """Ends the running drag and, when its result is written, the process."""
        self.jobs.close()
        self.steering.stop()
        self.store.announce_close()

    def _receive(self) -> Command | None:
        header = self._exactly(HEADER.size)
        body = None if header is None else self._exactly(body_length(header))
        return None if body is None else decode_command(body)

    def _exactly(self, count: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < count:
            try:
                part = self.connection.recv(count - len(parts))
            except OSError:
                return None
            if not part:
                return None
            parts += part
        return bytes(parts)

    def _take(self, command: Command) -> None:
        match command:
            case Save():
                self._save(command)
            case StopDrag():
                self.steering.stop()
            case ListModels():
                with self._reported(command.type):
                    self.outbox.send(ModelsListed(models=list_models()))
            case ReadTrajectory():
                self.outbox.send(TrajectoryRead(trajectory=self.store.trajectory(command.drag_number)))
            case LoadMask() | SaveMask():
                with self._reported(command.type):
                    self._mask_file(command)
            case MoveSession():
                with self._reported(command.type):
                    self.store.move_to(Path(command.directory))
                    self.outbox.send(SessionMoved(directory=command.directory))
                    self.jobs.put(Refresh())  # the images that could not be written
            case Quit():
                self._closed_in_order = True
                self.leave()
            case StartDrag():
                self.steering.expect(command.preview_size.size)
                self.jobs.put(command)
            case SetPreviewSize():
                self.steering.see(command.preview_size.size)
            case PreviewShown():
                self.steering.unseen = False
            case Render():
                self.jobs.put(command)
                self.steering.wake()
            case MoveLiveTarget():
                self.steering.lead(command.target)
            case ReleaseLiveTarget():
                self.steering.lead(None)
            case Export() | ExportFile() | LoadModel():
                self.jobs.put(command)

    def _save(self, command: Save) -> None:
        try:
            folder = self.store.save(command.revisions, command.current)
        except DragganError as error:
            self.outbox.send(Failed(task="save", message=str(error), remedy=error.remedy))
            return
        self.outbox.send(Saved(change_count=command.change_count, directory=str(folder)))
        self.jobs.put(Refresh())

    def _mask_file(self, command: LoadMask | SaveMask) -> None:
        path = Path(command.path)
        if isinstance(command, SaveMask):
            write_mask(path, command.mask)
            self.outbox.send(MaskSaved(path=command.path))
        elif self.model is None:
            raise EngineError("the model is still loading: the mask has the size of its images")
        else:
            mask, resized = read_mask(path, self.model.info.size)
            self.outbox.send(MaskLoaded(path=command.path, mask=mask, resized=resized))

    # Main thread --------------------------------------------------------------------------------------

    def run(self, spec: str, latent: Path | None = None) -> None:
        """Loads the model, then works until there is nothing left to do and the client is gone.

        Args:
            latent: a file whose latent the session may start from.
        """
        with self._reported("start"):
            if self.store.history is not None:
                made = tuple(entry for entry in self.store.history.revisions.values() if entry.record is not None)
                self.outbox.send(Resumed(revisions=made))
            self._start(spec, latent)
        while (job := self.jobs.get()) is not None:
            with self._reported("update_result" if isinstance(job, Refresh) else job.type):
                if isinstance(job, LoadModel):
                    self._load_another(job)
                elif self.model is not None:  # without one the reader still saves edits; the screen decides when to end
                    self._do(self.model, job)
        if self._closed_in_order:
            self.store.close()
        self.outbox.close()

    def _start(self, spec: str, latent: Path | None) -> None:
        model = self._load(spec)
        if latent is not None and not self.store.has_file_latent:
            from draggan_engine.checkpoints.latent_files import read_latent

            self.store.set_file_latent(read_latent(latent, model.info.num_ws, model.info.w_dim))
        self._use(model)

    def _load_another(self, command: LoadModel) -> None:
        """Beside the present model, which goes when the other one is there; so does its session."""
        model = self._load(command.spec)
        self.store.close()
        self.store = SessionStore(model.name, None if command.directory is None else Path(command.directory))
        self._use(model)
        _free_memory()

    def _load(self, spec: str) -> Model:
        from draggan_engine.checkpoints.loader import load_model

        return load_model(spec, self.device, paced(self.outbox.send))

    def _use(self, model: Model) -> None:
        self.store.set_model(model.name, model.sha256, model.path)
        self.model, self._heights, self._shown = model, None, None
        self.outbox.send(ModelLoaded(spec=model.spec, info=model.info, device=str(model.generator.device)))

    @contextmanager
    def _reported(self, task: FailedTask) -> Iterator[None]:
        """Turns what goes wrong into an event; a traceback goes to the log only."""
        try:
            yield
        except DragganError as error:
            self.outbox.send(Failed(task=task, message=str(error), remedy=error.remedy))
        except (MemoryError, RuntimeError) as error:
            log.exception("%s", task)
            remedy = Remedy.use_cpu if _is_out_of_memory(error) else None
            self.outbox.send(Failed(task=task, message=_short(error), remedy=remedy))
        except Exception as error:
            log.exception("%s", task)
            self.outbox.send(
                Failed(
                    task=task,
                    message=f"the engine met an unexpected {type(error).__name__}; the log has the details",
                )
            )

    def _do(self, model: Model, job: Render | StartDrag | Export | ExportFile | Refresh) -> None:
        from .drag_runner import write_result

        match job:
            case Render():
                self._send_preview(model, job)
                self._preview_heights(model)  # the user is looking at the first image now, and waits for nothing
            case StartDrag():
                self._run_drag(model, job)
            case Export():
                files = write_result(model, self.store, job.edit)
                self.outbox.send(Exported(files=tuple(map(str, files))))
            case ExportFile():
                from .export import export  # and with it the films' codecs

                export(
                    model,
                    self.store,
                    job.edit,
                    Path(job.path),
                    markers=job.markers,
                    progress=lambda done, total: self.outbox.send(ExportProgress(done=done, total=total)),
                )
                self.outbox.send(Exported(files=(job.path,)))
            case Refresh():
                edit = self.store.edit
                if edit is not None and self._shown != edit.source:
                    write_result(model, self.store, edit)
                    self._shown = edit.source

    def _send_preview(self, model: Model, command: Render) -> None:
        from .drag_runner import picture_of

        image = ImageData.from_array(picture_of(model, self.store, command.edit))
        self.outbox.send(ImageRendered(request_id=command.request_id, image=image))

    def _preview_heights(self, model: Model) -> PreviewHeights:
        """Return the heights in which a drag of the model may be shown; they are measured once."""
        from draggan_engine.networks.preview_fidelity import measure_preview_heights

        if self._heights is None:
            self._heights = measure_preview_heights(model.generator)
            log.info("heights of images like the full one: %s", self._heights)
        return self._heights

    def _run_drag(self, model: Model, command: StartDrag) -> None:
        from draggan_engine.dragging import DragAtRest, DragStep
        from draggan_engine.networks.devices import can_render_during_drag

        from .drag_runner import prepare_drag, record_drag

        parent = self._saved_revision(command.revision)
        edit = parent.edit
        if command.max_steps is not None:
            edit = edit.model_copy(
                update={"settings": edit.settings.model_copy(update={"max_steps": command.max_steps})}
            )
        session = prepare_drag(model, self.store, edit, command.live_pair)
        number = self.store.next_drag_number()
        self.outbox.send(DragStarted(drag_number=number, precision=session.settings.precision, notice=session.notice))
        teller = DragTeller(
            self.outbox,
            self.steering,
            session,
            edit.settings.max_steps if command.live_pair is None else None,
            self._preview_heights(model),
            beside=can_render_during_drag(model.generator.device),
        )
        with teller, self.steering.of(session):
            for event in record_drag(model, self.store, parent, number, session, command.live_pair):
                if (asked := self.jobs.take_render()) is not None:
                    with self._reported(asked.type):
                        self._send_preview(model, asked)
                if isinstance(event, DragStep):
                    teller.step(event)
                elif isinstance(event, DragAtRest):
                    teller.rest()
                else:
                    teller.end()
                    self._shown = None if event.problem else event.edit.source
                    image = self._result_image(model, event.edit)
                    self.outbox.send(
                        DragEnded(record=event.record, revision=event.revision, image=image, problem=event.problem)
                    )

    def _saved_revision(self, id: int) -> Revision:
        """
        Raises:
            EditError: the client has not saved it.
        """
        history = self.store.history
        if history is None or id not in history.revisions:
            raise EditError(f"revision {id} has not been saved, so it cannot be dragged: save it first")
        return history.revisions[id]

    def _result_image(self, model: Model, edit: Edit) -> ImageData | None:
        """Return the image that a drag ended with at full resolution, for the screen; None if it cannot be drawn."""
        from .drag_runner import picture_of

        try:
            return ImageData.from_array(picture_of(model, self.store, edit))
        except (MemoryError, RuntimeError):  # the client asks for it again, and hears why not
            log.exception("a drag's result is not shown")
            return None


def paced(
    send: Callable[[Event], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[str, int, int], None]:
    """What a model's loading tells its progress to: sends some of it, ten a second and each kind's first and last."""
    said, due = "", 0.0

    def tell(what: str, done: int, total: int) -> None:
        nonlocal said, due
        now = clock()
        if what != said or now >= due or done >= total:
            send(LoadProgress(stage=what, done=done, total=total))
            said, due = what, now + LOADING_INTERVAL

    return tell


def _free_memory() -> None:
    """Gives back what a model that nothing refers to any more has taken."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def _short(error: Exception) -> str:
    text = str(error).strip().splitlines()
    if _is_out_of_memory(error):
        return "out of memory; the edit is kept"
    return f"the computation failed ({text[0] if text else type(error).__name__}); the log has the details"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m draggan_engine.server.server", description="Started by the editor."
    )
    parser.add_argument("--fd", type=int, required=True, help="an open socket to the client")
    parser.add_argument("--model", required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--latent", type=Path, help="file of a latent that the session may start from")
    parser.add_argument("--out", type=Path, help="directory of the session")
    parser.add_argument("--resume", type=Path, help="directory of a session to go on with")
    args = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")

    connection = socket.socket(fileno=args.fd)
    try:
        store = SessionStore(Path(args.model).stem, args.out, args.resume)
    except DragganError as error:
        connection.sendall(encode(Failed(task="start", message=str(error), remedy=error.remedy)))
        sys.exit(error.exit_code)
    engine = Engine(connection, store, args.device)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: engine.leave())
    threading.Thread(target=engine.read, name="reader", daemon=True).start()
    engine.run(args.model, args.latent)


if __name__ == "__main__":
    main()
