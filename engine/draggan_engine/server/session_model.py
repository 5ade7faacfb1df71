"""The model of a session, with the generator that is tuned to its photograph, and the latent that a session starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from draggan_engine.checkpoints.latent_files import read_latent, session_of_latent
from draggan_engine.checkpoints.loader import Model
from draggan_engine.checkpoints.tuning_file import read_tuning
from draggan_engine.core.errors import InputError
from draggan_engine.networks.generator_tuning import tuned_generator
from draggan_engine.storage.inversion_files import read_inversion
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.session_tuning import TUNING_FILE, find_tuning


def start_from_latent(model: Model, store: SessionStore, latent_path: Path) -> None:
    """Let a new session start from the latent in a file, with the tuning of the generator that belongs to this latent.

    Raises:
        CheckpointError: the latent cannot be used.
        InputError: its tuning is missing.
    """
    store.set_file_latent(read_latent(latent_path, model.info.num_ws, model.info.w_dim))
    session_directory = session_of_latent(latent_path)
    if session_directory is not None:
        store.tuning_path = find_tuning(session_directory)
        _check_tuning(store.tuning_path, session_directory)


def with_session_tuning(model: Model, store: SessionStore) -> Model:
    """Return the model with the generator that is tuned to the session's photograph, if the session has one.

    Raises:
        InputError: the file of the tuning is missing or damaged, or belongs to another model.
    """
    if store.directory is not None:
        _check_tuning(store.tuning_path, store.directory)
    if store.tuning_path is None:
        return model
    tuning = read_tuning(store.tuning_path, model.generator, model.sha256)
    return replace(model, photograph_generator=tuned_generator(model.generator, tuning))


def _check_tuning(tuning_path: Path | None, session_directory: Path) -> None:
    """
    Raises:
        InputError: the inversion of the session has tuned the generator, and there is no tuning.
    """
    try:
        record = read_inversion(session_directory)
    except InputError:  # who needs the record itself is told
        record = None
    if tuning_path is None and record is not None and record.tuned:
        raise InputError(
            f"{session_directory / TUNING_FILE} is missing: the generator was tuned to the photograph of this session; "
            "restore the file, or invert the photograph again"
        )
