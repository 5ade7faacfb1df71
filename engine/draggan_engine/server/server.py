"""The engine process: it takes commands from the client and sends events back, over a socket that the client gives it.

It has three threads. The reader (`CommandReader`) handles commands and writes edits to disk from the first moment, also
while torch loads or a drag runs. The writer (`Outbox`) sends events. The main thread (`Engine.run`) loads models and
computes. A download of a model has a thread of its own. The process is the leader of a session of its own, so that it
survives a hangup of the terminal. When its client is gone, it ends the running drag, writes it, and exits, unless
it was started with `--linger`: then it finishes the drag and waits for another client (`lingering`).
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from draggan_engine.core.errors import DragganError
from draggan_engine.storage.session_store import SessionStore

from .codec import encode
from .command_reader import CommandReader
from .engine_state import EngineState
from .failures import failure_of, report_failures
from .job_queue import DragJob, InversionJob, Job, UpdateResult
from .messages import Export, ExportFile, FailedTask, LoadModel, Render
from .outbox import Outbox
from .photograph_messages import OpenPhotograph, ReadInversionMask, ViewPhotograph
from .resumed_session import resumed_event

if TYPE_CHECKING:
    from draggan_engine.checkpoints.loader import Model


class Engine:
    """The main thread of the process.

    Args:
        connection: to the client.
        store: the session that the first model serves.
        device: where models are loaded.
        linger_seconds: how long the engine waits for another client when it has lost one.
    """

    def __init__(
        self, connection: socket.socket, store: SessionStore, device: str, linger_seconds: float = 0.0
    ) -> None:
        self.state = EngineState(Outbox(connection), store, device)
        self._command_reader = CommandReader(connection, self.state, linger_seconds)

    def run(self, spec: str, latent_file: Path | None = None) -> None:
        """Load the model and do jobs until the client is gone and its files are written.

        Args:
            spec: name or path of the model.
            latent_file: a latent that the session may start from.
        """
        state = self.state
        threading.Thread(target=self._command_reader.run, name="reader", daemon=True).start()
        with report_failures(state.outbox, "start"):
            if (resumed := resumed_event(state.store)) is not None:
                state.outbox.send(resumed)
            from .model_jobs import load_first_model  # imports torch, while the reader works

            load_first_model(state, spec, latent_file)
        while (job := state.jobs.get()) is not None:
            with report_failures(state.outbox, _task_of(job)):
                if isinstance(job, LoadModel):
                    from .model_jobs import load_another_model

                    load_another_model(state, job)
                elif state.model is not None:  # without a model, edits are saved all the same
                    _run_job(state, state.model, job)
        if state.engine_socket is not None:
            state.engine_socket.close()
        if state.was_quit:
            state.store.close()
        state.outbox.close()


def _task_of(job: Job) -> FailedTask:
    match job:
        case UpdateResult():
            return "update_result"
        case DragJob() | InversionJob():
            return job.command.type
        case _:
            return job.type


def _run_job(
    state: EngineState,
    model: Model,
    job: Render
    | DragJob
    | Export
    | ExportFile
    | OpenPhotograph
    | InversionJob
    | ViewPhotograph
    | ReadInversionMask
    | UpdateResult,
) -> None:
    from . import drag_jobs, image_jobs, photograph_jobs

    match job:
        case Render():
            image_jobs.render(state, model, job)
            drag_jobs.prepare_drags(state, model)  # the user looks at the first image now and waits for nothing
        case DragJob():
            drag_jobs.run_drag(state, model, job)
        case Export():
            image_jobs.export_result(state, model, job)
        case ExportFile():
            image_jobs.export_file(state, model, job)
        case OpenPhotograph():
            photograph_jobs.send_photograph(state, job)
        case InversionJob():
            photograph_jobs.run_inversion(state, model, job)
        case ViewPhotograph():
            photograph_jobs.view_photograph(state, model, job)
        case ReadInversionMask():
            photograph_jobs.send_inversion_mask(state, model)
        case UpdateResult():
            image_jobs.update_result(state, model)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m draggan_engine.server.server", description="The engine process. The editor starts it."
    )
    parser.add_argument("--fd", type=int, required=True, help="an open socket to the client")
    parser.add_argument("--model", required=True, help="name or path of the model")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--latent", type=Path, help="file of a latent that the session may start from")
    parser.add_argument("--out", type=Path, help="directory of a new session")
    parser.add_argument(
        "--linger",
        type=float,
        default=0.0,
        help="seconds for which the engine waits for another client when it has lost one",
    )
    parser.add_argument("--resume", type=Path, help="directory of a session to continue")
    options = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")

    connection = socket.socket(fileno=options.fd)
    try:
        store = SessionStore(Path(options.model).stem, options.out, options.resume)
    except DragganError as session_error:
        connection.sendall(encode(failure_of(session_error, "start")))
        sys.exit(session_error.exit_code)
    engine = Engine(connection, store, options.device, options.linger)
    for signal_number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signal_number, lambda *_: engine.state.close())
    engine.run(options.model, options.latent)


if __name__ == "__main__":
    main()
