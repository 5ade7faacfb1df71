"""The directory of a session: how a new one is chosen, made and claimed, and how one is copied."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from draggan_engine.core.errors import OutputError, StorageError

from .atomic import atomic_write, sync_directory
from .output_paths import DEFAULT_OUTPUT_DIRECTORY, check_no_session
from .session_lock import SessionLock

log = logging.getLogger("draggan_engine")

MAX_SESSIONS_PER_NAME = 9999  # sessions of one name


def drag_directory_name(number: int) -> str:
    """The name of a drag's directory in that of its session."""
    return f"drag-{number:03d}"


def create_session_directory(out: Path | None, name: str) -> tuple[Path, SessionLock]:
    """Make the directory of a new session and claim it, so that of several processes each has its own.

    Args:
        out: the directory that the user chose, which may exist if it holds no session.
        name: of the directory in `draggan-out/` otherwise; a number is added where the name is taken.

    Raises:
        OutputError: `out` is or passes through a file, or a session is or is being written there.
        StorageError: the directory cannot be made.
    """
    if out is not None:
        return out, _claim_chosen(out)
    for directory in _numbered(DEFAULT_OUTPUT_DIRECTORY / name):
        if make_directory(directory):  # else it was there, or another process was quicker
            return directory, SessionLock(directory)
    raise StorageError(
        f"{DEFAULT_OUTPUT_DIRECTORY / name}: {MAX_SESSIONS_PER_NAME} sessions have that name; choose another directory"
    )


def _claim_chosen(out: Path) -> SessionLock:
    check_no_session(out)
    make_directory(out)
    try:
        claim = SessionLock(out)
    except OutputError:
        raise OutputError(f"{out}: another draggan-tui is writing a session there; give another directory") from None
    try:
        check_no_session(out)  # another process may have written a session and ended since
    except OutputError:
        claim.release()
        raise
    return claim


def _numbered(first: Path) -> Iterator[Path]:
    yield first
    for number in range(2, MAX_SESSIONS_PER_NAME + 1):
        yield first.with_name(f"{first.name}-{number}")


def make_directory(directory: Path) -> bool:
    """Make a directory and its parents; whether it was this call that made it.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        missing = [path for path in directory.parents if not path.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            sync_directory(path.parent)
        directory.mkdir()
        sync_directory(directory.parent)
    except FileExistsError as error:
        if directory.is_dir():
            return False
        raise StorageError.of(directory, error) from error
    except OSError as error:
        raise StorageError.of(directory, error) from error
    return True


def copy_drags(source: Path, target: Path) -> None:
    """Copy what a session keeps of its drags, and its images. What cannot be read is left out: its disk may be gone.

    Raises:
        StorageError: a file cannot be written.
    """
    for path in (*source.glob("drag-*/[!.]*"), source / "initial.png", source / "final.png"):
        try:
            content = path.read_bytes()
        except OSError as error:
            log.warning("%s was not copied: %s", path, error)
            continue
        copied = target / path.relative_to(source)
        make_directory(copied.parent)
        with atomic_write(copied) as part:
            part.write_bytes(content)
