"""The one way in which a file comes to be: written whole beside its place, then renamed into it. When that is done, a
power cut does not undo it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from draggan_engine.core.errors import StorageError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`; write the file there. When the block ends it is
    flushed to the disk and takes the place of `path`; when the block fails it is removed and `path` stays
    what it was.

    Raises:
        StorageError: the file cannot be written (also for an `OSError` of the block).
    """
    part = path.parent / f".{os.urandom(8).hex()}.part"
    try:
        if path.exists() and not path.is_file():
            raise StorageError(f"{path}: it is not a file that can be replaced; give another path")
        part.touch(exist_ok=False)
        mode = part.stat().st_mode
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(mode)  # what the user's umask gives: some libraries make a new file in its place, of their own mode
        part.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StorageError.of(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def sync_directory(folder: Path) -> None:
    """Puts on the disk which files there are in a folder: a new one's name is no part of the file.

    Raises:
        OSError: the disk fails.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that know nothing of the kind
            raise
    finally:
        os.close(descriptor)
