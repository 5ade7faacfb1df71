"""Find an earlier session and check that it can be opened. The engine reads its history.

To look whether there is one that was not closed is a part of every start, and costs it no import that is not light.
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

PATIENCE = 60.0  # seconds; an engine whose editor was killed may have a drag to write


def take_up(folder: Path, model: str | None) -> ResumedSession:
    """What a session was left with.

    Args:
        model: a name or path, if the user says where it is.

    Raises:
        InputError: no session, one that cannot be read, or one that is open in another editor.
        CheckpointError: its model is not on this machine.
    """
    from draggan_engine.storage.session_manifest import read_manifest
    from draggan_tui.editor.state import ResumedSession

    _outlast_engine(folder)
    session = read_manifest(folder)
    if is_session_open(folder):
        raise OutputError(f"{folder}: this session is open in another editor; close that one first")
    return ResumedSession(session.edit(), folder, model or _model(session.model, folder))


def last_session() -> Path:
    """The directory of the session that was written to last.

    Raises:
        InputError: there is none.
    """
    from draggan_engine.storage.session_manifest import read_manifest

    for directory in recent_sessions():
        with suppress(InputError):
            read_manifest(directory)
            return Path(short_path(directory))
    raise InputError("there is no session to open yet: draggan-tui --seed 42 begins one")


def unclosed() -> ResumedSession | None:
    """The last session that was not closed, if there is one that can be gone on with: its editor or its engine was
    killed, or the power went."""
    for folder in recent_sessions()[:5]:
        _outlast_engine(folder)
        if was_interrupted(folder):
            try:
                return take_up(folder, None)
            except InputError:
                continue
    return None


def _outlast_engine(folder: Path) -> None:
    """Lets an engine whose editor is gone write what it still has to, and end."""
    deadline = time.monotonic() + PATIENCE
    while is_session_closing(folder) and time.monotonic() < deadline:
        time.sleep(0.05)


def _model(model: ModelReference, folder: Path) -> str:
    """The file where it was, one of its name, or the converted copy of a file that is gone."""
    from draggan_engine.checkpoints import registry

    if model.path is not None and Path(model.path).is_file():
        return model.path
    named = registry.user_models() | registry.bundled_models()
    if model.name in named:
        return str(named[model.name])
    if model.sha256 is not None and (copy := registry.cached_copy(model.sha256)).is_file():
        return str(copy)
    raise CheckpointError(
        f"{folder}: its model {model.name} is not at {model.path or 'a known place'} any more; say where it is with --model"
    )
