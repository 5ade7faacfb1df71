"""Checks of output paths, and the advice for each failure of a write."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import OutputError, Remedy, StorageError, storage_advice
from draggan_engine.core.history import History
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.journal import Journal
from draggan_engine.storage.output_paths import check_output_directory, check_writable

READ_ONLY_DIRECTORY = Path("/sys/draggan")  # not even root may make a directory here


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the directory of a file system of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("needs to mount a file system")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_the_check_leaves_a_usable_directory_unchanged(tmp_path: Path) -> None:
    check_output_directory(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    check_output_directory(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]


def test_a_directory_that_holds_a_session_is_refused(tmp_path: Path) -> None:
    output_directory = tmp_path / "my session"
    output_directory.mkdir()
    (output_directory / "session.json").touch()
    with pytest.raises(OutputError, match="already holds a session; give another directory") as refusal:
        check_output_directory(output_directory)
    assert refusal.value.remedy is Remedy.open_session


def test_a_read_only_directory_is_refused() -> None:
    with pytest.raises(StorageError, match=rf"^{READ_ONLY_DIRECTORY} .*; choose a directory that you may write to$"):
        check_writable(READ_ONLY_DIRECTORY)


def test_a_full_disk_is_refused(small_disk: Path) -> None:
    check_writable(small_disk / "s")
    (small_disk / "large").write_bytes(bytes(1_500_000))  # the rest would hold a small file
    with pytest.raises(StorageError, match=r"No space left on device\); free some space"):
        check_writable(small_disk / "s")
    assert [path.name for path in small_disk.iterdir()] == ["large"]


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    for output_directory in (tmp_path / ("n" * 300), tmp_path / ("n" * 300) / "s", tmp_path / "s" / ("n" * 300)):
        with pytest.raises(StorageError, match=r"File name too long\); choose a shorter name"):
            check_output_directory(output_directory)
        with pytest.raises(StorageError, match=r"choose a shorter name|make it"), atomic_write(output_directory):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EACCES, "that you may write to"),
        (errno.EPERM, "that you may write to"),
        (errno.EROFS, "that you may write to"),
        (errno.ENAMETOOLONG, "a shorter name"),
        (errno.ENOTDIR, "choose another"),
        (errno.EIO, "check the disk"),
        (errno.EMFILE, "open files"),
        (errno.ENOTCONN, "choose another directory"),
    ],
)
def test_the_advice_mentions_space_only_if_the_disk_is_full(number: int, advice: str) -> None:
    text = storage_advice(OSError(number, os.strerror(number)))
    assert advice in text
    assert ("space" in text) == (number in (errno.ENOSPC, errno.EDQUOT))


def test_every_writer_gives_the_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_as_read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "fsync", fail_as_read_only)
    expected = r"could not be written \(Read-only file system\); choose a directory that you may write to"
    with pytest.raises(StorageError, match=expected):
        Journal(tmp_path).append(History.of(Edit(model="toy")))
    with pytest.raises(StorageError, match=expected), atomic_write(tmp_path / "f") as part:
        part.touch()
