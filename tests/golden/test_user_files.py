"""What lies in a user's configuration, cache and data directories since an earlier version."""

from __future__ import annotations

import hashlib
import json
import shutil
import string
import threading
import tomllib
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from draggan_tui.keymap import KEY_BINDINGS
from tests.golden.user import GOLDEN, User, assert_same_image

FILES = GOLDEN / "user"
CHECKPOINTS = GOLDEN.parent / "checkpoints"
KEYS = (
    *(f"alt+{sign}" for sign in string.ascii_letters + string.digits),
    *(f"f{number}" for number in range(1, 25)),
)


# Configuration --------------------------------------------------------------------------------------------------------


def test_a_configuration_with_every_option_and_a_theme_is_read(user: User) -> None:
    shutil.copytree(FILES / "config", user.config, dirs_exist_ok=True)
    golden = tomllib.loads((FILES / "config" / "config.toml").read_text())
    shown = tomllib.loads(user.run("config", "show"))
    assert shown["editor"].items() >= golden["editor"].items()
    # Commands that have come since keep their own keys.
    assert Counter(golden["keys"].values()) <= Counter(shown["keys"].values())


def test_the_keys_of_later_commands_may_be_in_use_for_earlier_ones(user: User) -> None:
    earlier_ids = (FILES / "config" / "binding-ids.txt").read_text().split()
    later_keys = [binding.keys for binding in KEY_BINDINGS.values() if binding.id not in earlier_ids]
    assert later_keys
    lines = [f'{name} = "{keys}"\n' for name, keys in zip(earlier_ids, later_keys, strict=False)]
    (user.config / "config.toml").write_text("".join(["[keys]\n", *lines]))
    shown = tomllib.loads(user.run("config", "show"))
    assert [shown["keys"][name] for name, _ in zip(earlier_ids, later_keys, strict=False)] == later_keys


def test_every_binding_id_takes_another_key(user: User) -> None:
    ids = (FILES / "config" / "binding-ids.txt").read_text().split()
    keys = dict(zip(ids, KEYS, strict=False))
    assert len(keys) == len(ids)
    lines = [f'{name} = "{key}"\n' for name, key in keys.items()]
    (user.config / "config.toml").write_text("".join(["[keys]\n", *lines]))
    shown = tomllib.loads(user.run("config", "show"))
    assert set(keys.values()) <= set(shown["keys"].values())


# Cache ----------------------------------------------------------------------------------------------------------------


def test_a_converted_copy_is_listed_and_opened_when_the_original_is_gone(user: User) -> None:
    shutil.copytree(FILES / "cache", user.cache, dirs_exist_ok=True)
    (copy,) = (user.cache / "models").iterdir()
    listed = json.loads(user.run("models", "list", "--json"))["here"]
    assert [model for model in listed if model["origin"] == "cached"] == [
        {
            "name": "rosinality_trained_16",
            "origin": "cached",
            "format": "rosinality .pt (trained)",
            "path": str(copy),
            "bytes": copy.stat().st_size,
        }
    ]
    assert_same_image(user.render("--model", "rosinality_trained_16", "--seed", "5"), GOLDEN / "images/cached-copy.png")


def test_a_converted_copy_is_not_made_again(user: User) -> None:
    shutil.copytree(FILES / "cache", user.cache, dirs_exist_ok=True)
    (copy,) = (user.cache / "models").iterdir()
    modified = copy.stat().st_mtime_ns
    original = CHECKPOINTS / "rosinality_trained_16.pt"
    assert copy.stem == hashlib.sha256(original.read_bytes()).hexdigest()
    user.run("models", "info", str(original))
    assert list((user.cache / "models").iterdir()) == [copy]
    assert copy.stat().st_mtime_ns == modified


# Downloads ------------------------------------------------------------------------------------------------------------

BODY = (CHECKPOINTS / "sg2_flat_32.pkl").read_bytes()
RECEIVED = 200_000  # bytes that came before the download was interrupted


class Site(ThreadingHTTPServer):
    """Serves `BODY`, or the rest of it to whoever has the beginning of the same file."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SiteHandler)
        self.ranges: list[str | None] = []


class SiteHandler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        assert isinstance(self.server, Site)
        self.server.ranges.append(self.headers["Range"])
        start = RECEIVED if self.headers["If-Range"] == '"golden-1"' else 0
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"golden-1"')
        self.send_header("Content-Length", str(len(BODY) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        self.end_headers()
        self.wfile.write(BODY[start:])


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    site = Site()
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.shutdown()
    thread.join()
    site.server_close()


def install_download(user: User, address: str) -> Path:
    """Put an interrupted download from that address, and the recorded checksums, where they were left."""
    models = user.data / "models"
    models.mkdir()
    for path in (FILES / "data" / "models").iterdir():
        (models / path.name).write_text(path.read_text().replace("http://127.0.0.1:8000", address))
    (models / "downloaded.pkl.part").write_bytes(BODY[:RECEIVED])
    return models


def test_an_interrupted_download_is_resumed_and_its_checksum_recorded(user: User, site: Site) -> None:
    address = f"http://127.0.0.1:{site.server_port}"
    models = install_download(user, address)
    earlier = json.loads((models / "checksums.json").read_text())
    user.run("models", "pull", f"{address}/downloaded.pkl")
    assert site.ranges == [f"bytes={RECEIVED}-"]
    assert (models / "downloaded.pkl").read_bytes() == BODY
    assert sorted(path.name for path in models.iterdir()) == ["checksums.json", "downloaded.pkl"]
    expected = earlier | {f"{address}/downloaded.pkl": hashlib.sha256(BODY).hexdigest()}
    assert json.loads((models / "checksums.json").read_text()) == expected


def test_a_download_with_another_checksum_than_the_recorded_one_is_refused(user: User, site: Site) -> None:
    address = f"http://127.0.0.1:{site.server_port}"
    models = install_download(user, address)
    user.run("models", "pull", f"{address}/other.pkl", status=1)
    assert sorted(path.name for path in models.iterdir()) == [
        "checksums.json",
        "downloaded.pkl.part",
        "downloaded.pkl.part.json",
    ]
