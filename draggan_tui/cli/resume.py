"""Find an earlier session and check that it can be opened. The engine reads its history.

Every start looks for a session that was not closed, so this module imports only what is light.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from draggan_engine.core.errors import CheckpointError, InputError, OutputError
from draggan_engine.storage.recent_sessions import recent_sessions
from draggan_engine.storage.session_lock import is_session_closing, is_session_open, was_interrupted
from draggan_tui.config.paths import short_path

if TYPE_CHECKING:
    from draggan_engine.storage.session_manifest import ModelReference
    from draggan_tui.editor.state import ResumedSession

ENGINE_TIMEOUT = 60.0  # seconds; an engine whose editor was killed may still have a drag to write


def resume_session(session_directory: Path, model_spec: str | None) -> ResumedSession:
    """Return what a session was left with.

    Args:
        model_spec: a name or path, if the model is no longer where it was.

    Raises:
        InputError: there is no session, it cannot be read, or it is open in another editor.
        CheckpointError: its model is not on this machine.
    """
    from draggan_engine.storage.session_manifest import read_manifest
    from draggan_tui.editor.state import ResumedSession

    _wait_for_engine(session_directory)
    manifest = read_manifest(session_directory)
    if is_session_open(session_directory):
        raise OutputError(f"{session_directory}: this session is open in another editor; close that one first")
    return ResumedSession(
        manifest.edit(), session_directory, model_spec or _find_model(manifest.model, session_directory)
    )


def last_session() -> Path:
    """Return the directory of the session that was written to last.

    Raises:
        InputError: there is none.
    """
    from draggan_engine.storage.session_manifest import read_manifest

    for session_directory in recent_sessions():
        with suppress(InputError):
            read_manifest(session_directory)
            return Path(short_path(session_directory))
    raise InputError("there is no session to open yet: draggan-tui --seed 42 begins one")


def interrupted_session() -> ResumedSession | None:
    """Return the last session that was not closed, because its editor or its engine was killed or the power failed.

    None if there is no such session among the latest, or it cannot be opened.
    """
    for session_directory in recent_sessions()[:5]:
        _wait_for_engine(session_directory)
        if was_interrupted(session_directory):
            try:
                return resume_session(session_directory, None)
            except InputError:
                continue
    return None


def _wait_for_engine(session_directory: Path) -> None:
    """Wait while an engine whose editor is gone writes its drag and ends."""
    deadline = time.monotonic() + ENGINE_TIMEOUT
    while is_session_closing(session_directory) and time.monotonic() < deadline:
        time.sleep(0.05)


def _find_model(model_reference: ModelReference, session_directory: Path) -> str:
    """Return the model of a session: its file, a model of its name, or the converted copy of a file that is gone.

    Raises:
        CheckpointError: it is not on this machine.
    """
    from draggan_engine.checkpoints import registry

    if model_reference.path is not None and Path(model_reference.path).is_file():
        return model_reference.path
    named_models = registry.user_models() | registry.bundled_models()
    if model_reference.name in named_models:
        return str(named_models[model_reference.name])
    if model_reference.sha256 is not None and (cached_path := registry.cached_copy(model_reference.sha256)).is_file():
        return str(cached_path)
    raise CheckpointError(
        f"{session_directory}: its model {model_reference.name} is no longer at "
        f"{model_reference.path or 'a known place'}; say where it is with --model"
    )
