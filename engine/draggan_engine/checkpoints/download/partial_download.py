"""What has come of a download so far: `<target>.part`, locked, and `<target>.part.json`, which says what it is the
beginning of. Both stay when the download is interrupted, killed or the disk is full."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from draggan_engine.core.errors import DownloadError, StorageError
from draggan_engine.storage.atomic import atomic_write

CHUNK_BYTES = 1 << 20  # bytes held in memory before they go to the disk


class ChecksumMismatch(Exception):
    """The file that came is not the one that was meant; the text says why."""


class RemoteFile(BaseModel):
    """What the bytes of a .part are the beginning of. The server must confirm it before more is added to them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    validator: str | None  # a strong ETag, or Last-Modified; None: it cannot be told from others, and not be resumed
    total: int | None  # bytes of the whole


class PartialDownload:
    """A locked `<target>.part`, the sum of what is in it, and its sidecar."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.sidecar = path.with_name(path.name + ".json")
        self.size = 0
        self.received_bytes = 0
        self.entity: RemoteFile | None = None
        self._handle = handle
        self._sum = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._sum.hexdigest()

    @property
    def whole(self) -> bool:
        return self.entity is not None and self.size > 0 and self.size == self.entity.total

    def load(self, url: str) -> None:
        """Takes up what an earlier call left, if it can be resumed; otherwise empties the part."""
        entity = self._left_entity()
        with report_storage_errors(self.path):
            size = os.fstat(self._handle).st_size
            fits = entity is not None and entity.url == url and size <= (size if entity.total is None else entity.total)
            if not size or not fits or entity is None or entity.validator is None:
                os.ftruncate(self._handle, 0)
                return
            while block := os.pread(self._handle, CHUNK_BYTES, self.size):
                self._sum.update(block)
                self.size += len(block)
            self.entity = entity

    def begin(self, entity: RemoteFile | None) -> None:
        """Empties the part and says what will be in it."""
        with report_storage_errors(self.path):
            os.ftruncate(self._handle, 0)  # first: bytes must never stand beside a sidecar that is not theirs
        self.size, self.entity, self._sum = 0, entity, hashlib.sha256()
        if entity is not None:
            with atomic_write(self.sidecar) as file:
                file.write_text(entity.model_dump_json() + "\n", encoding="utf-8")

    def append(self, block: bytes) -> None:
        rest = memoryview(block)
        with report_storage_errors(self.path):
            while rest:
                written = os.pwrite(self._handle, rest, self.size)
                self._sum.update(rest[:written])
                self.size += written
                self.received_bytes += written
                rest = rest[written:]

    def check(self, url: str, wanted: str | None, record: Path | None) -> None:
        """
        Args:
            record: where `wanted` is written down; None: it was given with the download.
        """
        if wanted is None or wanted == self.sha256:
            return
        origin, remedy = "it should be", "try again, and if this stays do not use the file: it was changed or swapped"
        if record is not None:
            origin = "at the first download it was"
            remedy = f"try again; if the publisher says that the file was renewed, first delete its entry in {record}"
        raise ChecksumMismatch(
            f"{url}: the file has another checksum and was removed: its SHA-256 is {self.sha256}, {origin} {wanted}; {remedy}"
        )

    def become(self, target: Path) -> None:
        with report_storage_errors(target):
            os.fsync(self._handle)
            self.path.replace(target)
            self.sidecar.unlink(missing_ok=True)

    def discard(self) -> None:
        with report_storage_errors(self.path):
            self.path.unlink(missing_ok=True)
            self.sidecar.unlink(missing_ok=True)

    def _left_entity(self) -> RemoteFile | None:
        try:
            return RemoteFile.model_validate_json(self.sidecar.read_bytes())
        except (OSError, ValidationError):
            return None  # then nobody knows what the bytes are


@contextmanager
def lock_partial_download(target: Path) -> Iterator[PartialDownload]:
    """The part of that target, for this process alone. An empty one is not left behind."""
    path = target.with_name(target.name + ".part")
    with report_storage_errors(path):
        handle = _lock(path, target)
    try:
        yield PartialDownload(path, handle)
    finally:
        with suppress(OSError):
            if os.fstat(handle).st_size == 0 and _is_open(handle, path):
                path.unlink()
                path.with_name(path.name + ".json").unlink(missing_ok=True)
        os.close(handle)


def _lock(path: Path, target: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise DownloadError(
                f"{target}: another process is downloading it; wait until that is done, or end it"
            ) from None
        except BaseException:
            os.close(handle)
            raise
        if _is_open(handle, path):
            return handle
        os.close(handle)  # its owner renamed or removed it between our two calls: what we locked is not the part


def _is_open(handle: int, path: Path) -> bool:
    """Whether the path still names the open file."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def report_storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{StorageError.of(path, error)}, and run the same command again: what has come so far is kept"
        ) from error
