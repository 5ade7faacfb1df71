"""An HTTP server on this machine that can misbehave in the ways that servers do."""

from __future__ import annotations

import random
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MIB = 1 << 20
BODY = random.Random(0).randbytes(3 * MIB + 12345)
_BLOCK_BYTES = 65536
_MAX_PAUSE = 20.0  # seconds


@dataclass
class FileServer:
    """How the server behaves, which a test may change at any time, and what it was asked for.

    Attributes:
        honours_if_range: if False, it serves ranges of its present file whatever the client has.
        length: the Content-Length that it announces; -1: the true one; None: none.
        break_points: for each of the next answers, the number of bytes after which the connection breaks.
        break_every_try_after: the same for all further answers.
        status: the status of every answer, with `headers` and without a file.
        pause_after: the number of bytes after which an answer waits for `resume`; `paused` is set meanwhile.
        new_bodies: the files that the server has from the given request on.
        sends_wrong_range: it sends another range than it was asked for.
        requests: the path and the Range header of each request.
        authorizations: the Authorization header of each request.
        sent_bytes: the number of bytes in each answer.
    """

    body: bytes = BODY
    etag: str | None = '"one"'
    last_modified: str | None = None
    has_ranges: bool = True
    honours_if_range: bool = True
    content_type: str = "application/octet-stream"
    length: int | None = -1
    break_points: list[int | None] = field(default_factory=list)
    break_every_try_after: int | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    pause_after: int | None = None
    paused: threading.Event = field(default_factory=threading.Event)
    resume: threading.Event = field(default_factory=threading.Event)
    new_bodies: dict[int, bytes] = field(default_factory=dict)
    sends_wrong_range: bool = False
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    sent_bytes: list[int] = field(default_factory=list)
    url: str = ""

    @property
    def requested_ranges(self) -> list[str | None]:
        return [requested_range for _, requested_range in self.requests]


@contextmanager
def run_server(file_server: FileServer, context: ssl.SSLContext | None = None) -> Iterator[None]:
    """Serve the file at `file_server.url`.

    Args:
        context: for https; None for http.
    """
    handler = type("Handler", (_FileHandler,), {"file_server": file_server})
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http_server.daemon_threads = True
    if context is not None:
        http_server.socket = context.wrap_socket(http_server.socket, server_side=True)
    thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    scheme = "http" if context is None else "https"
    file_server.url = f"{scheme}://127.0.0.1:{http_server.server_port}/file.pkl"
    try:
        yield
    finally:
        file_server.resume.set()
        http_server.shutdown()
        http_server.server_close()
        thread.join()


class _FileHandler(BaseHTTPRequestHandler):
    file_server: FileServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        behaviour = self.file_server
        behaviour.requests.append((self.path, self.headers["Range"]))
        behaviour.authorizations.append(self.headers["Authorization"])
        behaviour.sent_bytes.append(0)
        self._request_index = len(behaviour.sent_bytes) - 1
        if self._request_index in behaviour.new_bodies:
            behaviour.body = behaviour.new_bodies[self._request_index]
            behaviour.etag = f'"{len(behaviour.requests)}"'
        if self.path.startswith("/hop/"):
            hops_left = int(self.path.rpartition("/")[2])
            self._answer_without_file(302, {"Location": f"/hop/{hops_left - 1}" if hops_left else "/file.pkl"})
        elif self.path == "/circle":
            self._answer_without_file(301, {"Location": "/circle"})
        elif self.path == "/elsewhere":
            self._answer_without_file(307, {"Location": "ftp://example.org/file.pkl"})
        elif behaviour.status is not None:
            self._answer_without_file(behaviour.status, behaviour.headers)
        else:
            self._answer_with_file(behaviour)

    def _answer_without_file(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer_with_file(self, behaviour: FileServer) -> None:
        start, requested_range = 0, self.headers["Range"]
        is_same_file = not behaviour.honours_if_range or self.headers["If-Range"] in (
            behaviour.etag,
            behaviour.last_modified,
        )
        is_partial = bool(requested_range) and behaviour.has_ranges and is_same_file
        if is_partial:
            start = int(requested_range.removeprefix("bytes=").removesuffix("-"))
            if start >= len(behaviour.body):
                self._answer_without_file(416, {"Content-Range": f"bytes */{len(behaviour.body)}"})
                return
        self.send_response(206 if is_partial else 200)
        if is_partial:
            announced_start = start + 1 if behaviour.sends_wrong_range else start
            self.send_header(
                "Content-Range", f"bytes {announced_start}-{len(behaviour.body) - 1}/{len(behaviour.body)}"
            )
        self._send_file_headers(behaviour, start)
        self._send_body(behaviour, start)

    def _send_file_headers(self, behaviour: FileServer, start: int) -> None:
        self.send_header("Content-Type", behaviour.content_type)
        if behaviour.length is not None:
            length = len(behaviour.body) if behaviour.length < 0 else behaviour.length
            self.send_header("Content-Length", str(length - start))
        headers = {"ETag": behaviour.etag, "Last-Modified": behaviour.last_modified, **behaviour.headers}
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()

    def _send_body(self, behaviour: FileServer, start: int) -> None:
        break_after = behaviour.break_points.pop(0) if behaviour.break_points else behaviour.break_every_try_after
        end = len(behaviour.body) if break_after is None else min(len(behaviour.body), start + break_after)
        for block_start in range(start, end, _BLOCK_BYTES):
            if behaviour.pause_after is not None and block_start >= behaviour.pause_after:
                behaviour.paused.set()
                behaviour.resume.wait(_MAX_PAUSE)
            block = behaviour.body[block_start : min(end, block_start + _BLOCK_BYTES)]
            try:
                self.wfile.write(block)
            except OSError:
                return
            behaviour.sent_bytes[self._request_index] += len(block)  # another answer may have begun since
        self.close_connection = True
