"""The engine process: commands in, events out, over a socket that the screen hands it.

Three threads. The reader takes commands and writes edits to disk from the first moment, while torch still
loads or a step runs; the writer sends events, leaving out progress that a newer one has overtaken; the main
thread loads the model and computes. The process lives in a session of its own, so a hangup of the
terminal does not end it; when its client is gone it ends the running drag, writes it, and exits.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from .files import SessionStore
from .protocol.edit import Edit
from .protocol.errors import DragganError
from .protocol.geometry import Size
from .protocol.messages import (
    HEADER,
    LOSSY,
    Command,
    DragEnded,
    DragProgress,
    DragStarted,
    Event,
    Export,
    Exported,
    Failed,
    ModelLoaded,
    Preview,
    Quit,
    Render,
    Save,
    Saved,
    StartDrag,
    StopDrag,
    body_length,
    decode_command,
    encode,
)

if TYPE_CHECKING:
    from torch import Tensor

    from .checkpoints import Model
    from .drag import DragSession, DragStep

log = logging.getLogger("draggan_engine")

# Pictures for the screen may take so much of a drag's time, and come at most so often.
PREVIEW_SHARE = 0.25
PREVIEW_INTERVAL = 1 / 15


class Outbox:
    """Sends events in a thread of its own; of a lossy kind only the newest waits."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._waiting: deque[Event] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def send(self, event: Event) -> None:
        with self._change:
            if isinstance(event, LOSSY):
                self._waiting = deque(
                    e for e in self._waiting if type(e) is not type(event) or not _overtakes(event, e)
                )
            self._waiting.append(event)
            self._change.notify()

    def holds_preview(self) -> bool:
        """Whether the line is slower than the pictures."""
        with self._change:
            return any(isinstance(event, Preview) for event in self._waiting)

    def close(self, timeout: float = 5.0) -> None:
        """Sends what is left, within `timeout` seconds."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._waiting:
                    if self._closed:
                        return
                    self._change.wait()
                event = self._waiting.popleft()
            try:
                self._connection.sendall(encode(event))
            except OSError:
                return  # the client is gone; the reader notices it too


def _overtakes(new: Event, old: Event) -> bool:
    """A drag's preview does not replace the answer to a request."""
    return not (isinstance(new, Preview) and isinstance(old, Preview) and new.request < old.request)


class Jobs:
    """What the main thread still has to do. A newer picture request replaces an older one."""

    def __init__(self) -> None:
        self._waiting: deque[Command | _Refresh] = deque()
        self._change = threading.Condition()
        self._closed = False

    def put(self, job: Command | _Refresh) -> None:
        with self._change:
            if isinstance(job, Render | _Refresh):
                self._waiting = deque(other for other in self._waiting if type(other) is not type(job))
            self._waiting.append(job)
            self._change.notify()

    def close(self) -> None:
        """No more jobs; what is there is done first, except pictures that nobody will see."""
        with self._change:
            self._closed = True
            self._waiting = deque(job for job in self._waiting if not isinstance(job, Render | StartDrag))
            self._change.notify()

    def get(self) -> Command | _Refresh | None:
        """The next job; None at the end."""
        with self._change:
            while not self._waiting and not self._closed:
                # With a timeout, so that signals are looked at.
                self._change.wait(0.5)
            return self._waiting.popleft() if self._waiting else None

    @property
    def closed(self) -> bool:
        return self._closed


class _Refresh:
    """Bring final.png up to date with an edit that was saved."""

    def __init__(self, edit: Edit) -> None:
        self.edit = edit


class Engine:
    """The state that the threads share."""

    def __init__(self, connection: socket.socket, store: SessionStore) -> None:
        self.connection = connection
        self.store = store
        self.outbox = Outbox(connection)
        self.jobs = Jobs()
        self._drag: DragSession | None = None
        self._stop_wanted = False
        self._shown: tuple[int, float, int] | None = None

    # Reader thread ------------------------------------------------------------------------------------

    def read(self) -> None:
        """Takes commands until the client goes away."""
        try:
            while (command := self._receive()) is not None:
                self._take(command)
        except DragganError as error:
            log.error("%s", error)
            self.outbox.send(Failed(command="connection", message=str(error)))
        except Exception:
            log.exception("reader")
        finally:
            self.leave()

    def leave(self) -> None:
        """Ends the running drag and, when its result is written, the process."""
        self.jobs.close()
        self._stop_drag()

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
                self._stop_drag()
            case Quit():
                self.leave()
            case StartDrag():
                self._stop_wanted = False
                self.jobs.put(command)
            case _:
                self.jobs.put(command)

    def _save(self, command: Save) -> None:
        try:
            folder = self.store.save(command.edit)
        except DragganError as error:
            self.outbox.send(Failed(command="save", message=str(error), revision=command.revision))
            return
        self.outbox.send(Saved(revision=command.revision, folder=str(folder)))
        self.jobs.put(_Refresh(command.edit))

    def _stop_drag(self) -> None:
        self._stop_wanted = True
        if self._drag is not None:
            self._drag.stop()

    # Main thread --------------------------------------------------------------------------------------

    def run(self, model_name: str, device: str) -> None:
        """Loads the model, then works until there is nothing left to do and the client is gone."""
        model: Model | None = None
        with self._reported("start"):
            model = self._load(model_name, device)
        # Without a model the reader still saves edits; the screen decides when to end.
        while (job := self.jobs.get()) is not None:
            if model is not None:
                with self._reported("result" if isinstance(job, _Refresh) else job.type):
                    self._do(model, job)
        self.outbox.close()

    def _load(self, name: str, device: str) -> Model:
        from .checkpoints import load_model  # torch takes seconds; the reader is at work meanwhile

        model = load_model(name, device)
        self.store.know_model(model.name, model.sha256)
        self.outbox.send(ModelLoaded(info=model.info, device=str(model.generator.device)))
        return model

    @contextmanager
    def _reported(self, command: str) -> Iterator[None]:
        """Turns what goes wrong into an event; a traceback goes to the log only."""
        try:
            yield
        except DragganError as error:
            self.outbox.send(Failed(command=command, message=str(error)))
        except (MemoryError, RuntimeError) as error:
            log.exception("%s", command)
            self.outbox.send(Failed(command=command, message=_short(error)))
        except Exception as error:
            log.exception("%s", command)
            self.outbox.send(
                Failed(
                    command=command,
                    message=f"the engine met an unexpected {type(error).__name__}; the log has the details",
                )
            )

    def _do(self, model: Model, job: Command | _Refresh) -> None:
        from .recording import write_result

        match job:
            case Render():
                self._send_preview(model, job.request, job.edit, Size(job.width, job.height))
            case StartDrag():
                self._run_drag(model, job)
            case Export():
                files = write_result(model, self.store, job.edit)
                self.outbox.send(Exported(files=tuple(map(str, files))))
            case _Refresh():
                if self._shown != _picture_key(job.edit):
                    write_result(model, self.store, job.edit)
                    self._shown = _picture_key(job.edit)
            case _:
                raise AssertionError(f"{job} is the reader's")

    def _send_preview(self, model: Model, request: int, edit: Edit, wanted: Size) -> None:
        from .recording import latent_of

        self._send_picture(model, request, latent_of(model, self.store, edit), wanted)

    def _send_picture(self, model: Model, request: int, ws: Tensor, wanted: Size) -> None:
        from .networks.pictures import picture

        image = Image.fromarray(picture(model.generator, ws, at_least=wanted))
        if image.width > wanted.width or image.height > wanted.height:
            image = image.resize((wanted.width, wanted.height), Image.Resampling.BOX)
        self.outbox.send(Preview(request=request, width=image.width, height=image.height, rgb=image.tobytes()))

    def _run_drag(self, model: Model, command: StartDrag) -> None:
        from .drag import DragStep
        from .recording import prepare_drag, record_drag

        session = prepare_drag(model, self.store, command.edit)
        self._drag = session
        if self._stop_wanted or self.jobs.closed:
            session.stop()
        number = self.store.next_drag()
        self.outbox.send(DragStarted(number=number))
        began = shown = time.monotonic()
        rendering = 0.0
        try:
            for event in record_drag(model, self.store, command.edit, number, session):
                now = time.monotonic()
                if not isinstance(event, DragStep):
                    self._shown = _picture_key(event.edit)
                    self.outbox.send(DragEnded(record=event.record, problem=event.problem))
                    break
                self.outbox.send(_progress(event, command.edit.settings.max_steps, event.step / (now - began)))
                due = now - shown >= PREVIEW_INTERVAL and rendering <= PREVIEW_SHARE * (now - began)
                if due and not self.outbox.holds_preview():
                    self._send_picture(model, 0, event.ws, Size(command.width, command.height))
                    shown = time.monotonic()
                    rendering += shown - now
        finally:
            self._drag = None


def _progress(event: DragStep, max_steps: int, rate: float) -> DragProgress:
    return DragProgress(
        step=event.step,
        max_steps=max_steps,
        loss=event.loss,
        mean_distance=event.mean_distance,
        handles=event.handles,
        steps_per_second=rate,
    )


def _picture_key(edit: Edit) -> tuple[int, float, int]:
    """What decides an edit's picture."""
    return (edit.seed, edit.psi, edit.latent)


def _short(error: Exception) -> str:
    text = str(error).strip().splitlines()
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "out of memory: close other programs on the device, or start with --device cpu; the edit is kept"
    return f"the computation failed ({text[0] if text else type(error).__name__}); the log has the details"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m draggan_engine.process", description="Started by the editor.")
    parser.add_argument("--fd", type=int, required=True, help="an open socket to the client")
    parser.add_argument("--model", required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="folder of the session")
    parser.add_argument("--resume", type=Path, help="folder that an earlier engine of this session made")
    args = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")

    connection = socket.socket(fileno=args.fd)
    store = SessionStore(Path(args.model).stem, args.out, args.resume)
    engine = Engine(connection, store)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: engine.leave())
    threading.Thread(target=engine.read, name="reader", daemon=True).start()
    engine.run(args.model, args.device)


if __name__ == "__main__":
    main()
