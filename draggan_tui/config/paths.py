"""Where the program keeps what is not the user's work (XDG directories), and how a path is shown to be copied."""

from __future__ import annotations

import os
import shlex
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO

import platformdirs

from draggan_engine.core.errors import StorageError
from draggan_engine.storage.atomic import atomic_write

APP = "draggan-tui"


def config_directory() -> Path:
    """Where the user's configuration and themes are; it need not exist."""
    return platformdirs.user_config_path(APP)


def is_first_use() -> bool:
    """Whether the hints for new users have not been read to their end; not so where that cannot be told."""
    try:
        return not _hints_read().exists()
    except OSError:
        return False


def end_first_use() -> None:
    """Notes that they have; where that cannot be done, they come again the next time."""
    with suppress(OSError, StorageError):
        _hints_read().parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(_hints_read()):
            pass


def _hints_read() -> Path:
    return platformdirs.user_state_path(APP) / "hints-read"


def open_log() -> IO[bytes]:
    """The log file, to append to; the null device where the user's state folder cannot be written."""
    try:
        return (platformdirs.user_log_path(APP, ensure_exists=True) / "engine.log").open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


def log_traceback() -> str:
    """Appends the exception being handled to the log; returns the log's path."""
    with open_log() as log:
        log.write(traceback.format_exc().encode())
        return log.name


def short_path(path: Path) -> str:
    """The path from here where that is shorter than from the root."""
    try:
        candidates = (str(path.absolute()), os.path.relpath(path))
    except OSError:  # the present directory has been removed
        return str(path)
    shortest = min(candidates, key=len)
    return f"./{shortest}" if shortest.startswith("-") else shortest


def open_command(session: Path) -> str:
    """What to type to go on with a session, in one line without control characters."""
    command = f"draggan-tui open {shlex.quote(short_path(session))}"
    return "".join(sign if sign.isprintable() or "\udc80" <= sign <= "\udcff" else "?" for sign in command)
