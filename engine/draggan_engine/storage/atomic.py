"""Atomic writes: a file is written under a temporary name beside its path, flushed to the disk and renamed.

After a crash or a power cut the path holds either the old content or the new one, complete.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from draggan_engine.core.errors import StorageError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the directory of `path`, to which the caller writes the file.

    When the block ends, the file is flushed to the disk and replaces `path`. When the block fails, the file is removed and
    `path` stays as it was.

    Raises:
        StorageError: the file cannot be written, or the block raised an `OSError`.
    """
    temporary_path = path.parent / f".{os.urandom(8).hex()}.part"
    try:
        if path.exists() and not path.is_file():
            raise StorageError(f"{path} is not a file that can be replaced; give another path")
        temporary_path.touch(exist_ok=False)
        file_mode = temporary_path.stat().st_mode
        yield temporary_path
        with temporary_path.open("rb+") as written_file:
            os.fsync(written_file.fileno())
        temporary_path.chmod(
            file_mode
        )  # as the umask gives it: some libraries replace the file by one with another mode
        temporary_path.replace(path)
        sync_directory(path.parent)
    except OSError as write_error:
        raise StorageError.of(path, write_error) from write_error
    finally:
        with suppress(OSError):
            temporary_path.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Flush the list of a directory's files to the disk: flushing a new file does not flush its name.

    Raises:
        OSError: the disk fails.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as sync_error:
        if sync_error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot flush directories
            raise
    finally:
        os.close(descriptor)
