"""Where the program keeps what is not the user's work (XDG folders)."""

from __future__ import annotations

import traceback
from pathlib import Path

import platformdirs

APP = "draggan-tui"


def log_file() -> Path:
    """The engine's log; its folder is made."""
    return platformdirs.user_log_path(APP, ensure_exists=True) / "engine.log"


def log_traceback() -> Path:
    """Appends the exception being handled to the log file; returns the file."""
    path = log_file()
    with path.open("a", encoding="utf-8") as log:
        traceback.print_exc(file=log)
    return path
