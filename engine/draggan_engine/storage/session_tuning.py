"""The tuning of the generator to the photograph that a session starts from, as a file in the session's directory."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from .atomic import atomic_write

TUNING_FILE = "inversion-tuning.safetensors"


def find_tuning(session_directory: Path) -> Path | None:
    """Return the tuning of a session; None if its generator is not tuned."""
    tuning_path = session_directory / TUNING_FILE
    return tuning_path if tuning_path.exists() else None


def place_tuning(tuning_path: Path | None, session_directory: Path) -> Path | None:
    """Bring a tuning into the directory of a session, and return its path there.

    Args:
        tuning_path: the file, in this directory or in another; None: the session has no tuning, and one that an
            interrupted command has left is removed.

    Raises:
        StorageError: it cannot be copied.
    """
    own_path = session_directory / TUNING_FILE
    if tuning_path is None:
        with suppress(OSError):
            own_path.unlink(missing_ok=True)
        return None
    if tuning_path != own_path:
        with atomic_write(own_path) as temporary_path:
            shutil.copyfile(tuning_path, temporary_path)
    return own_path
