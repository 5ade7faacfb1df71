"""Reading a file that a user named: hashed once, then mapped, so that tensors are views of it."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from draggan_engine.core.errors import CheckpointError

LoadProgress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""

_CHUNK = 4 << 20
_SMALL = 1 << 12
_LONGEST_LINE = 1 << 10


def ignore_progress(_what: str, _done: int, _total: int) -> None:
    """Tells no one."""


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """The file, for reading.

    Raises:
        CheckpointError: it cannot be opened or read (also for an `OSError` of the block).
    """
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{path}: it cannot be read ({reason}); check the path and its permissions") from error


def sha256_of(path: Path, progress: LoadProgress = ignore_progress) -> str:
    """
    Raises:
        CheckpointError: it cannot be read.
    """
    digest = hashlib.sha256()
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        done = 0
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress("reading", done, max(size, done))
    return digest.hexdigest()


def mapped(path: Path) -> memoryview:
    """The file's bytes, as pages of the file that come into memory when they are looked at. They can be written to
    (torch asks for that), which never reaches the file.

    Raises:
        CheckpointError: it cannot be opened, or is empty.
    """
    with opened(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise CheckpointError(f"{path}: it is empty; get it again")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))


def printable_text(name: object, longest: int = 100) -> str:
    """A name from a file, or a text with one in it, fit for a message: one line, no control characters, not long."""
    text = name if type(name) is str else f"<{type(name).__name__}>"
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[:longest])
    return shown + ("…" if len(text) > longest else "")


class ByteStream:
    """Reads memory from its beginning. What is asked for in one piece of some size comes without a copy, and nothing is
    ever made room for that is not there."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._position = data, 0

    def read(self, count: int = -1, /) -> bytes | memoryview:
        """The next `count` bytes, or as many as are left: a view of the memory if they are many."""
        end = len(self._data) if count < 0 else min(self._position + count, len(self._data))
        piece = self._data[self._position : end]
        self._position = end
        return piece if len(piece) >= _SMALL else bytes(piece)

    def readline(self) -> bytes:
        """Up to the next line's end, or what is there if the line is longer than any name."""
        ahead = bytes(self._data[self._position : self._position + _LONGEST_LINE])
        line = ahead[: ahead.find(b"\n") + 1] or ahead
        self._position += len(line)
        return line

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        self._position = position
