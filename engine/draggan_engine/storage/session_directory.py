"""The directory of a session: how a new one is chosen, made and locked, and how a session is copied to another."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from draggan_engine.core.errors import OutputError, StorageError

from .atomic import atomic_write, sync_directory
from .output_paths import DEFAULT_OUTPUT_DIRECTORY, check_no_session
from .recent_sessions import remember_session
from .session_lock import SessionLock

log = logging.getLogger("draggan_engine")

MAX_SESSIONS_PER_NAME = 9999


class SessionDirectory:
    """The directory of one session. The first write makes it, if necessary, and locks it.

    Args:
        chosen: the directory that the user chose for a new session; None: one below `draggan-out/`.
        existing: the directory of a session that is resumed.

    Attributes:
        path: the directory; None until it has been made.
    """

    def __init__(self, chosen: Path | None = None, existing: Path | None = None) -> None:
        self.path = existing
        self._chosen = chosen
        self._lock: SessionLock | None = None

    def choose(self, directory: Path) -> None:
        """Choose another directory for a session that has none yet."""
        self._chosen = directory

    def lock_existing(self) -> None:
        """Lock the directory of a session that is resumed.

        Raises:
            OutputError: another process works on the session.
        """
        assert self.path is not None, "the session exists"
        self._lock = SessionLock(self.path)
        remember_session(self.path)

    def open(self, name: str) -> Path:
        """Return the path; make and lock the directory if that has not been done.

        Args:
            name: the name of a directory that the user did not choose.

        Raises:
            OutputError: the chosen path cannot become a directory, or it holds a session.
            StorageError: the directory cannot be made.
        """
        if self.path is None:
            self.path, self._lock = create_session_directory(self._chosen, name)
            remember_session(self.path)
        make_directory(self.path)
        if self._lock is None:  # a session that is resumed before it had written anything
            self.lock_existing()
        return self.path

    def mark_closing(self) -> None:
        """Tell other processes that the editor is gone, and that what remains is being written."""
        if self._lock is not None:
            self._lock.mark_closing()

    def release(self) -> None:
        """Unlock the directory."""
        if self._lock is not None:
            self._lock.release()


def drag_directory_name(number: int) -> str:
    """Return the name of a drag's directory in that of its session."""
    return f"drag-{number:03d}"


def create_session_directory(chosen: Path | None, name: str) -> tuple[Path, SessionLock]:
    """Make the directory of a new session and lock it, so that no two processes get the same one.

    Args:
        chosen: the directory that the user chose, which may exist if it holds no session.
        name: the name of a directory in `draggan-out/` otherwise; a number is appended if the name is taken.

    Raises:
        OutputError: `chosen` is or passes through a file, or a session is or is being written there.
        StorageError: the directory cannot be made.
    """
    if chosen is not None:
        return chosen, _lock_chosen(chosen)
    for directory in _numbered_paths(DEFAULT_OUTPUT_DIRECTORY / name):
        if make_directory(directory):  # otherwise it existed, or another process was quicker
            return directory, SessionLock(directory)
    raise StorageError(
        f"{DEFAULT_OUTPUT_DIRECTORY / name}: {MAX_SESSIONS_PER_NAME} sessions have that name; choose another directory"
    )


def _lock_chosen(directory: Path) -> SessionLock:
    check_no_session(directory)
    make_directory(directory)
    try:
        lock = SessionLock(directory)
    except OutputError:
        raise OutputError(
            f"{directory}: another draggan-tui is writing a session there; give another directory"
        ) from None
    try:
        check_no_session(directory)  # another process may have written a session and exited in the meantime
    except OutputError:
        lock.release()
        raise
    return lock


def _numbered_paths(first: Path) -> Iterator[Path]:
    yield first
    for number in range(2, MAX_SESSIONS_PER_NAME + 1):
        yield first.with_name(f"{first.name}-{number}")


def make_directory(directory: Path) -> bool:
    """Make a directory and its parents; return whether this call made it.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        missing_parents = [path for path in directory.parents if not path.exists()]
        for path in reversed(missing_parents):
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
    """Copy the files of a session's drags, and its images. Files that cannot be read are left out with a warning.

    Raises:
        StorageError: a file cannot be written.
    """
    for path in (*source.glob("drag-*/[!.]*"), source / "initial.png", source / "final.png"):
        try:
            content = path.read_bytes()
        except OSError as error:
            log.warning("%s was not copied: %s", path, error)
            continue
        copy_path = target / path.relative_to(source)
        make_directory(copy_path.parent)
        with atomic_write(copy_path) as part:
            part.write_bytes(content)
