"""Checks of paths before anything is written to them: directories of new sessions, and files that are exported."""

from __future__ import annotations

import datetime
import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from draggan_engine.core.errors import OutputError, Remedy, StorageError

if TYPE_CHECKING:
    from draggan_engine.core.edit import Edit

IMAGE_SUFFIXES = (".png", ".webp")
VIDEO_SUFFIXES = (".gif", ".mp4")
LATENT_SUFFIXES = (".npy", ".npz", ".safetensors")

DEFAULT_OUTPUT_DIRECTORY = Path("draggan-out")
"""The parent of the sessions for which no directory was chosen."""
MANIFEST_FILE = "session.json"
"""A directory with this file holds a session."""
MIN_FREE_BYTES = 1 << 20
"""Less free space than this is as good as none: a drag of a large model writes more."""


def session_name(model: str, edit: Edit) -> str:
    """Return the name of a new session's directory: `<date>-<model>-seed<N>`, or `-given` for a latent from a file."""
    start_name = "given" if edit.source.from_file else f"seed{edit.source.seed}"
    return f"{datetime.date.today().isoformat()}-{model.replace('/', '_')}-{start_name}"


def check_output_directory(directory: Path) -> None:
    """Check that a new session can be written to a directory that a user chose.

    Raises:
        OutputError: the path is or passes through a file, or a session is there.
        StorageError: the directory cannot be made or written to.
    """
    check_no_session(directory)
    check_writable(directory)


def check_no_session(directory: Path) -> None:
    """Check that a path can become the directory of a new session.

    Raises:
        OutputError: the path is or passes through a file, or a session is there.
    """
    for existing_path in (directory, *directory.parents):
        if _exists(existing_path) and not existing_path.is_dir():
            raise OutputError(f"{directory}: {existing_path} is a file; give a directory")
    if _exists(directory / MANIFEST_FILE):
        raise OutputError(f"{directory} already holds a session; give another directory", Remedy.open_session)


def check_writable(directory: Path) -> None:
    """Check that a directory, which need not exist, can be made and written to. Nothing is left behind.

    Raises:
        StorageError: it cannot be written to, or next to no space is left there.
    """
    missing_names: list[str] = []
    try:
        existing_directory = directory.absolute()
        while not os.path.lexists(existing_directory):
            missing_names.append(existing_directory.name)
            existing_directory = existing_directory.parent
        with tempfile.TemporaryDirectory(prefix=".draggan-", dir=existing_directory) as trial_directory:
            for directory_name in missing_names:
                Path(trial_directory, directory_name).mkdir(exist_ok=True)
            Path(trial_directory, ".file").write_bytes(bytes(4096))
            disk_usage = shutil.disk_usage(trial_directory)
    except OSError as write_error:
        raise StorageError.of(directory, write_error) from write_error
    if disk_usage.total and disk_usage.free < MIN_FREE_BYTES:  # some network file systems report 0 of 0 bytes
        raise StorageError.of(directory, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def next_output_directory(directory: Path) -> Path:
    """Return the directory for a further session: DIR if it holds none, else the first of DIR-2, DIR-3 … that is free."""
    if not _exists(directory / MANIFEST_FILE):
        return directory
    directory_number = 2
    while _exists(numbered_directory := directory.with_name(f"{directory.name}-{directory_number}")):
        directory_number += 1
    return numbered_directory


def check_output_file(path: Path, allowed_suffixes: tuple[str, ...]) -> str:
    """Check that a file with one of the suffixes can be written, and return its suffix in lower case.

    Raises:
        OutputError: it has another suffix, is not a regular file, or its directory does not exist.
        StorageError: its directory cannot be written to.
    """
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a directory; give the name of a file")
        file_suffix = check_suffix(path, allowed_suffixes)
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is not a file that can be replaced; give another name")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: there is no directory {path.parent}; make it first")
    except OSError as path_error:
        raise StorageError.of(path, path_error) from path_error
    check_writable(path.parent)
    return file_suffix


def check_suffix(path: Path, allowed_suffixes: tuple[str, ...]) -> str:
    """Return the suffix of a file in lower case: it decides what is written.

    Raises:
        OutputError: the suffix is none of the suffixes.
    """
    file_suffix = path.suffix.lower()
    if file_suffix not in allowed_suffixes:
        raise OutputError(f"{path}: the suffix decides what is written; give one of {', '.join(allowed_suffixes)}")
    return file_suffix


def _exists(path: Path) -> bool:
    """Return `path.exists()`, or False if the path cannot be looked up: it is too long, or a directory is closed."""
    try:
        return path.exists()
    except OSError:
        return False
