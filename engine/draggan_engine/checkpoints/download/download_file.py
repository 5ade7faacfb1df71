"""One file from the network to the disk: resumed where it broke off, checked, and under its name only when whole.

While a download runs its bytes are in `<target>.part`, and `<target>.part.json` says what they are the beginning of.
Both stay when it is interrupted, killed or the disk is full, and the next call for the same target goes on from there.
A lock on the .part keeps a second process out.

A file whose checksum nobody published is taken on trust once: its sum is written down under its URL, and every later
download of that URL must have the same one.
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

from .http_download import DownloadProgress, fetch_file, open_http_client
from .partial_download import ChecksumMismatch, lock_partial_download, report_storage_errors

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUMS = TypeAdapter(dict[str, str])


@dataclass(frozen=True)
class DownloadedFile:
    """A file that is in its place.

    Attributes:
        path: where it is.
        sha256: its sum, lower-case hexadecimal digits.
        size: in bytes.
        received_bytes: bytes that came over the network in this call; 0 if the file was there already.
        verified: its sum is one that was known before; False: it was taken on trust, and is known from now on.
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
) -> DownloadedFile:
    """Makes `target` the file that is at `url`.

    If `target` is there and has the given and the recorded sum, nothing is downloaded. If it has another, it is
    replaced, once the right file has come. If no sum is known for it, it is left alone and an error says so: it may be
    the user's own.

    Args:
        url: http or https. Redirects are followed, but never from https to http.
        target: its folder is made if need be.
        sha256: the sum that the file must have, in hexadecimal digits, if it is known.
        checksums_path: a JSON file of URLs and the sums that they had when first downloaded; made if need be.
        check: called with the path of the whole file before it gets its name or its sum is written down; by raising an
            `InputError` it says that the file is of no use, which is then removed.
        progress: called with the bytes there so far and those of the whole file (None: the server does not say), a few
            times a second. What it raises ends the download, which can then be resumed.

    Raises:
        DownloadError: the file cannot be had, has another sum or is of no use (then it is removed, and the record
            stays), or another process is downloading it.
        InputError: `url` or `sha256` cannot be one.
        StorageError: it cannot be written. What came stays for resuming.
    """
    _check_url(url)
    wanted = _checked_sum(sha256)
    known = {_recorded_sums(checksums_path).get(url), wanted} - {None}
    with report_storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with lock_partial_download(target) as part:
        there = _sum_of_existing(target)
        if there is not None:
            if not known:
                raise DownloadError(
                    f"{target}: a file is there already, and no checksum is known that would tell whether it is the one "
                    f"of {url}; move it away or delete it, and run the same command again"
                )
            if known == {there}:
                _record(checksums_path, url, there)
                return DownloadedFile(target, there, target.stat().st_size, received_bytes=0, verified=True)
        part.load(url)
        if not part.whole:
            with open_http_client() as client:
                fetch_file(client, url, part, progress)
        try:
            part.check(url, wanted, None)
            check(part.path)
            before = _record(checksums_path, url, part.sha256)
            part.check(url, before, checksums_path)
        except ChecksumMismatch as error:
            part.discard()
            raise DownloadError(str(error)) from None
        except InputError as error:
            part.discard()
            raise DownloadError(f"{url}: what came is of no use and was removed: {error}") from error
        size, came = part.size, part.received_bytes
        part.become(target)
        return DownloadedFile(target, part.sha256, size, came, verified=bool(known))


def _check_url(url: str) -> None:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise InputError(f"{url!r}: this is not an address ({error}); give one that begins with https://") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError(f"{url!r}: only http and https addresses can be downloaded; give one of those")


def _checked_sum(sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    if not _SHA256.fullmatch(sha256.lower()):
        raise InputError(f"{sha256!r} is not a SHA-256 checksum; give its 64 hexadecimal digits")
    return sha256.lower()


def _recorded_sums(checksums_path: Path) -> dict[str, str]:
    """URLs and sums; a file that says nonsense is an error, for to ignore it would be to trust every download anew."""
    try:
        text = checksums_path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(
            f"{checksums_path}: the recorded checksums cannot be read ({error.strerror}); see to its permissions"
        ) from error
    try:
        sums = _SUMS.validate_json(text)
    except ValidationError as error:
        raise DownloadError(
            f"{checksums_path}: these are not recorded checksums (a JSON object of URLs and sums); mend or delete the file"
        ) from error
    for url, value in sums.items():
        if not _SHA256.fullmatch(value):
            raise DownloadError(f"{checksums_path}: {url}: {value!r} is not a SHA-256 sum; mend or delete that entry")
    return sums


def _record(checksums_path: Path, url: str, sha256: str) -> str:
    """Writes the sum down if the URL has none yet; the sum that the URL has, then."""
    with report_storage_errors(checksums_path):
        checksums_path.parent.mkdir(parents=True, exist_ok=True)
    with _locked_folder(checksums_path.parent):
        sums = _recorded_sums(checksums_path)
        if url not in sums:
            sums[url] = sha256
            with atomic_write(checksums_path) as file:
                file.write_text(json.dumps(sums, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return sums[url]


def _sum_of_existing(target: Path) -> str | None:
    """The sum of the file; None if there is none."""
    try:
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"{target}: something is there that cannot be read as a file ({error.strerror}); choose another name"
        ) from error


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    """Keeps two downloads from writing the record at once; without effect where folders cannot be locked."""
    handle = -1
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle >= 0:
            os.close(handle)
