"""Where the program keeps what is not the user's work (XDG folders)."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import IO

import platformdirs

APP = "draggan-tui"


def config_folder() -> Path:
    """Where the user's configuration and themes are; it need not exist."""
    return platformdirs.user_config_path(APP)


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
