"""The list of this user's sessions: a file with the path of a session in each line, in the order of their last writes."""

from __future__ import annotations

import logging
from pathlib import Path

import platformdirs

from .output_paths import MANIFEST_FILE

log = logging.getLogger("draggan_engine")
_MAX_SESSIONS = 1000


def _list_path() -> Path:
    return platformdirs.user_state_path("draggan-tui") / "sessions"


def remember_session(session_directory: Path) -> None:
    """Append a session to the list; only log a warning if that fails."""
    session_line = str(session_directory.resolve())
    if "\n" in session_line:
        return
    try:
        _list_path().parent.mkdir(parents=True, exist_ok=True)
        with _list_path().open("a", encoding="utf-8", errors="surrogateescape") as list_file:
            list_file.write(session_line + "\n")  # in one short write, so that two processes cannot mix their lines
    except OSError as write_error:
        log.warning("the list of sessions could not be written: %s", write_error)


def recent_sessions() -> list[Path]:
    """Return the directories in the list that still hold a session, the one written to last first."""
    try:
        list_lines = _list_path().read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    session_directories = [Path(list_line) for list_line in dict.fromkeys(reversed(list_lines[-_MAX_SESSIONS:]))]
    return [session_directory for session_directory in session_directories if _holds_session(session_directory)]


def _holds_session(session_directory: Path) -> bool:
    try:
        return (session_directory / MANIFEST_FILE).is_file()
    except OSError:  # the directory is closed to this user
        return False
