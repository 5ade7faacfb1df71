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
    start = "given" if edit.source.from_file else f"seed{edit.source.seed}"
    return f"{datetime.date.today().isoformat()}-{model.replace('/', '_')}-{start}"


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
    for path in (directory, *directory.parents):
        if _exists(path) and not path.is_dir():
            raise OutputError(f"{directory}: {path} is a file; give a directory")
    if _exists(directory / MANIFEST_FILE):
        raise OutputError(f"{directory}: it already holds a session; give another directory", Remedy.open_session)


def check_writable(directory: Path) -> None:
    """Check that a directory, which need not exist, can be made and written to. Nothing is left behind.

    Raises:
        StorageError: it cannot be written to, or next to no space is left there.
    """
    missing: list[str] = []
    try:
        existing = directory.absolute()
        while not os.path.lexists(existing):
            missing.append(existing.name)
            existing = existing.parent
        with tempfile.TemporaryDirectory(prefix=".draggan-", dir=existing) as trial:
            for name in missing:
                Path(trial, name).mkdir(exist_ok=True)
            Path(trial, ".file").write_bytes(bytes(4096))
            space = shutil.disk_usage(trial)
    except OSError as error:
        raise StorageError.of(directory, error) from error
    if space.total and space.free < MIN_FREE_BYTES:  # some network file systems report 0 of 0 bytes
        raise StorageError.of(directory, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def next_output_directory(directory: Path) -> Path:
    """Return the directory for a further session: DIR if it holds none, else the first of DIR-2, DIR-3 … that is free."""
    if not _exists(directory / MANIFEST_FILE):
        return directory
    number = 2
    while _exists(path := directory.with_name(f"{directory.name}-{number}")):
        number += 1
    return path


def check_output_file(path: Path, suffixes: tuple[str, ...]) -> str:
    """Check that a file with one of the suffixes can be written, and return its suffix in lower case.

    Raises:
        OutputError: it has another suffix, is not a regular file, or its directory does not exist.
        StorageError: its directory cannot be written to.
    """
    try:
        if path.is_dir():
            raise OutputError(f"{path}: it is a directory; give the name of a file")
        suffix = check_suffix(path, suffixes)
        if path.exists() and not path.is_file():
            raise OutputError(f"{path}: it is not a file that can be replaced; give another name")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: there is no directory {path.parent}; make it first")
    except OSError as error:
        raise StorageError.of(path, error) from error
    check_writable(path.parent)
    return suffix


def check_suffix(path: Path, suffixes: tuple[str, ...]) -> str:
    """Return the suffix of a file in lower case: it decides what is written.

    Raises:
        OutputError: the suffix is none of the suffixes.
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise OutputError(f"{path}: the suffix decides what is written; give one of {', '.join(suffixes)}")
    return suffix


def _exists(path: Path) -> bool:
    """Return `path.exists()`, or False if the path cannot be looked up: it is too long, or a directory is closed."""
    try:
        return path.exists()
    except OSError:
        return False
