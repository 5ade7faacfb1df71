"""Downloads from a real HTTP server on this machine, which can be as bad as servers are."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from draggan_engine.checkpoints.download import http_download as module
from draggan_engine.checkpoints.download.download_file import DownloadedFile, download_file
from draggan_engine.core.errors import DownloadError, DragganError, InputError, StorageError
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE

MIB = 1 << 20
BODY = random.Random(0).randbytes(3 * MIB + 12345)
SUM = hashlib.sha256(BODY).hexdigest()


@dataclass
class Site:
    """What the server does; a test changes it as it goes."""

    body: bytes = BODY
    etag: str | None = '"one"'
    last_modified: str | None = None
    ranges: bool = True
    if_range: bool = True  # False: it serves ranges of whatever it has now
    content_type: str = "application/octet-stream"
    length: int | None = -1  # Content-Length to announce; -1: the true one; None: none
    breaks: list[int | None] = field(default_factory=list)  # of the next answers: bytes after which each breaks off
    always_breaks: int | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hold_after: int | None = None  # bytes after which the answer stands still until `go`
    go: threading.Event = field(default_factory=threading.Event)
    change_after: dict[int, bytes] = field(default_factory=dict)  # number of the request → the body from there on
    wrong_range: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    url: str = ""

    @property
    def ranges_asked(self) -> list[str | None]:
        return [wanted for _, wanted in self.asked]


class Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site = self.site
        site.asked.append((self.path, self.headers["Range"]))
        site.sent.append(0)
        if len(site.asked) - 1 in site.change_after:
            site.body = site.change_after[len(site.asked) - 1]
            site.etag = f'"{len(site.asked)}"'
        if self.path.startswith("/hop/"):
            left = int(self.path.rpartition("/")[2])
            return self.answer_with(302, {"Location": f"/hop/{left - 1}" if left else "/file.pkl"})
        if self.path == "/circle":
            return self.answer_with(301, {"Location": "/circle"})
        if self.path == "/elsewhere":
            return self.answer_with(307, {"Location": "ftp://example.org/file.pkl"})
        if site.status is not None:
            return self.answer_with(site.status, site.headers)
        return self.serve(site)

    def answer_with(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def serve(self, site: Site) -> None:
        begin, wanted = 0, self.headers["Range"]
        same = not site.if_range or self.headers["If-Range"] in (site.etag, site.last_modified)
        partial = bool(wanted) and site.ranges and same
        if partial:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(site.body):
                return self.answer_with(416, {"Content-Range": f"bytes */{len(site.body)}"})
        self.send_response(206 if partial else 200)
        if partial:
            shown = begin + 1 if site.wrong_range else begin
            self.send_header("Content-Range", f"bytes {shown}-{len(site.body) - 1}/{len(site.body)}")
        self.send_header("Content-Type", site.content_type)
        if site.length is not None:
            self.send_header("Content-Length", str(len(site.body) - begin if site.length < 0 else site.length - begin))
        for name, value in {"ETag": site.etag, "Last-Modified": site.last_modified, **site.headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        stop = site.breaks.pop(0) if site.breaks else site.always_breaks
        end = len(site.body) if stop is None else min(len(site.body), begin + stop)
        for at in range(begin, end, 65536):
            if site.hold_after is not None and at >= site.hold_after:
                site.go.wait(20)
            piece = site.body[at : min(end, at + 65536)]
            try:
                self.wfile.write(piece)
            except OSError:
                return None
            site.sent[-1] += len(piece)
        self.close_connection = True
        return None


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "RETRY_DELAYS", (0.001, 0.002, 0.003))
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("This", (Handler,), {"site": site}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/file.pkl"
    yield site
    site.go.set()
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Place:
    """A folder of models, and what is downloaded into it."""

    folder: Path
    steps: list[tuple[int, int | None]] = field(default_factory=list)

    @property
    def target(self) -> Path:
        return self.folder / "models" / "file.pkl"

    @property
    def part(self) -> Path:
        return self.folder / "models" / "file.pkl.part"

    @property
    def recorded(self) -> Path:
        return self.folder / "checksums.json"

    def names(self) -> set[str]:
        return {path.name for path in self.target.parent.iterdir()} if self.target.parent.exists() else set()

    def progress(self, done: int, total: int | None) -> None:
        self.steps.append((done, total))

    def pull(self, url: str, sha256: str | None = None) -> DownloadedFile:
        return download_file(
            url, self.target, sha256=sha256, checksums_path=self.recorded, check=lambda _: None, progress=self.progress
        )

    def refused(self, url: str, sha256: str | None = None, kind: type[DragganError] = DownloadError) -> str:
        with pytest.raises(kind) as caught:
            self.pull(url, sha256)
        message = str(caught.value)
        assert message.isprintable()
        return message

    def leave_part(self, content: bytes, entity: dict[str, object] | str) -> None:
        self.part.parent.mkdir(exist_ok=True)
        self.part.write_bytes(content)
        text = entity if isinstance(entity, str) else json.dumps(entity)
        self.part.with_name("file.pkl.part.json").write_text(text)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# Whole and well.


def test_a_file(site: Site, place: Place) -> None:
    got = place.pull(site.url)
    assert got == DownloadedFile(place.target, SUM, len(BODY), received_bytes=len(BODY), verified=False)
    assert place.target.read_bytes() == BODY
    assert place.names() == {"file.pkl"}
    assert json.loads(place.recorded.read_text()) == {site.url: SUM}
    assert place.steps[0] == (0, len(BODY))
    assert place.steps[-1] == (len(BODY), len(BODY))
    assert place.steps == sorted(place.steps)
    assert len(place.steps) >= 4, "it is written as it comes"


@pytest.mark.parametrize("sha256", [SUM, SUM.upper()])
def test_a_given_sum(sha256: str, site: Site, place: Place) -> None:
    assert place.pull(site.url, sha256).verified


def test_no_content_length(site: Site, place: Place) -> None:
    site.length = None
    assert place.pull(site.url).size == len(BODY)
    assert place.steps[-1] == (len(BODY), None)


def test_redirects_are_followed(site: Site, place: Place) -> None:
    got = place.pull(site.url.replace("/file.pkl", "/hop/5"))
    assert got.sha256 == SUM
    assert len(site.asked) == 7


def test_a_file_that_is_there_is_not_downloaded_again(site: Site, place: Place) -> None:
    place.pull(site.url)
    again = place.pull(site.url)
    assert again == DownloadedFile(place.target, SUM, len(BODY), received_bytes=0, verified=True)
    assert len(site.asked) == 1
    assert place.names() == {"file.pkl"}


def test_a_file_that_is_there_and_has_the_given_sum(site: Site, place: Place) -> None:
    place.target.parent.mkdir()
    place.target.write_bytes(BODY)
    assert place.pull(site.url, SUM).received_bytes == 0
    assert site.asked == []
    assert json.loads(place.recorded.read_text()) == {site.url: SUM}


def test_a_file_that_is_there_and_damaged_is_replaced(site: Site, place: Place) -> None:
    place.pull(site.url)
    place.target.write_bytes(b"damaged")
    got = place.pull(site.url)
    assert (got.received_bytes, got.verified) == (len(BODY), True)
    assert place.target.read_bytes() == BODY


def test_a_file_that_is_there_stays_until_the_right_one_has_come(site: Site, place: Place) -> None:
    place.pull(site.url)
    place.target.write_bytes(b"damaged")
    site.status = 503
    place.refused(site.url)
    assert place.target.read_bytes() == b"damaged"
    assert place.names() == {"file.pkl"}


def test_a_file_of_which_nothing_is_known_is_left_alone(site: Site, place: Place) -> None:
    place.target.parent.mkdir()
    place.target.write_bytes(b"the user's own")
    message = place.refused(site.url)
    assert str(place.target) in message
    assert site.url in message
    assert place.target.read_bytes() == b"the user's own"
    assert site.asked == []
    assert place.names() == {"file.pkl"}


# Sums.


def test_another_sum_than_the_given_one(site: Site, place: Place) -> None:
    message = place.refused(site.url, "0" * 64)
    assert all(text in message for text in (site.url, SUM, "0" * 64))
    assert place.names() == set()
    assert not place.recorded.exists()


def test_another_sum_than_at_first_use(site: Site, place: Place) -> None:
    place.pull(site.url)
    place.target.unlink()
    site.body, site.etag = BODY[:-1] + bytes([BODY[-1] ^ 1]), '"two"'
    message = place.refused(site.url)
    assert all(text in message for text in (site.url, SUM, hashlib.sha256(site.body).hexdigest(), str(place.recorded)))
    assert place.names() == set()
    assert json.loads(place.recorded.read_text()) == {site.url: SUM}
    site.body = BODY
    assert place.pull(site.url).verified


def test_sums_of_other_addresses_stay(site: Site, place: Place) -> None:
    place.recorded.write_text(json.dumps({"https://example.org/a": "1" * 64}))
    place.pull(site.url)
    assert json.loads(place.recorded.read_text()) == {"https://example.org/a": "1" * 64, site.url: SUM}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": "b"}', "\0"])
def test_a_damaged_record_is_not_overwritten(text: str, site: Site, place: Place) -> None:
    place.recorded.write_text(text)
    assert str(place.recorded) in place.refused(site.url)
    assert place.recorded.read_text() == text
    assert site.asked == []


@pytest.mark.parametrize("sha256", ["", "0" * 63, "g" * 64])
def test_a_given_sum_that_is_none(sha256: str, site: Site, place: Place) -> None:
    assert "64" in place.refused(site.url, sha256, InputError)


# Breaks.


def test_it_goes_on_after_a_break(site: Site, place: Place) -> None:
    site.breaks = [MIB + 1000]
    got = place.pull(site.url)
    assert got.sha256 == SUM
    assert site.ranges_asked == [None, f"bytes={MIB + 1000}-"]
    assert got.received_bytes == sum(site.sent) == len(BODY)


def test_a_connection_that_breaks_every_time_but_gets_on(site: Site, place: Place) -> None:
    site.always_breaks = len(BODY) // 12
    got = place.pull(site.url)
    assert got.sha256 == SUM
    assert got.received_bytes == len(BODY)
    assert len(site.asked) == 13


def test_a_connection_that_gets_nowhere(site: Site, place: Place) -> None:
    site.always_breaks = 0
    message = place.refused(site.url)
    assert site.url in message
    assert len(site.asked) == 4
    assert place.names() == set()


def test_a_break_without_ranges_starts_over(site: Site, place: Place) -> None:
    site.ranges = False
    site.breaks = [MIB]
    got = place.pull(site.url)
    assert got.sha256 == SUM
    assert got.received_bytes == MIB + len(BODY)


def test_a_server_without_ranges_that_always_breaks(site: Site, place: Place) -> None:
    site.ranges, site.always_breaks = False, MIB
    message = place.refused(site.url)
    assert str(place.part) in message
    assert len(site.asked) == 4, "the first got on, three did not"
    assert place.part.stat().st_size == MIB


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_what_cannot_be_told_apart_is_not_resumed(etag: str | None, site: Site, place: Place) -> None:
    site.etag, site.breaks = etag, [MIB]
    assert place.pull(site.url).sha256 == SUM
    assert site.ranges_asked == [None, None]


def test_last_modified_serves_where_there_is_no_etag(site: Site, place: Place) -> None:
    site.etag, site.last_modified, site.breaks = None, "Wed, 21 Oct 2015 07:28:00 GMT", [MIB]
    assert place.pull(site.url).received_bytes == len(BODY)
    assert site.ranges_asked == [None, f"bytes={MIB}-"]


@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_changes_between_tries(if_range: bool, site: Site, place: Place) -> None:
    other = BODY[::-1]
    site.breaks, site.if_range, site.change_after = [MIB], if_range, {1: other}
    got = place.pull(site.url)
    assert got.sha256 == hashlib.sha256(other).hexdigest()
    assert place.target.read_bytes() == other


def test_a_file_that_shrank(site: Site, place: Place) -> None:
    site.breaks, site.if_range, site.change_after = [2 * MIB], False, {1: b"short"}
    assert place.pull(site.url).size == 5
    assert site.ranges_asked == [None, f"bytes={2 * MIB}-", None]


def test_another_range_than_was_asked_for(site: Site, place: Place) -> None:
    site.breaks, site.wrong_range = [MIB], True
    assert place.pull(site.url).sha256 == SUM
    assert site.ranges_asked == [None, f"bytes={MIB}-", None]


def test_more_is_announced_than_comes(site: Site, place: Place) -> None:
    site.length = len(BODY) + 100
    message = place.refused(site.url)
    assert site.url in message
    assert not place.target.exists()


def test_less_is_announced_than_comes(site: Site, place: Place) -> None:
    site.length = 1000
    message = place.refused(site.url, SUM)
    assert hashlib.sha256(BODY[:1000]).hexdigest() in message
    assert place.names() == set()


# A later call.


def test_a_later_call_goes_on(site: Site, place: Place) -> None:
    site.always_breaks, site.ranges = MIB, False
    place.refused(site.url)
    assert place.names() == {"file.pkl.part", "file.pkl.part.json"}
    site.always_breaks, site.ranges = None, True
    site.asked.clear()
    got = place.pull(site.url)
    assert (got.sha256, got.received_bytes) == (SUM, len(BODY) - MIB)
    assert site.ranges_asked == [f"bytes={MIB}-"]
    assert place.steps[-5:] == sorted(place.steps[-5:])
    assert place.names() == {"file.pkl"}


def test_a_part_that_was_whole_already(site: Site, place: Place) -> None:
    place.leave_part(BODY, {"url": site.url, "validator": '"one"', "total": len(BODY)})
    assert place.pull(site.url, SUM).received_bytes == 0
    assert site.asked == []


@pytest.mark.parametrize(
    "entity",
    [
        "",
        "{}",
        {"url": "http://127.0.0.1/other", "validator": '"one"', "total": len(BODY)},
        {"url": "", "validator": None, "total": len(BODY)},
        {"url": "", "validator": '"one"', "total": 10},
    ],
)
def test_a_part_of_which_nothing_is_known_is_not_used(
    entity: dict[str, object] | str, site: Site, place: Place
) -> None:
    if isinstance(entity, dict):
        entity = {**entity, "url": entity["url"] or site.url}
    place.leave_part(b"x" * 1000, entity)
    assert place.pull(site.url).received_bytes == len(BODY)
    assert site.ranges_asked == [None]


def test_a_damaged_part_is_found_out(site: Site, place: Place) -> None:
    place.leave_part(b"x" * 1000, {"url": site.url, "validator": '"one"', "total": len(BODY)})
    assert SUM in place.refused(site.url, SUM)
    assert place.names() == set()
    assert place.pull(site.url, SUM).received_bytes == len(BODY)


def test_after_kill_9_only_the_rest_is_transferred(site: Site, place: Place) -> None:
    site.hold_after = 2 * MIB + 65536 * 3
    program = (
        "import sys; from pathlib import Path; from draggan_engine.checkpoints.download.download_file import download_file\n"
        "url, target, recorded = sys.argv[1:]\n"
        "download_file(url, Path(target), checksums_path=Path(recorded), check=lambda path: None, progress=lambda done, total: None)\n"
    )
    engine = ROOT / "engine"
    process = subprocess.Popen(
        [sys.executable, "-c", program, site.url, str(place.target), str(place.recorded)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(engine), os.environ.get("PYTHONPATH", "")])},
    )
    try:
        until = time.monotonic() + PATIENCE
        while not place.part.exists() or place.part.stat().st_size < 2 * MIB:
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert place.names() == {"file.pkl.part", "file.pkl.part.json"}
    there = place.part.stat().st_size
    site.hold_after = None
    site.go.set()
    got = place.pull(site.url, SUM)
    assert place.target.read_bytes() == BODY
    assert got.received_bytes == site.sent[-1] == len(BODY) - there
    assert site.ranges_asked == [None, f"bytes={there}-"]


def test_an_interrupted_call_can_be_resumed(site: Site, place: Place) -> None:
    def stop(done: int, _total: int | None) -> None:
        if done >= MIB:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download_file(site.url, place.target, checksums_path=place.recorded, check=lambda _: None, progress=stop)
    there = place.part.stat().st_size
    assert there >= MIB
    assert place.pull(site.url, SUM).received_bytes == len(BODY) - there


def test_a_full_disk_keeps_the_part(site: Site, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite

    def fill(handle: int, data: bytes, at: int) -> int:
        if at >= MIB:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data[: MIB - at], at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fill)
        message = place.refused(site.url, kind=StorageError)
    assert str(place.part) in message
    assert "space" in message
    assert place.part.stat().st_size == MIB
    assert len(site.asked) == 1
    assert place.pull(site.url, SUM).received_bytes == len(BODY) - MIB


def test_a_folder_that_cannot_be_made(site: Site, place: Place) -> None:
    (place.folder / "models").write_text("a file")
    assert str(place.target) in place.refused(site.url, kind=StorageError)


def test_a_folder_in_the_place_of_the_file(site: Site, place: Place) -> None:
    place.target.mkdir(parents=True)
    assert str(place.target) in place.refused(site.url, kind=StorageError)


def test_a_part_that_is_a_link_is_not_followed(site: Site, place: Place) -> None:
    place.target.parent.mkdir()
    other = place.folder / "other"
    other.write_text("precious")
    place.part.symlink_to(other)
    place.refused(site.url, kind=StorageError)
    assert other.read_text() == "precious"


# Two at once.


def test_a_second_download_of_the_same_file_is_refused(site: Site, place: Place) -> None:
    site.hold_after = MIB
    results: list[DownloadedFile] = []
    first = threading.Thread(target=lambda: results.append(place.pull(site.url)))
    first.start()
    while not site.sent or site.sent[0] < MIB:
        time.sleep(0.005)
    message = place.refused(site.url)
    assert str(place.target) in message
    assert "another" in message
    site.go.set()
    first.join()
    assert [got.sha256 for got in results] == [SUM]
    assert len(site.asked) == 1
    assert place.names() == {"file.pkl"}


def test_a_part_that_its_owner_renames_before_it_is_locked(
    site: Site, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, calls = fcntl.flock, 0

    def finish_first(handle: int, operation: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:  # between our open and our lock another process ends its download
            place.part.write_bytes(BODY)
            place.part.rename(place.target)
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", finish_first)
    assert place.pull(site.url, SUM).received_bytes == 0
    assert place.target.read_bytes() == BODY
    assert place.names() == {"file.pkl"}


def test_two_files_at_once_are_both_recorded(site: Site, place: Place) -> None:
    urls = [f"{site.url}?{number}" for number in range(6)]
    threads = [
        threading.Thread(
            target=download_file,
            args=(url, place.folder / f"{number}.pkl"),
            kwargs={"checksums_path": place.recorded, "check": lambda _: None, "progress": place.progress},
        )
        for number, url in enumerate(urls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads(place.recorded.read_text()) == dict.fromkeys(urls, SUM)


# What servers say.


@pytest.mark.parametrize(
    ("status", "named"),
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
def test_a_refusal(status: int, named: str, site: Site, place: Place) -> None:
    site.status = status
    message = place.refused(site.url)
    assert site.url in message
    assert str(status) in message
    assert named in message
    assert len(site.asked) == 1
    assert place.names() == set()


def test_a_wait_that_the_server_names(site: Site, place: Place) -> None:
    site.status, site.headers = 429, {"Retry-After": "120"}
    assert "120 seconds" in place.refused(site.url)


def test_a_refusal_keeps_what_came(site: Site, place: Place) -> None:
    place.leave_part(BODY[:1000], {"url": site.url, "validator": '"one"', "total": len(BODY)})
    site.status = 503
    place.refused(site.url)
    site.status = None
    assert place.pull(site.url, SUM).received_bytes == len(BODY) - 1000


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML; charset=utf-8"])
def test_a_web_page_is_no_file(content_type: str, site: Site, place: Place) -> None:
    place.leave_part(BODY[:1000], {"url": site.url, "validator": '"one"', "total": len(BODY)})
    site.content_type, site.etag = content_type, '"page"'
    message = place.refused(site.url)
    assert "web page" in message
    assert "browser" in message
    assert place.part.read_bytes() == BODY[:1000]


def test_a_compressed_answer(site: Site, place: Place) -> None:
    site.headers = {"Content-Encoding": "gzip"}
    assert "gzip" in place.refused(site.url)
    assert place.names() == set()


def test_an_empty_file(site: Site, place: Place) -> None:
    site.body = b""
    assert "empty" in place.refused(site.url)
    assert place.names() == set()


def test_redirects_in_a_circle(site: Site, place: Place) -> None:
    assert "redirects" in place.refused(site.url.replace("/file.pkl", "/circle"))
    assert len(site.asked) == module.MAX_REDIRECTS + 1


def test_a_redirect_out_of_the_web(site: Site, place: Place) -> None:
    assert "ftp" in place.refused(site.url.replace("/file.pkl", "/elsewhere"))


def test_where_redirects_may_lead() -> None:
    here = httpx.URL("https://example.org/a")
    with pytest.raises(DownloadError, match="https to http"):
        module._next_hop("https://example.org/a", here, "http://example.org/b")
    assert module._next_hop("", here, "//other.org/b") == httpx.URL("https://other.org/b")
    assert module._next_hop("", here, "b") == httpx.URL("https://example.org/b")
    assert module._next_hop("", httpx.URL("http://a.org/"), "https://b.org/") == httpx.URL("https://b.org/")


@pytest.fixture
def secure(site: Site, tmp_path: Path) -> Iterator[Site]:
    """The same site by https as well, at `url`, with a certificate that nobody signed: tmp_path/certificate.pem."""
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
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("This", (Handler,), {"site": site}))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"https://127.0.0.1:{server.server_port}/file.pkl"
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_certificate_that_proves_nothing(secure: Site, place: Place) -> None:
    message = place.refused(secure.url)
    assert "cannot prove that it is 127.0.0.1" in message
    assert secure.asked == []


def test_https_and_no_way_back_to_http(
    secure: Site, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    assert place.pull(secure.url).sha256 == SUM
    secure.status, secure.headers = 302, {"Location": "http://127.0.0.1:1/file.pkl"}
    message = place.refused(secure.url + "?2", "0" * 64)
    assert "from https to http" in message
    assert secure.url in message


# Addresses and lines.


@pytest.mark.parametrize(
    "url", ["", "file.pkl", "ftp://example.org/a", "file:///etc/passwd", "http://", "https:///a", "a\nb"]
)
def test_addresses_that_are_none(url: str, place: Place) -> None:
    message = place.refused(url, kind=InputError)
    assert repr(url) in message
    assert place.names() == set()


def test_a_file_that_is_of_no_use(site: Site, place: Place) -> None:
    def check(path: Path) -> None:
        assert path.read_bytes() == BODY
        raise InputError("it is no model")

    with pytest.raises(DownloadError, match="of no use and was removed: it is no model"):
        download_file(site.url, place.target, checksums_path=place.recorded, check=check, progress=place.progress)
    assert place.names() == set()
    assert not place.recorded.exists()
    place.pull(site.url)


@pytest.mark.usefixtures("site")
def test_nobody_listens(place: Place) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    message = place.refused(f"http://127.0.0.1:{port}/file.pkl")
    assert "cannot be reached" in message
    assert place.names() == set()


@pytest.mark.usefixtures("site")
def test_a_name_that_nobody_knows(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    message = place.refused("https://no-such-host.invalid/file.pkl")
    assert "no-such-host.invalid cannot be resolved" in message


def test_no_tls_at_the_other_end(site: Site, place: Place) -> None:
    message = place.refused(site.url.replace("http://", "https://"))
    assert "no secure connection" in message


@pytest.mark.parametrize(("name", "value"), [("SSL_CERT_FILE", "/no/such/file"), ("HTTP_PROXY", "gopher://x")])
def test_a_shell_with_wrong_settings(
    name: str, value: str, site: Site, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert "settings of this shell" in place.refused(site.url)


def test_a_server_that_says_nothing(site: Site, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HTTP_TIMEOUT", httpx.Timeout(0.05))
    site.hold_after = 0
    assert "in time" in place.refused(site.url)
    assert len(site.asked) == 4


def test_it_holds_little_in_memory(site: Site, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = os.pwrite

    def watch(handle: int, data: memoryview, at: int) -> int:
        sizes.append(len(data))
        return write(handle, data, at)

    monkeypatch.setattr(os, "pwrite", watch)
    place.pull(site.url)
    assert max(sizes) < 2 * MIB
