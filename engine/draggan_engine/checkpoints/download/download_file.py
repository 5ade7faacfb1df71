"""Download one file: resume where an earlier call stopped, check it, and give it its name only when it is complete.

During a download the received bytes are in `<target>.part`, which is locked against other processes, and
`<target>.part.json` describes the whole file. Both remain if the download is interrupted or killed, or if the disk is full,
and the next call for the same target resumes the download.

A file whose checksum nobody has published is trusted at its first download: its checksum is recorded under its URL, and
every later download of that URL must have the same one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import TypeAdapter, ValidationError

from draggan_engine.core.errors import DownloadError, InputError, StorageError
from draggan_engine.storage.atomic import atomic_write

from .http_download import DEFAULT_HTTP_LIMITS, DownloadProgress, HostToken, HttpLimits, receive_file
from .partial_download import ChecksumMismatch, PartialDownload, lock_partial_download, report_storage_errors

_SHA256_PATTERN = re.compile(r"[0-9a-f]{64}")
_CHECKSUMS_TYPE = TypeAdapter(dict[str, str])


@dataclass(frozen=True)
class DownloadedFile:
    """A file that has been downloaded now or before.

    Attributes:
        sha256: its checksum in lower-case hexadecimal digits.
        size: in bytes.
        received_bytes: the bytes that came over the network in this call; 0 if the file existed already.
        verified: whether its checksum was known before. Otherwise the file was trusted, and its checksum is known from
            now on.
    """

    path: Path
    sha256: str
    size: int
    received_bytes: int
    verified: bool


def download_file(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    checksums_path: Path,
    check: Callable[[Path], None],
    progress: DownloadProgress,
    token: HostToken | None = None,
    limits: HttpLimits = DEFAULT_HTTP_LIMITS,
) -> DownloadedFile:
    """Download the file at `url` to `target`.

    If `target` exists with the expected checksum, nothing is downloaded. If it has another checksum, it is replaced once the
    right file is complete. If no checksum is known, an error says so and the file is left alone: it may be the user's own.

    Args:
        url: http or https. Redirects are followed, but never from https to http.
        target: its directory is created if necessary.
        sha256: the checksum that the file must have, in hexadecimal digits, if it is known.
        checksums_path: a JSON file of URLs and the checksums of their first downloads; created if necessary.
        check: called with the path of the complete file, before the file gets its name and its checksum is recorded. It
            raises `InputError` if the file is unusable; the file is then removed.
        token: sent to its host only, and never past a redirect to another host.
        progress: called a few times per second. Anything that it raises ends the download, which can be resumed.

    Raises:
        DownloadError: the file cannot be received, has the wrong checksum or is unusable (then it is removed, and the
            recorded checksum stays), or another process is downloading it.
        InputError: `url` or `sha256` is invalid.
        StorageError: the file cannot be written. The received bytes are kept.
    """
    _check_url(url)
    given_sha256 = _check_sha256(sha256)
    expected_checksums = {read_checksums(checksums_path).get(url), given_sha256} - {None}
    with report_storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with lock_partial_download(target) as part:
        existing_sha256 = _hash_existing(target)
        if existing_sha256 is not None:
            if not expected_checksums:
                raise DownloadError(
                    f"{target}: this file exists already, and no checksum is known that would tell whether it is the one "
                    f"of {url}; move it away or delete it, and run the same command again"
                )
            if expected_checksums == {existing_sha256}:
                _record_checksum(checksums_path, url, existing_sha256)
                return DownloadedFile(target, existing_sha256, target.stat().st_size, received_bytes=0, verified=True)
        part.resume(url)
        if not part.is_complete:
            receive_file(url, part, progress, limits, token)
        _accept_file(part, url, given_sha256, checksums_path, check)
        part.move_to(target)
        return DownloadedFile(target, part.sha256, part.size, part.received_bytes, verified=bool(expected_checksums))


def check_file(path: Path, sha256: str) -> None:
    """
    Raises:
        DownloadError: a file that was downloaded by another program has another checksum.
        InputError: `sha256` is malformed.
        StorageError: the file cannot be read.
    """
    expected_sha256, file_sha256 = _check_sha256(sha256), _hash_existing(path)
    if file_sha256 != expected_sha256:
        raise DownloadError(f"{path}: its SHA-256 is {file_sha256}, and it should be {expected_sha256}; do not use it")


def _accept_file(
    part: PartialDownload,
    url: str,
    given_sha256: str | None,
    checksums_path: Path,
    check: Callable[[Path], None],
) -> None:
    """Check a complete file and record its checksum; remove the file if it is wrong.

    Raises:
        DownloadError: the file has the wrong checksum, or is unusable.
    """
    try:
        part.check_sha256(url, given_sha256, None)
        check(part.path)
        recorded_sha256 = _record_checksum(checksums_path, url, part.sha256)
        part.check_sha256(url, recorded_sha256, checksums_path)
    except ChecksumMismatch as error:
        part.remove()
        raise DownloadError(str(error)) from None
    except InputError as error:
        part.remove()
        raise DownloadError(f"{url}: the received file is unusable and was removed: {error}") from error


def _check_url(url: str) -> None:
    try:
        parsed_url = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, UnicodeError) as error:
        raise InputError(f"{url!r}: this is not an address ({error}); give one that begins with https://") from error
    if parsed_url.scheme not in ("http", "https") or not parsed_url.host:
        raise InputError(f"{url!r}: only http and https addresses can be downloaded; give one of those")


def _check_sha256(sha256: str | None) -> str | None:
    """Return the checksum in lower case."""
    if sha256 is None:
        return None
    if not _SHA256_PATTERN.fullmatch(sha256.lower()):
        raise InputError(f"{sha256!r} is not a SHA-256 checksum; give its 64 hexadecimal digits")
    return sha256.lower()


def read_checksums(checksums_path: Path) -> dict[str, str]:
    """Return the recorded checksums by URL; none if the file does not exist.

    Raises:
        DownloadError: the file is damaged. To ignore that would be to trust every file again.
        StorageError: the file cannot be read.
    """
    try:
        content = checksums_path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(
            f"{checksums_path}: the recorded checksums cannot be read ({error.strerror}); check its permissions"
        ) from error
    try:
        checksums = _CHECKSUMS_TYPE.validate_json(content)
    except ValidationError as error:
        raise DownloadError(
            f"{checksums_path}: these are not recorded checksums (a JSON object of URLs and checksums); repair or delete the file"
        ) from error
    for url, checksum in checksums.items():
        if not _SHA256_PATTERN.fullmatch(checksum):
            raise DownloadError(
                f"{checksums_path}: {url}: {checksum!r} is not a SHA-256 sum; repair or delete that entry"
            )
    return checksums


def _record_checksum(checksums_path: Path, url: str, sha256: str) -> str:
    """Record a checksum, unless the URL has one; return the one that the URL has then."""
    with report_storage_errors(checksums_path):
        checksums_path.parent.mkdir(parents=True, exist_ok=True)
    with _lock_directory(checksums_path.parent):
        checksums = read_checksums(checksums_path)
        if url not in checksums:
            checksums[url] = sha256
            with atomic_write(checksums_path) as part_path:
                part_path.write_text(json.dumps(checksums, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return checksums[url]


def _hash_existing(target: Path) -> str | None:
    """Return the checksum of a file; None if it does not exist."""
    try:
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"{target}: something with this name exists that cannot be read as a file ({error.strerror}); choose another name"
        ) from error


@contextmanager
def _lock_directory(directory: Path) -> Iterator[None]:
    """Keep two downloads from recording checksums at once. On file systems that cannot lock directories, do nothing."""
    descriptor = -1
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)
