"""The received part of a download: `<target>.part`, which is locked, and `<target>.part.json`, which describes the whole
file. Both remain if the download is interrupted or killed, or if the disk is full."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from draggan_engine.core.errors import DownloadError, StorageError
from draggan_engine.storage.atomic import atomic_write
from draggan_engine.storage.file_lock import names_open_file, open_locked

CHUNK_BYTES = 1 << 20  # held in memory before they are written to the disk


VALIDATOR_PATTERN = r"^[ -~]{1,1000}$"
"""The texts that can be sent back to the server in a header."""


class ChecksumMismatch(Exception):
    """The received file is not the expected one. The message says why."""


class RemoteFile(BaseModel):
    """The file that a .part file is the beginning of. The server must confirm it before the download is resumed.

    Attributes:
        validator: a strong ETag, or Last-Modified. None if the server sends neither, or one that cannot be sent back: then
            two versions of the file cannot be distinguished, and the download cannot be resumed.
        total: the size of the file in bytes, if the server states it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    validator: Annotated[str, Field(pattern=VALIDATOR_PATTERN)] | None
    total: int | None


class PartialDownload:
    """A locked `<target>.part` with its checksum, and the file that describes it; see `lock_partial_download`.

    Attributes:
        size: the number of bytes in the .part file.
        received_bytes: the number of bytes that were appended by this object.
        remote_file: the file that the bytes are the beginning of; None if there are none.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.description_path = path.with_name(path.name + ".json")
        self.size = 0
        self.received_bytes = 0
        self.remote_file: RemoteFile | None = None
        self._descriptor = descriptor
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def is_complete(self) -> bool:
        return self.remote_file is not None and self.size > 0 and self.size == self.remote_file.total

    @property
    def is_resumable(self) -> bool:
        """Whether a later call can go on where this one stopped."""
        return self.size > 0 and self.remote_file is not None and self.remote_file.validator is not None

    def resume(self, url: str) -> None:
        """Continue what an earlier call has left; start from the beginning if that cannot be resumed."""
        remote_file = self._read_description()
        with report_storage_errors(self.path):
            size = os.fstat(self._descriptor).st_size
            if not size or remote_file is None or not _can_resume(remote_file, url, size):
                os.ftruncate(self._descriptor, 0)
                return
            while chunk := os.pread(self._descriptor, CHUNK_BYTES, self.size):
                self._digest.update(chunk)
                self.size += len(chunk)
            self.remote_file = remote_file

    def restart(self, remote_file: RemoteFile | None) -> None:
        """Empty the .part file, and describe the file that it will be the beginning of."""
        with report_storage_errors(self.path):
            os.ftruncate(self._descriptor, 0)  # first, so that bytes never lie beside another file's description
        self.size, self.remote_file, self._digest = 0, remote_file, hashlib.sha256()
        if remote_file is not None:
            with atomic_write(self.description_path) as part_path:
                part_path.write_text(remote_file.model_dump_json() + "\n", encoding="utf-8")

    def append(self, chunk: bytes) -> None:
        unwritten = memoryview(chunk)
        with report_storage_errors(self.path):
            while unwritten:
                written_bytes = os.pwrite(self._descriptor, unwritten, self.size)
                self._digest.update(unwritten[:written_bytes])
                self.size += written_bytes
                self.received_bytes += written_bytes
                unwritten = unwritten[written_bytes:]

    def check_sha256(self, url: str, expected_sha256: str | None, checksums_path: Path | None) -> None:
        """
        Args:
            checksums_path: the file in which the expected checksum is recorded; None if it was given with the download.

        Raises:
            ChecksumMismatch: there is an expected checksum, and the received file has another.
        """
        if expected_sha256 is None or expected_sha256 == self.sha256:
            return
        origin, remedy = (
            "it should be",
            "try again, and if this persists, do not use the file: it was changed or replaced",
        )
        if checksums_path is not None:
            origin = "at the first download it was"
            remedy = (
                "try again; if the publisher says that the file has been updated, first delete its entry in "
                f"{checksums_path}"
            )
        raise ChecksumMismatch(
            f"{url}: the file has another checksum and was removed: its SHA-256 is {self.sha256}, {origin} "
            f"{expected_sha256}; {remedy}"
        )

    def move_to(self, target: Path) -> None:
        """Give the complete file its final name."""
        with report_storage_errors(target):
            os.fsync(self._descriptor)
            self.path.replace(target)
            self.description_path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the received bytes and their description."""
        with report_storage_errors(self.path):
            self.path.unlink(missing_ok=True)
            self.description_path.unlink(missing_ok=True)

    def _read_description(self) -> RemoteFile | None:
        try:
            return RemoteFile.model_validate_json(self.description_path.read_bytes())
        except (OSError, ValidationError):
            return None  # then the bytes may belong to any file


def _can_resume(remote_file: RemoteFile, url: str, size: int) -> bool:
    if remote_file.url != url or remote_file.validator is None:
        return False
    return remote_file.total is None or size <= remote_file.total


@contextmanager
def lock_partial_download(target: Path) -> Iterator[PartialDownload]:
    """Lock the .part file of a download for this process, and remove it at the end if it is empty.

    Raises:
        DownloadError: another process is downloading to the same target.
        StorageError: the .part file cannot be opened.
    """
    path = target.with_name(target.name + ".part")
    with report_storage_errors(path):
        descriptor = open_locked(path, 0o666)
    if descriptor is None:
        raise DownloadError(f"another process is downloading {target}; wait until it is done, or end that process")
    try:
        yield PartialDownload(path, descriptor)
    finally:
        with suppress(OSError):
            if os.fstat(descriptor).st_size == 0 and names_open_file(path, descriptor):
                path.unlink()
                path.with_name(path.name + ".json").unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def report_storage_errors(path: Path) -> Iterator[None]:
    """Turn an error of the system into a `StorageError` about a path."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{StorageError.of(path, error)}, and run the same command again: the received bytes are kept"
        ) from error
