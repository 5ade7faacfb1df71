"""`.open`, the lock file of a session: the engine that works on the session holds it, and an engine that is killed leaves
it behind."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from draggan_engine.core.errors import OutputError

from .file_lock import open_locked

LOCK_FILE = ".open"
_CLOSING = b"leaving"


class SessionLock:
    """The lock on a session's directory, held by this process until `release` or until it dies.

    Where no lock file can be made, the session works without one.

    Args:
        directory: the session's directory.

    Raises:
        OutputError: another process holds the lock.
    """

    def __init__(self, directory: Path) -> None:
        self._lock_path = directory / LOCK_FILE
        self._descriptor: int | None = None
        with suppress(OSError):
            self._descriptor = open_locked(self._lock_path, 0o600, need_lock=False)
            if self._descriptor is None:
                raise OutputError(f"{directory}: this session is open in another editor; close that one first")
            os.truncate(self._descriptor, 0)  # a killed engine may have left `_CLOSING` in it

    def mark_closing(self) -> None:
        """Note in the file that the editor is gone, and that this engine only finishes its writing."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.pwrite(self._descriptor, _CLOSING, 0)

    def release(self) -> None:
        """Remove the file and give up the lock: the session was closed in order."""
        if self._descriptor is not None:
            with suppress(OSError):
                self._lock_path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def is_session_open(directory: Path) -> bool:
    """Return whether a running engine works on the session."""
    return _is_locked(directory) is True


def is_session_closing(directory: Path) -> bool:
    """Return whether the engine that works on the session has lost its editor and is about to exit."""
    try:
        return is_session_open(directory) and (directory / LOCK_FILE).read_bytes() == _CLOSING
    except OSError:
        return False


def was_interrupted(directory: Path) -> bool:
    """Return whether the session's last engine was killed and no other has opened the session since."""
    return _is_locked(directory) is False


def remove_stale_lock(directory: Path) -> None:
    """Remove the file that a killed engine left behind, so that the session no longer counts as interrupted."""
    with suppress(OSError):
        (directory / LOCK_FILE).unlink(missing_ok=True)


def _is_locked(directory: Path) -> bool | None:
    """Return whether another process holds the lock; None if there is no file, or if it cannot be opened."""
    try:
        descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False
