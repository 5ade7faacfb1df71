"""Whose a session is: a lock file in its folder while an engine works on it, left behind when that engine is killed."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from draggan_engine.core.errors import OutputError

LOCK_FILE = ".open"
_LEAVING = b"leaving"


class SessionLock:
    """A session's folder, held for this process. The lock goes with the process, the file stays for the next to find.
    Where the file cannot be made, the session is none the worse.

    Raises:
        OutputError: another process has it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_FILE
        self._descriptor: int | None = None
        with suppress(OSError):
            self._descriptor = _lock(self._path)
            if self._descriptor is None:
                raise OutputError(f"{folder}: this session is open in another editor; close that one first")

    def mark_closing(self) -> None:
        """Its editor is gone; what is left is to write what there is."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.pwrite(self._descriptor, _LEAVING, 0)

    def release(self) -> None:
        """It was closed in good order."""
        if self._descriptor is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def is_session_open(folder: Path) -> bool:
    """Whether a running engine works on the session."""
    return _held(folder) is True


def is_session_closing(folder: Path) -> bool:
    """Whether the engine that works on the session has lost its editor, and is about to end."""
    try:
        return is_session_open(folder) and (folder / LOCK_FILE).read_bytes() == _LEAVING
    except OSError:
        return False


def was_interrupted(folder: Path) -> bool:
    """Whether the session was left without being closed, and nobody has taken it up."""
    return _held(folder) is False


def remove_stale_lock(folder: Path) -> None:
    """What was left behind is not to be asked about again."""
    with suppress(OSError):
        (folder / LOCK_FILE).unlink(missing_ok=True)


def _held(folder: Path) -> bool | None:
    """Whether another has the lock; none if there is no file, or it may not be looked at."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
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


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock; none if another has it. Where locks are not to be had, the file must do.

    Raises:
        OSError: the file cannot be made.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:  # a file system without locks
            pass
        if _is_there(path, descriptor):
            os.truncate(descriptor, 0)  # what an earlier engine has left in it
            return descriptor
        os.close(descriptor)  # whose it was has ended meanwhile, and its file is gone


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
