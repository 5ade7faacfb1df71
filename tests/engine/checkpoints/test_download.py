"""Downloads from a real HTTP server on this machine that misbehaves in the ways that servers do."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from draggan_engine.checkpoints.download.download_file import DownloadedFile, download_file
from draggan_engine.checkpoints.download.http_download import HttpLimits, resolve_redirect
from draggan_engine.core.errors import DownloadError, DragganError, InputError, StorageError
from tests.support.file_server import BODY, MIB, FileServer, run_server
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE

BODY_SHA256 = hashlib.sha256(BODY).hexdigest()
QUICK_RETRIES = HttpLimits(retry_delays=(0.001, 0.002, 0.003))
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "SSL_CERT_FILE")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    file_server = FileServer()
    with run_server(file_server):
        yield file_server


@dataclass
class DownloadDirectory:
    """A directory for models, and the downloads into it."""

    path: Path
    limits: HttpLimits = QUICK_RETRIES
    progress_reports: list[tuple[int, int | None]] = field(default_factory=list)

    @property
    def target(self) -> Path:
        return self.path / "models" / "file.pkl"

    @property
    def part_path(self) -> Path:
        return self.path / "models" / "file.pkl.part"

    @property
    def checksums_path(self) -> Path:
        return self.path / "checksums.json"

    def file_names(self) -> set[str]:
        return {path.name for path in self.target.parent.iterdir()} if self.target.parent.exists() else set()

    def report_progress(self, done_bytes: int, total_bytes: int | None) -> None:
        self.progress_reports.append((done_bytes, total_bytes))

    def download(self, url: str, sha256: str | None = None) -> DownloadedFile:
        return download_file(
            url,
            self.target,
            sha256=sha256,
            checksums_path=self.checksums_path,
            check=lambda _: None,
            progress=self.report_progress,
            limits=self.limits,
        )

    def refusal(self, url: str, sha256: str | None = None, kind: type[DragganError] = DownloadError) -> str:
        """Return the message of the error with which the download ends."""
        with pytest.raises(kind) as raised:
            self.download(url, sha256)
        message = str(raised.value)
        assert message.isprintable()
        return message

    def leave_part(self, content: bytes, description: dict[str, object] | str) -> None:
        """Put the beginning of a download where an earlier call would have left it."""
        self.part_path.parent.mkdir(exist_ok=True)
        self.part_path.write_bytes(content)
        description_text = description if isinstance(description, str) else json.dumps(description)
        self.part_path.with_name("file.pkl.part.json").write_text(description_text)


@pytest.fixture
def directory(tmp_path: Path) -> DownloadDirectory:
    return DownloadDirectory(tmp_path)


# Complete downloads


def test_a_file_is_downloaded(server: FileServer, directory: DownloadDirectory) -> None:
    downloaded = directory.download(server.url)
    assert downloaded == DownloadedFile(
        directory.target, BODY_SHA256, len(BODY), received_bytes=len(BODY), verified=False
    )
    assert directory.target.read_bytes() == BODY
    assert directory.file_names() == {"file.pkl"}
    assert json.loads(directory.checksums_path.read_text()) == {server.url: BODY_SHA256}
    assert directory.progress_reports[0] == (0, len(BODY))
    assert directory.progress_reports[-1] == (len(BODY), len(BODY))
    assert directory.progress_reports == sorted(directory.progress_reports)
    assert len(directory.progress_reports) >= 4, "it is written as it comes"


@pytest.mark.parametrize("sha256", [BODY_SHA256, BODY_SHA256.upper()])
def test_a_file_with_the_given_checksum_is_verified(
    sha256: str, server: FileServer, directory: DownloadDirectory
) -> None:
    assert directory.download(server.url, sha256).verified


def test_a_server_need_not_announce_a_length(server: FileServer, directory: DownloadDirectory) -> None:
    server.length = None
    assert directory.download(server.url).size == len(BODY)
    assert directory.progress_reports[-1] == (len(BODY), None)


def test_redirects_are_followed(server: FileServer, directory: DownloadDirectory) -> None:
    downloaded = directory.download(server.url.replace("/file.pkl", "/hop/5"))
    assert downloaded.sha256 == BODY_SHA256
    assert len(server.requests) == 7


def test_an_existing_file_is_not_downloaded_again(server: FileServer, directory: DownloadDirectory) -> None:
    directory.download(server.url)
    again = directory.download(server.url)
    assert again == DownloadedFile(directory.target, BODY_SHA256, len(BODY), received_bytes=0, verified=True)
    assert len(server.requests) == 1
    assert directory.file_names() == {"file.pkl"}


def test_an_existing_file_with_the_given_checksum_is_not_downloaded(
    server: FileServer, directory: DownloadDirectory
) -> None:
    directory.target.parent.mkdir()
    directory.target.write_bytes(BODY)
    assert directory.download(server.url, BODY_SHA256).received_bytes == 0
    assert server.requests == []
    assert json.loads(directory.checksums_path.read_text()) == {server.url: BODY_SHA256}


def test_a_damaged_existing_file_is_replaced(server: FileServer, directory: DownloadDirectory) -> None:
    directory.download(server.url)
    directory.target.write_bytes(b"damaged")
    downloaded = directory.download(server.url)
    assert (downloaded.received_bytes, downloaded.verified) == (len(BODY), True)
    assert directory.target.read_bytes() == BODY


def test_an_existing_file_stays_until_the_right_one_is_complete(
    server: FileServer, directory: DownloadDirectory
) -> None:
    directory.download(server.url)
    directory.target.write_bytes(b"damaged")
    server.status = 503
    directory.refusal(server.url)
    assert directory.target.read_bytes() == b"damaged"
    assert directory.file_names() == {"file.pkl"}


def test_an_existing_file_without_a_known_checksum_is_left_alone(
    server: FileServer, directory: DownloadDirectory
) -> None:
    directory.target.parent.mkdir()
    directory.target.write_bytes(b"the user's own")
    message = directory.refusal(server.url)
    assert str(directory.target) in message
    assert server.url in message
    assert directory.target.read_bytes() == b"the user's own"
    assert server.requests == []
    assert directory.file_names() == {"file.pkl"}


# Checksums


def test_a_file_with_another_checksum_than_the_given_one_is_refused(
    server: FileServer, directory: DownloadDirectory
) -> None:
    message = directory.refusal(server.url, "0" * 64)
    assert all(text in message for text in (server.url, BODY_SHA256, "0" * 64))
    assert directory.file_names() == set()
    assert not directory.checksums_path.exists()


def test_a_file_with_another_checksum_than_at_its_first_download_is_refused(
    server: FileServer, directory: DownloadDirectory
) -> None:
    directory.download(server.url)
    directory.target.unlink()
    server.body, server.etag = BODY[:-1] + bytes([BODY[-1] ^ 1]), '"two"'
    message = directory.refusal(server.url)
    assert all(
        text in message
        for text in (server.url, BODY_SHA256, hashlib.sha256(server.body).hexdigest(), str(directory.checksums_path))
    )
    assert directory.file_names() == set()
    assert json.loads(directory.checksums_path.read_text()) == {server.url: BODY_SHA256}
    server.body = BODY
    assert directory.download(server.url).verified


def test_the_checksums_of_other_addresses_stay_recorded(server: FileServer, directory: DownloadDirectory) -> None:
    directory.checksums_path.write_text(json.dumps({"https://example.org/a": "1" * 64}))
    directory.download(server.url)
    assert json.loads(directory.checksums_path.read_text()) == {
        "https://example.org/a": "1" * 64,
        server.url: BODY_SHA256,
    }


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": "b"}', "\0"])
def test_damaged_checksum_records_are_not_overwritten(
    text: str, server: FileServer, directory: DownloadDirectory
) -> None:
    directory.checksums_path.write_text(text)
    assert str(directory.checksums_path) in directory.refusal(server.url)
    assert directory.checksums_path.read_text() == text
    assert server.requests == []


@pytest.mark.parametrize("sha256", ["", "0" * 63, "g" * 64])
def test_an_invalid_checksum_is_refused(sha256: str, server: FileServer, directory: DownloadDirectory) -> None:
    assert "64" in directory.refusal(server.url, sha256, InputError)


# Broken connections


def test_a_download_is_resumed_after_a_broken_connection(server: FileServer, directory: DownloadDirectory) -> None:
    server.break_points = [MIB + 1000]
    downloaded = directory.download(server.url)
    assert downloaded.sha256 == BODY_SHA256
    assert server.requested_ranges == [None, f"bytes={MIB + 1000}-"]
    assert downloaded.received_bytes == sum(server.sent_bytes) == len(BODY)


def test_a_connection_may_break_often_if_each_try_makes_progress(
    server: FileServer, directory: DownloadDirectory
) -> None:
    server.break_every_try_after = len(BODY) // 12
    downloaded = directory.download(server.url)
    assert downloaded.sha256 == BODY_SHA256
    assert downloaded.received_bytes == len(BODY)
    assert len(server.requests) == 13


def test_a_download_without_progress_ends_after_three_retries(server: FileServer, directory: DownloadDirectory) -> None:
    server.break_every_try_after = 0
    message = directory.refusal(server.url)
    assert server.url in message
    assert len(server.requests) == 4
    assert directory.file_names() == set()


def test_without_ranges_a_broken_download_starts_over(server: FileServer, directory: DownloadDirectory) -> None:
    server.has_ranges = False
    server.break_points = [MIB]
    downloaded = directory.download(server.url)
    assert downloaded.sha256 == BODY_SHA256
    assert downloaded.received_bytes == MIB + len(BODY)


def test_without_ranges_a_connection_that_always_breaks_ends_the_download(
    server: FileServer, directory: DownloadDirectory
) -> None:
    server.has_ranges, server.break_every_try_after = False, MIB
    message = directory.refusal(server.url)
    assert str(directory.part_path) in message
    assert len(server.requests) == 4, "the first downloaded on, three did not"
    assert directory.part_path.stat().st_size == MIB


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_a_file_without_a_strong_validator_is_not_resumed(
    etag: str | None, server: FileServer, directory: DownloadDirectory
) -> None:
    server.etag, server.break_points = etag, [MIB]
    assert directory.download(server.url).sha256 == BODY_SHA256
    assert server.requested_ranges == [None, None]


def test_last_modified_is_the_validator_if_there_is_no_etag(server: FileServer, directory: DownloadDirectory) -> None:
    server.etag, server.last_modified, server.break_points = None, "Wed, 21 Oct 2015 07:28:00 GMT", [MIB]
    assert directory.download(server.url).received_bytes == len(BODY)
    assert server.requested_ranges == [None, f"bytes={MIB}-"]


@pytest.mark.parametrize("honours_if_range", [True, False])
def test_a_file_that_changes_between_tries_is_downloaded_anew(
    honours_if_range: bool, server: FileServer, directory: DownloadDirectory
) -> None:
    other = BODY[::-1]
    server.break_points, server.honours_if_range, server.new_bodies = [MIB], honours_if_range, {1: other}
    downloaded = directory.download(server.url)
    assert downloaded.sha256 == hashlib.sha256(other).hexdigest()
    assert directory.target.read_bytes() == other


def test_a_file_that_shrinks_between_tries_is_downloaded_anew(server: FileServer, directory: DownloadDirectory) -> None:
    server.break_points, server.honours_if_range, server.new_bodies = [2 * MIB], False, {1: b"short"}
    assert directory.download(server.url).size == 5
    assert server.requested_ranges == [None, f"bytes={2 * MIB}-", None]


def test_an_answer_with_the_wrong_range_is_not_appended(server: FileServer, directory: DownloadDirectory) -> None:
    server.break_points, server.sends_wrong_range = [MIB], True
    assert directory.download(server.url).sha256 == BODY_SHA256
    assert server.requested_ranges == [None, f"bytes={MIB}-", None]


def test_a_file_that_is_shorter_than_announced_is_refused(server: FileServer, directory: DownloadDirectory) -> None:
    server.length = len(BODY) + 100
    message = directory.refusal(server.url)
    assert server.url in message
    assert not directory.target.exists()


def test_bytes_beyond_the_announced_length_are_ignored(server: FileServer, directory: DownloadDirectory) -> None:
    server.length = 1000
    message = directory.refusal(server.url, BODY_SHA256)
    assert hashlib.sha256(BODY[:1000]).hexdigest() in message
    assert directory.file_names() == set()


def test_a_validator_that_cannot_be_sent_back_is_not_used(server: FileServer, directory: DownloadDirectory) -> None:
    server.etag, server.break_points = '"öne"', [MIB]
    assert directory.download(server.url).sha256 == BODY_SHA256
    assert server.requested_ranges == [None, None]


# Resuming in a later call


def test_a_later_call_resumes_the_download(server: FileServer, directory: DownloadDirectory) -> None:
    server.break_every_try_after, server.has_ranges = MIB, False
    directory.refusal(server.url)
    assert directory.file_names() == {"file.pkl.part", "file.pkl.part.json"}
    server.break_every_try_after, server.has_ranges = None, True
    server.requests.clear()
    downloaded = directory.download(server.url)
    assert (downloaded.sha256, downloaded.received_bytes) == (BODY_SHA256, len(BODY) - MIB)
    assert server.requested_ranges == [f"bytes={MIB}-"]
    assert directory.progress_reports[-5:] == sorted(directory.progress_reports[-5:])
    assert directory.file_names() == {"file.pkl"}


def test_a_complete_part_is_not_requested_again(server: FileServer, directory: DownloadDirectory) -> None:
    directory.leave_part(BODY, {"url": server.url, "validator": '"one"', "total": len(BODY)})
    assert directory.download(server.url, BODY_SHA256).received_bytes == 0
    assert server.requests == []


@pytest.mark.parametrize(
    "description",
    [
        "",
        "{}",
        {"url": "http://127.0.0.1/other", "validator": '"one"', "total": len(BODY)},
        {"url": "", "validator": None, "total": len(BODY)},
        {"url": "", "validator": '"one"', "total": 10},
        {"address": "", "validator": '"one"', "total": len(BODY)},
        {"url": "", "validator": '"one"', "total": len(BODY), "size": 1},
        {"url": "", "validator": '"öne"', "total": len(BODY)},
        {"url": "", "validator": '"o\r\nne"', "total": len(BODY)},
        {"url": "", "validator": '"' + 10_000 * "1" + '"', "total": len(BODY)},
        "[" * 100_000,
    ],
)
def test_a_part_of_an_unknown_file_is_not_used(
    description: dict[str, object] | str, server: FileServer, directory: DownloadDirectory
) -> None:
    if isinstance(description, dict):
        description |= {name: server.url for name in ("url", "address") if description.get(name) == ""}
    directory.leave_part(b"x" * 1000, description)
    assert directory.download(server.url).received_bytes == len(BODY)
    assert server.requested_ranges == [None]


def test_a_damaged_part_is_detected_by_the_checksum(server: FileServer, directory: DownloadDirectory) -> None:
    directory.leave_part(b"x" * 1000, {"url": server.url, "validator": '"one"', "total": len(BODY)})
    assert BODY_SHA256 in directory.refusal(server.url, BODY_SHA256)
    assert directory.file_names() == set()
    assert directory.download(server.url, BODY_SHA256).received_bytes == len(BODY)


def test_after_a_kill_only_the_rest_is_transferred(server: FileServer, directory: DownloadDirectory) -> None:
    server.pause_after = 2 * MIB + 65536 * 3
    program = (
        "import sys; from pathlib import Path; from draggan_engine.checkpoints.download.download_file import download_file\n"
        "url, target, recorded = sys.argv[1:]\n"
        "download_file(url, Path(target), checksums_path=Path(recorded), check=lambda path: None, progress=lambda done, total: None)\n"
    )
    engine = ROOT / "engine"
    process = subprocess.Popen(
        [sys.executable, "-c", program, server.url, str(directory.target), str(directory.checksums_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(engine), os.environ.get("PYTHONPATH", "")])},
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while not directory.part_path.exists() or directory.part_path.stat().st_size < 2 * MIB:
            assert process.poll() is None, "the download ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert directory.file_names() == {"file.pkl.part", "file.pkl.part.json"}
    kept_bytes = directory.part_path.stat().st_size
    server.pause_after = None
    server.resume.set()
    downloaded = directory.download(server.url, BODY_SHA256)
    assert directory.target.read_bytes() == BODY
    assert downloaded.received_bytes == server.sent_bytes[-1] == len(BODY) - kept_bytes
    assert server.requested_ranges == [None, f"bytes={kept_bytes}-"]


def test_an_interrupted_call_can_be_resumed(server: FileServer, directory: DownloadDirectory) -> None:
    def interrupt(done_bytes: int, _total_bytes: int | None) -> None:
        if done_bytes >= MIB:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download_file(
            server.url,
            directory.target,
            checksums_path=directory.checksums_path,
            check=lambda _: None,
            progress=interrupt,
        )
    kept_bytes = directory.part_path.stat().st_size
    assert kept_bytes >= MIB
    assert directory.download(server.url, BODY_SHA256).received_bytes == len(BODY) - kept_bytes


def test_the_part_is_kept_if_the_disk_is_full(
    server: FileServer, directory: DownloadDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite

    def write_until_full(descriptor: int, data: bytes, offset: int) -> int:
        if offset >= MIB:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[: MIB - offset], offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", write_until_full)
        message = directory.refusal(server.url, kind=StorageError)
    assert str(directory.part_path) in message
    assert "space" in message
    assert directory.part_path.stat().st_size == MIB
    assert len(server.requests) == 1
    assert directory.download(server.url, BODY_SHA256).received_bytes == len(BODY) - MIB


def test_a_directory_that_cannot_be_created_is_an_error(server: FileServer, directory: DownloadDirectory) -> None:
    (directory.path / "models").write_text("a file")
    assert str(directory.target) in directory.refusal(server.url, kind=StorageError)


def test_a_directory_with_the_name_of_the_file_is_an_error(server: FileServer, directory: DownloadDirectory) -> None:
    directory.target.mkdir(parents=True)
    assert str(directory.target) in directory.refusal(server.url, kind=StorageError)


def test_a_part_that_is_a_symbolic_link_is_not_followed(server: FileServer, directory: DownloadDirectory) -> None:
    directory.target.parent.mkdir()
    other_path = directory.path / "other"
    other_path.write_text("precious")
    directory.part_path.symlink_to(other_path)
    directory.refusal(server.url, kind=StorageError)
    assert other_path.read_text() == "precious"


# Simultaneous downloads


def test_a_second_download_of_the_same_file_is_refused(server: FileServer, directory: DownloadDirectory) -> None:
    server.pause_after = MIB
    results: list[DownloadedFile] = []
    first_download = threading.Thread(target=lambda: results.append(directory.download(server.url)))
    first_download.start()
    assert server.paused.wait(PATIENCE)
    message = directory.refusal(server.url)
    assert str(directory.target) in message
    assert "another" in message
    server.resume.set()
    first_download.join()
    assert [downloaded.sha256 for downloaded in results] == [BODY_SHA256]
    assert len(server.requests) == 1
    assert directory.file_names() == {"file.pkl"}


def test_a_part_that_another_process_completes_before_the_lock_is_not_used(
    server: FileServer, directory: DownloadDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, call_count = fcntl.flock, 0

    def lock_too_late(descriptor: int, operation: int) -> None:
        nonlocal call_count
        call_count += 1
        if call_count == 1:  # another process completes its download between our open and our lock
            directory.part_path.write_bytes(BODY)
            directory.part_path.rename(directory.target)
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock_too_late)
    assert directory.download(server.url, BODY_SHA256).received_bytes == 0
    assert directory.target.read_bytes() == BODY
    assert directory.file_names() == {"file.pkl"}


def test_the_checksums_of_simultaneous_downloads_are_all_recorded(
    server: FileServer, directory: DownloadDirectory
) -> None:
    urls = [f"{server.url}?{number}" for number in range(6)]
    threads = [
        threading.Thread(
            target=download_file,
            args=(url, directory.path / f"{number}.pkl"),
            kwargs={
                "checksums_path": directory.checksums_path,
                "check": lambda _: None,
                "progress": directory.report_progress,
            },
        )
        for number, url in enumerate(urls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads(directory.checksums_path.read_text()) == dict.fromkeys(urls, BODY_SHA256)


# Answers that are not the file


@pytest.mark.parametrize(
    ("status", "expected_text"),
    [
        (401, "by hand"),
        (403, "by hand"),
        (404, "no such file"),
        (410, "no such file"),
        (418, "check the address"),
        (429, "too many"),
        (500, "later"),
        (503, "later"),
        (204, "check the address"),
        (206, "check the address"),
        (416, "check the address"),
    ],
)
def test_an_error_status_is_explained(
    status: int, expected_text: str, server: FileServer, directory: DownloadDirectory
) -> None:
    server.status = status
    message = directory.refusal(server.url)
    assert server.url in message
    assert str(status) in message
    assert expected_text in message
    assert len(server.requests) == 1
    assert directory.file_names() == set()


def test_the_delay_that_the_server_asks_for_is_shown(server: FileServer, directory: DownloadDirectory) -> None:
    server.status, server.headers = 429, {"Retry-After": "120"}
    assert "120 seconds" in directory.refusal(server.url)


def test_an_error_status_keeps_the_part(server: FileServer, directory: DownloadDirectory) -> None:
    directory.leave_part(BODY[:1000], {"url": server.url, "validator": '"one"', "total": len(BODY)})
    server.status = 503
    directory.refusal(server.url)
    server.status = None
    assert directory.download(server.url, BODY_SHA256).received_bytes == len(BODY) - 1000


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML; charset=utf-8"])
def test_a_web_page_is_not_saved_as_the_file(
    content_type: str, server: FileServer, directory: DownloadDirectory
) -> None:
    directory.leave_part(BODY[:1000], {"url": server.url, "validator": '"one"', "total": len(BODY)})
    server.content_type, server.etag = content_type, '"page"'
    message = directory.refusal(server.url)
    assert "web page" in message
    assert "browser" in message
    assert directory.part_path.read_bytes() == BODY[:1000]


def test_a_compressed_answer_is_refused(server: FileServer, directory: DownloadDirectory) -> None:
    server.headers = {"Content-Encoding": "gzip"}
    assert "gzip" in directory.refusal(server.url)
    assert directory.file_names() == set()


def test_an_empty_file_is_refused(server: FileServer, directory: DownloadDirectory) -> None:
    server.body = b""
    assert "empty" in directory.refusal(server.url)
    assert directory.file_names() == set()


def test_redirects_in_a_circle_end(server: FileServer, directory: DownloadDirectory) -> None:
    assert "redirects" in directory.refusal(server.url.replace("/file.pkl", "/circle"))
    assert len(server.requests) == HttpLimits().max_redirects + 1


def test_a_redirect_to_another_protocol_is_refused(server: FileServer, directory: DownloadDirectory) -> None:
    assert "ftp" in directory.refusal(server.url.replace("/file.pkl", "/elsewhere"))


def test_a_redirect_from_https_to_http_is_refused() -> None:
    current_url = httpx.URL("https://example.org/a")
    with pytest.raises(DownloadError, match="https to http"):
        resolve_redirect("https://example.org/a", current_url, "http://example.org/b")
    assert resolve_redirect("", current_url, "//other.org/b") == httpx.URL("https://other.org/b")
    assert resolve_redirect("", current_url, "b") == httpx.URL("https://example.org/b")
    assert resolve_redirect("", httpx.URL("http://a.org/"), "https://b.org/") == httpx.URL("https://b.org/")


@pytest.fixture
def secure_server(server: FileServer, tmp_path: Path) -> Iterator[FileServer]:
    """Serve the file by https as well, with an unsigned certificate: `tmp_path/certificate.pem`."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run(
            ["openssl", *command, *names, "-keyout", str(key), "-out", str(certificate)],
            check=True,
            capture_output=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"openssl makes no certificate here: {error}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with run_server(server, context):
        yield server


def test_an_unsigned_certificate_is_refused(secure_server: FileServer, directory: DownloadDirectory) -> None:
    message = directory.refusal(secure_server.url)
    assert "cannot prove that it is 127.0.0.1" in message
    assert secure_server.requests == []


def test_a_redirect_of_a_secure_server_to_http_is_refused(
    secure_server: FileServer, directory: DownloadDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    assert directory.download(secure_server.url).sha256 == BODY_SHA256
    secure_server.status, secure_server.headers = 302, {"Location": "http://127.0.0.1:1/file.pkl"}
    message = directory.refusal(secure_server.url + "?2", "0" * 64)
    assert "from https to http" in message
    assert secure_server.url in message


# Addresses and connections


@pytest.mark.parametrize(
    "url",
    ["", "file.pkl", "ftp://example.org/a", "file:///etc/passwd", "http://", "https:///a", "a\nb", "https://a/\udcff"],
)
def test_an_invalid_address_is_refused(url: str, directory: DownloadDirectory) -> None:
    message = directory.refusal(url, kind=InputError)
    assert repr(url) in message
    assert directory.file_names() == set()


def test_an_unusable_file_is_removed(server: FileServer, directory: DownloadDirectory) -> None:
    def check(path: Path) -> None:
        assert path.read_bytes() == BODY
        raise InputError("it is no model")

    with pytest.raises(DownloadError, match="the received file is unusable and was removed: it is no model"):
        download_file(
            server.url,
            directory.target,
            checksums_path=directory.checksums_path,
            check=check,
            progress=directory.report_progress,
        )
    assert directory.file_names() == set()
    assert not directory.checksums_path.exists()
    directory.download(server.url)


@pytest.mark.usefixtures("server")
def test_a_refused_connection_is_explained(directory: DownloadDirectory) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    message = directory.refusal(f"http://127.0.0.1:{port}/file.pkl")
    assert "cannot be reached" in message
    assert directory.file_names() == set()


@pytest.mark.usefixtures("server")
def test_an_unknown_host_is_explained(directory: DownloadDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    message = directory.refusal("https://no-such-host.invalid/file.pkl")
    assert "no-such-host.invalid cannot be resolved" in message


def test_a_server_without_tls_is_explained(server: FileServer, directory: DownloadDirectory) -> None:
    message = directory.refusal(server.url.replace("http://", "https://"))
    assert "no secure connection" in message


@pytest.mark.parametrize(("name", "value"), [("SSL_CERT_FILE", "/no/such/file"), ("HTTP_PROXY", "gopher://x")])
def test_invalid_network_settings_of_the_shell_are_explained(
    name: str, value: str, server: FileServer, directory: DownloadDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert "settings of this shell" in directory.refusal(server.url)


def test_a_silent_server_ends_the_download(server: FileServer, directory: DownloadDirectory) -> None:
    directory.limits = replace(QUICK_RETRIES, timeout=0.05)
    server.pause_after = 0
    assert "in time" in directory.refusal(server.url)
    deadline = time.monotonic() + PATIENCE
    while len(server.requests) < 4 and time.monotonic() < deadline:  # the server's threads may be late
        time.sleep(0.01)
    assert len(server.requests) == 4


def test_a_download_is_written_in_small_chunks(
    server: FileServer, directory: DownloadDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk_sizes: list[int] = []
    write = os.pwrite

    def record_write(descriptor: int, data: memoryview, offset: int) -> int:
        chunk_sizes.append(len(data))
        return write(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", record_write)
    directory.download(server.url)
    assert max(chunk_sizes) < 2 * MIB
