"""Paths that are not UTF-8, for libraries that cannot open them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_utf8(path: Path) -> bool:
    """Return whether the path's bytes are UTF-8 text."""
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError:
        return False
    return True


@contextmanager
def utf8_path(path: Path) -> Iterator[Path]:
    """Yield a UTF-8 path under which the file can be opened for reading: its own, or that of a descriptor (Linux).

    Raises:
        OSError: the file cannot be opened.
    """
    if is_utf8(path):
        yield path
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
