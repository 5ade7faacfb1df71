"""The log, the note about first use, and paths as they are printed for people."""

from __future__ import annotations

import os
import shlex
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO

from draggan_engine.core.errors import StorageError
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.user_directories import log_directory, state_directory


def is_first_use() -> bool:
    """Return whether the hints for new users have not been read to their end; False if that cannot be found out."""
    try:
        return not _hints_read_path().exists()
    except OSError:
        return False


def end_first_use() -> None:
    """Note that the hints have been read. If that fails, they are shown again the next time."""
    with suppress(OSError, StorageError):
        _hints_read_path().parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(_hints_read_path()):
            pass


def _hints_read_path() -> Path:
    return state_directory() / "hints-read"


def open_log() -> IO[bytes]:
    """Open the log file for appending, or the null device if the log cannot be written."""
    try:
        log_directory().mkdir(parents=True, exist_ok=True)
        return (log_directory() / "engine.log").open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


def log_traceback() -> str:
    """Append the exception that is being handled to the log, and return the path of the log."""
    with open_log() as log_file:
        log_file.write(traceback.format_exc().encode())
        return log_file.name


def short_path(path: Path) -> str:
    """Return the absolute path or the path from the working directory, whichever is shorter."""
    try:
        path_texts = (str(path.absolute()), os.path.relpath(path))
    except OSError:  # the working directory was deleted
        return str(path)
    shortest_text = min(path_texts, key=len)
    return f"./{shortest_text}" if shortest_text.startswith("-") else shortest_text


def open_command(session_directory: Path) -> str:
    """Return the command that opens a session, in one line without control characters."""
    command_text = f"draggan-tui open {shlex.quote(short_path(session_directory))}"
    return "".join(
        character if character.isprintable() or "\udc80" <= character <= "\udcff" else "?" for character in command_text
    )
