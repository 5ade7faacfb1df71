"""Two servers on this machine that play the Hugging Face hub and the host that stores its large files."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support.file_server import FileServer, run_server

COMMITS = {"main": "a" * 40, "v2": "b" * 40, "refs/pr/1": "c" * 40}
REPOSITORY = "org/faces"
FILE_PATH = "models/ffhq.pkl"
ADDRESS = f"hf://{REPOSITORY}/{FILE_PATH}"
TOKEN = "hf_secret"
BEARER = f"Bearer {TOKEN}"
HUB_VARIABLES = (
    "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN", "HF_TOKEN_PATH",
    "HUGGING_FACE_HUB_TOKEN", "HF_HUB_DISABLE_IMPLICIT_TOKEN",
)  # fmt: skip


@dataclass
class FakeHub:
    """A hub with one repository, which holds one file.

    Attributes:
        storage: sends the file. It has another port, and so is another host.
        error: the status and the X-Error-Code of every answer.
        sha256, size: what the hub says about the file; None: the true values.
        is_large: whether the hub says them at all.
        requests: method, path and Authorization header of each request.
    """

    storage: FileServer
    error: tuple[int, str] | None = None
    sha256: str | None = None
    size: int | None = None
    is_large: bool = True
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""

    @property
    def file_sha256(self) -> str:
        return hashlib.sha256(self.storage.body).hexdigest()


@contextmanager
def run_hub(content: bytes) -> Iterator[FakeHub]:
    """Serve a file as `FILE_PATH` of `REPOSITORY`; `FakeHub.url` is the value for HF_ENDPOINT."""
    storage = FileServer(body=content)
    hub = FakeHub(storage)
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_HubHandler,), {"hub": hub}))
    http_server.daemon_threads = True
    thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.url = f"http://127.0.0.1:{http_server.server_port}"
    try:
        with run_server(storage):
            yield hub
    finally:
        http_server.shutdown()
        http_server.server_close()
        thread.join()


def put_into_hub_cache(cache_directory: Path, content: bytes, revision: str = "main") -> Path:
    """Put the file where the hub's own tools keep it: a blob, to which a link in a snapshot points."""
    repository = cache_directory / f"models--{REPOSITORY.replace('/', '--')}"
    commit = COMMITS[revision]
    blob_path = repository / "blobs" / hashlib.sha256(content).hexdigest()
    ref_path = repository / "refs" / revision
    path = repository / "snapshots" / commit / FILE_PATH
    for directory in (blob_path.parent, ref_path.parent, path.parent):
        directory.mkdir(parents=True, exist_ok=True)
    blob_path.write_bytes(content)
    ref_path.write_text(commit)
    path.symlink_to(blob_path)
    return path


class _HubHandler(BaseHTTPRequestHandler):
    hub: FakeHub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.hub
        hub.requests.append((self.command, self.path, self.headers["Authorization"]))
        repository, _, rest = self.path.removeprefix("/").partition("/resolve/")
        revision, _, path = rest.partition("/")
        revision = unquote(revision)
        if hub.error is not None:
            status, error_code = hub.error
            self._send(status, {"X-Error-Code": error_code} if error_code else {})
        elif repository == "org/old-name":
            self._send(307, {"Location": self.path.replace("old-name", "faces")})
        elif repository != REPOSITORY:
            self._send(401, {"X-Error-Code": "RepoNotFound"})
        elif revision not in {*COMMITS, *COMMITS.values()}:
            self._send(404, {"X-Error-Code": "RevisionNotFound"})
        elif path != FILE_PATH:
            self._send(404, {"X-Error-Code": "EntryNotFound"})
        else:
            self._send(302, {"Location": hub.storage.url, **self._file_headers(COMMITS.get(revision, revision))})

    def _file_headers(self, commit: str) -> dict[str, str]:
        hub = self.hub
        headers = {"X-Repo-Commit": commit}
        if hub.is_large:
            headers["X-Linked-Etag"] = f'"{hub.sha256 or hub.file_sha256}"'
            headers["X-Linked-Size"] = str(len(hub.storage.body) if hub.size is None else hub.size)
        return headers

    def _send(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()


def isolate_hub(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment say nothing about the hub, and put all directories of the user below an empty one."""
    for name in HUB_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in ("DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(directory / name.lower()))
    monkeypatch.setenv("NO_PROXY", "*")
