"""Opening a file that a user named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from ..protocol.errors import CheckpointError


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
