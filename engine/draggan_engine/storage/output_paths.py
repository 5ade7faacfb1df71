"""Where a new session may be written, and where the next one; which files can be exported."""

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

# The kinds of files that there are, told by their suffix.
IMAGE_SUFFIXES = (".png", ".webp")
VIDEO_SUFFIXES = (".gif", ".mp4")
LATENT_SUFFIXES = (".npy", ".npz", ".safetensors")


DEFAULT_OUTPUT_DIRECTORY = Path("draggan-out")  # where sessions go for which no directory was chosen
MIN_FREE_BYTES = 1 << 20  # bytes; less than a drag of a large model writes


def session_name(model: str, edit: Edit) -> str:
    """The name of a new session's directory: `<date>-<model>-seed<N>`, or `-given` for a latent that was given."""
    start = "given" if edit.source.from_file else f"seed{edit.source.seed}"
    return f"{datetime.date.today().isoformat()}-{model.replace('/', '_')}-{start}"  # a file may call itself anything


def check_output_directory(out: Path) -> None:
    """Check that a new session can be written to a directory that a user chose.

    Raises:
        OutputError: the path is or passes through a file, or a session is there.
        StorageError: the directory cannot be made or written to.
    """
    check_no_session(out)
    check_writable(out)


def check_no_session(out: Path) -> None:
    """
    Raises:
        OutputError: the path is or passes through a file, or a session is there.
    """
    for path in (out, *out.parents):
        if _exists(path) and not path.is_dir():
            raise OutputError(f"{out}: {path} is a file; give a directory")
    if _exists(out / "session.json"):
        raise OutputError(f"{out}: it already holds a session; give another directory", Remedy.open_session)


def check_writable(directory: Path) -> None:
    """Check that a directory, which need not exist, can be made and written to. Nothing of it is left behind.

    Raises:
        StorageError: it cannot, or next to no space is left there.
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
    if space.total and space.free < MIN_FREE_BYTES:  # some network file systems say 0 of 0
        raise StorageError.of(directory, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def next_output_directory(out: Path) -> Path:
    """The directory for a further session: DIR while no session is in it, then the first of DIR-2, DIR-3 … that is free."""
    if not _exists(out / "session.json"):
        return out
    number = 2
    while _exists(path := out.with_name(f"{out.name}-{number}")):
        number += 1
    return path


def _exists(path: Path) -> bool:
    """`Path.exists`, which fails where a name is too long or a directory may not be searched."""
    try:
        return path.exists()
    except OSError:
        return False


def check_output_file(path: Path, suffixes: tuple[str, ...]) -> str:
    """Check that a file of one of these kinds can be written, by trying; return its suffix, in lower case.

    Raises:
        OutputError: it has another suffix, is something other than a file, or its directory does not exist.
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
    """Return the file's suffix, in lower case, which says what kind of file it is.

    Raises:
        OutputError: it is none of these.
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise OutputError(f"{path}: what to write is decided by its suffix; give one of {', '.join(suffixes)}")
    return suffix
