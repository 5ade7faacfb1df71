"""Load models and report how far that is."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path

import torch

from draggan_engine.checkpoints.checkpoint_file import ReadProgress
from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.errors import EngineError
from draggan_engine.storage.session_store import SessionStore

from .engine_state import EngineState
from .messages import LoadModel, LoadProgress
from .session_model import start_from_latent, with_session_tuning

PROGRESS_INTERVAL = 0.1  # seconds


def load_first_model(state: EngineState, spec: str, latent_file: Path | None) -> None:
    """Load the model of the engine's first session.

    Args:
        latent_file: a latent that the session may start from; not read if the session has kept its own copy.

    Raises:
        DragganError: the model or the latent cannot be loaded.
    """
    loaded_model = load_model(spec, state.device, _load_progress(state))
    if latent_file is not None and not state.store.has_file_latent:
        start_from_latent(loaded_model, state.store, latent_file)
    state.use_model(with_session_tuning(loaded_model, state.store))


def load_another_model(state: EngineState, command: LoadModel) -> None:
    """Load a model and begin a session with it. The current model and session stay until it is loaded.

    Raises:
        DragganError: the model cannot be loaded.
    """
    loaded_model = load_model(command.spec, state.device, _load_progress(state))
    state.store.close()
    state.store = SessionStore(loaded_model.name, None if command.directory is None else Path(command.directory))
    state.use_model(loaded_model)
    gc.collect()  # frees the earlier model
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load_progress(state: EngineState) -> ReadProgress:
    """Return a function that reports progress, and ends the work when the engine ends: a download can take long."""
    send_progress = throttled_progress(state.outbox.send)

    def report(stage: str, done: int, total: int) -> None:
        if state.jobs.is_closed:
            raise EngineError("the engine ends, and the model is not loaded any more")
        send_progress(stage, done, total)

    return report


def throttled_progress(
    send_event: Callable[[LoadProgress], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[str, int, int], None]:
    """Return a function that takes (stage, done, total) and sends ten events a second, and each stage's first and last."""
    last_stage, next_time = "", 0.0

    def report(stage: str, done: int, total: int) -> None:
        nonlocal last_stage, next_time
        now = clock()
        if stage != last_stage or now >= next_time or done >= total:
            send_event(LoadProgress(stage=stage, done=done, total=total))
            last_stage, next_time = stage, now + PROGRESS_INTERVAL

    return report
