"""Lock files: a file that one process holds open and locked, and may rename or remove when it is done."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def open_locked(path: Path, file_mode: int, *, need_lock: bool = True) -> int | None:
    """Open a file, which is created if necessary, and lock it for this process.

    Args:
        file_mode: the permissions of a new file, before the umask.
        need_lock: whether to fail on a file system without locks; otherwise the open file is returned unlocked.

    Returns:
        A descriptor for reading and writing; None if another process holds the lock. The lock ends with the descriptor.

    Raises:
        OSError: the file cannot be opened or locked, or is a symbolic link.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, file_mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            if need_lock:
                os.close(descriptor)
                raise
        if names_open_file(path, descriptor):
            return descriptor
        os.close(descriptor)  # its owner renamed or removed the file between the two calls


def names_open_file(path: Path, descriptor: int) -> bool:
    """Return whether the path still refers to the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
