"""The sessions of this user, wherever their folders are: a line each, in the order in which they were written to."""

from __future__ import annotations

import logging
from pathlib import Path

from draggan_engine.storage.user_directories import state_directory

log = logging.getLogger("draggan_engine")
_KEPT = 1000


def _list() -> Path:
    return state_directory() / "sessions"


def remember_session(folder: Path) -> None:
    """Notes a session's folder; where that cannot be done, the session is none the worse."""
    line = str(folder.resolve())
    if "\n" in line:
        return
    try:
        _list().parent.mkdir(parents=True, exist_ok=True)
        with _list().open("a", encoding="utf-8", errors="surrogateescape") as file:  # one short write: nothing is lost
            file.write(line + "\n")
    except OSError as error:
        log.warning("the list of sessions could not be written: %s", error)


def recent_sessions() -> list[Path]:
    """Folders that still hold a session, the one written to last first."""
    try:
        lines = _list().read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    folders = [Path(line) for line in dict.fromkeys(reversed(lines[-_KEPT:]))]
    return [folder for folder in folders if _holds_session(folder)]


def _holds_session(folder: Path) -> bool:
    try:
        return (folder / "session.json").is_file()
    except OSError:  # it is closed to this user
        return False
