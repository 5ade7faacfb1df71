"""Download models in a separate thread, so that the engine can answer other commands meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from draggan_engine.checkpoints.checkpoint_file import ReadProgress
from draggan_engine.checkpoints.hub.hub_address import is_hub_address
from draggan_engine.checkpoints.model_zoo import find_public_checkpoint
from draggan_engine.checkpoints.registry import list_downloadable_models, list_models
from draggan_engine.core.errors import CheckpointError, EngineError

from .failures import report_failures
from .messages import ModelsListed
from .outbox import Outbox
from .pull_messages import PullEnded, PullModel, PullProgress

PROGRESS_INTERVAL = 0.1  # seconds


class _StoppedError(Exception):
    """The user has stopped the download."""


class ModelPull:
    """The download of a model, of which there is one at a time.

    Args:
        outbox: gets the progress and the end of each download.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._is_stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, command: PullModel) -> None:
        """Begin a download.

        Raises:
            EngineError: another one is going on.
        """
        if self._thread is not None and self._thread.is_alive():
            raise EngineError("another model is being downloaded; wait until it is done, or stop it")
        self._is_stopped.clear()
        self._thread = threading.Thread(target=self._run, args=(command.source,), name="download", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the download end; the received part is kept."""
        self._is_stopped.set()

    def _run(self, source: str) -> None:
        with report_failures(self._outbox, "pull_model"):
            try:
                spec: str | None = _pull(source, self._progress_reporter(source))
                self._outbox.send(ModelsListed(models=list_models(), public_models=list_downloadable_models()))
            except _StoppedError:
                spec = None
            self._outbox.send(PullEnded(source=source, spec=spec))

    def _progress_reporter(self, source: str, clock: Callable[[], float] = time.monotonic) -> ReadProgress:
        """Return a function that reports progress ten times a second, and ends the download when it is stopped."""
        next_time = 0.0

        def report(_work_name: str, done: int, total: int) -> None:
            nonlocal next_time
            if self._is_stopped.is_set():
                raise _StoppedError
            if clock() >= next_time or done == total:
                self._outbox.send(PullProgress(source=source, done=done, total=total))
                next_time = clock() + PROGRESS_INTERVAL

        return report


def _pull(source: str, progress: ReadProgress) -> str:
    """Download a model, and return what opens it.

    Raises:
        CheckpointError: there is no such model.
        DownloadError, InputError, StorageError: it cannot be downloaded.
    """
    from draggan_engine.checkpoints.loader import check_model_file, obtain_model_file  # imports torch

    if is_hub_address(source):
        obtain_model_file(source, progress)
        return source
    checkpoint = find_public_checkpoint(source)
    if checkpoint is None:
        raise CheckpointError(f"{source}: no public checkpoint has this name")
    from draggan_engine.checkpoints.pull import pull_checkpoint  # imports httpx

    pull_checkpoint(checkpoint, checkpoint.name, check=check_model_file, progress=progress)
    return checkpoint.name
