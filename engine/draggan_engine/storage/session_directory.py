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
INVERSION_PATTERN = "inversion*.*"
"""The files of the inversion that a session starts from."""


class SessionDirectory:
    """The directory of one session. The first write makes it, if necessary, and locks it.

    Args:
        chosen_directory: the directory that the user chose for a new session; None: one below `draggan-out/`.
        existing_directory: the directory of a session that is resumed.

    Attributes:
        path: the directory; None until it has been made.
    """

    def __init__(self, chosen_directory: Path | None = None, existing_directory: Path | None = None) -> None:
        self.path = existing_directory
        self._chosen_directory = chosen_directory
        self._session_lock: SessionLock | None = None

    def choose(self, chosen_directory: Path) -> None:
        """Choose another directory for a session that has none yet."""
        self._chosen_directory = chosen_directory

    def lock_existing(self) -> None:
        """Lock the directory of a session that is resumed.

        Raises:
            OutputError: another process works on the session.
        """
        assert self.path is not None, "the session exists"
        self._session_lock = SessionLock(self.path)
        remember_session(self.path)

    def open(self, default_name: str) -> Path:
        """Return the path; make and lock the directory if that has not been done.

        Args:
            default_name: the name of a directory that the user did not choose.

        Raises:
            OutputError: the chosen path cannot become a directory, or it holds a session.
            StorageError: the directory cannot be made.
        """
        if self.path is None:
            self.path, self._session_lock = create_session_directory(self._chosen_directory, default_name)
            remember_session(self.path)
        make_directory(self.path)
        if self._session_lock is None:  # a session that is resumed before it had written anything
            self.lock_existing()
        return self.path

    def mark_closing(self) -> None:
        """Tell other processes that the editor is gone, and that what remains is being written."""
        if self._session_lock is not None:
            self._session_lock.mark_closing()

    def release(self) -> None:
        """Unlock the directory."""
        if self._session_lock is not None:
            self._session_lock.release()


def drag_directory_name(drag_number: int) -> str:
    """Return the name of a drag's directory in that of its session."""
    return f"drag-{drag_number:03d}"


def create_session_directory(chosen_directory: Path | None, default_name: str) -> tuple[Path, SessionLock]:
    """Make the directory of a new session and lock it, so that no two processes get the same one.

    Args:
        chosen_directory: the directory that the user chose, which may exist if it holds no session.
        default_name: the name of a directory in `draggan-out/` otherwise; a number is appended if the name is taken.

    Raises:
        OutputError: `chosen_directory` is or passes through a file, or a session is or is being written there.
        StorageError: the directory cannot be made.
    """
    if chosen_directory is not None:
        return chosen_directory, _lock_chosen(chosen_directory)
    for directory in _numbered_paths(DEFAULT_OUTPUT_DIRECTORY / default_name):
        if make_directory(directory):  # otherwise it existed, or another process was quicker
            return directory, SessionLock(directory)
    raise StorageError(
        f"{DEFAULT_OUTPUT_DIRECTORY / default_name}: {MAX_SESSIONS_PER_NAME} sessions have that name; "
        "choose another directory"
    )


def _lock_chosen(chosen_directory: Path) -> SessionLock:
    check_no_session(chosen_directory)
    make_directory(chosen_directory)
    try:
        session_lock = SessionLock(chosen_directory)
    except OutputError:
        raise OutputError(
            f"{chosen_directory}: another draggan-tui is writing a session there; give another directory"
        ) from None
    try:
        check_no_session(chosen_directory)  # another process may have written a session and exited in the meantime
    except OutputError:
        session_lock.release()
        raise
    return session_lock


def _numbered_paths(first_path: Path) -> Iterator[Path]:
    yield first_path
    for path_number in range(2, MAX_SESSIONS_PER_NAME + 1):
        yield first_path.with_name(f"{first_path.name}-{path_number}")


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
    except FileExistsError as make_error:
        if directory.is_dir():
            return False
        raise StorageError.of(directory, make_error) from make_error
    except OSError as make_error:
        raise StorageError.of(directory, make_error) from make_error
    return True


def copy_drags(source_session: Path, target_session: Path) -> None:
    """Copy the files of a session's drags, and its images. Files that cannot be read are left out with a warning.

    Raises:
        StorageError: a file cannot be written.
    """
    for source_path in (
        *source_session.glob("drag-*/[!.]*"),
        source_session / "initial.png",
        source_session / "final.png",
        *source_session.glob(INVERSION_PATTERN),
    ):
        try:
            file_bytes = source_path.read_bytes()
        except OSError as read_error:
            log.warning("%s was not copied: %s", source_path, read_error)
            continue
        copy_path = target_session / source_path.relative_to(source_session)
        make_directory(copy_path.parent)
        with atomic_write(copy_path) as temporary_path:
            temporary_path.write_bytes(file_bytes)
