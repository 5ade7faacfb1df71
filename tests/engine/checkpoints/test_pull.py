"""Public checkpoints are downloaded from their publisher, or from another copy if that fails."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from draggan_engine.checkpoints import registry
from draggan_engine.checkpoints.download.http_download import HttpLimits
from draggan_engine.checkpoints.model_zoo import PublicCheckpoint, find_public_checkpoint
from draggan_engine.checkpoints.pull import PulledCheckpoint, pull_checkpoint
from draggan_engine.core.errors import CheckpointError, DownloadError
from tests.support.file_server import BODY, FileServer, run_server

SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def servers() -> Iterator[tuple[FileServer, FileServer]]:
    """The publisher's server, and that of another copy."""
    publisher, mirror = FileServer(), FileServer()
    with run_server(publisher), run_server(mirror):
        yield publisher, mirror


def checkpoint_of(servers: tuple[FileServer, FileServer], **fields: str | None) -> PublicCheckpoint:
    publisher, mirror = servers
    lions = find_public_checkpoint("sd-lions-512")
    assert lions is not None
    addresses = {"url": publisher.url, "mirror": mirror.url, "sha256": None, "seen_sha256": SHA256, "bytes": None}
    return lions.model_copy(update={**addresses, "file": "file.pkl", **fields})


def pull(checkpoint: PublicCheckpoint) -> PulledCheckpoint:
    return pull_checkpoint(
        checkpoint,
        checkpoint.name,
        check=lambda _: None,
        progress=lambda *_: None,
        limits=HttpLimits(retry_delays=(0.001,)),
    )


def test_the_publisher_comes_first(servers: tuple[FileServer, FileServer]) -> None:
    pulled = pull(checkpoint_of(servers))
    assert pulled.url == servers[0].url
    assert pulled.file.path == registry.user_models()["sd-lions-512"]
    assert servers[1].requests == []


@pytest.mark.parametrize("fields", [{}, {"url": None}, {"sha256": SHA256, "seen_sha256": None}])
def test_another_copy_is_taken_if_the_publisher_has_none(
    servers: tuple[FileServer, FileServer], fields: dict[str, str | None]
) -> None:
    servers[0].status = 404
    pulled = pull(checkpoint_of(servers, **fields))
    assert (pulled.url, pulled.file.verified) == (servers[1].url, True)


def test_another_copy_must_have_the_checksum(servers: tuple[FileServer, FileServer]) -> None:
    servers[0].status = 404
    servers[1].body = BODY[::-1]
    with pytest.raises(DownloadError) as raised:
        pull(checkpoint_of(servers))
    message = str(raised.value)
    assert message.startswith(f"{servers[0].url}: there is no such file (404 Not Found)")
    assert f"; another copy failed too: {servers[1].url}: the file has another checksum and was removed" in message
    assert registry.user_models() == {}


def test_another_copy_does_not_replace_a_file_that_is_there(servers: tuple[FileServer, FileServer]) -> None:
    registry.create_user_models_directory()
    path = registry.download_path("sd-lions-512", ".pkl")
    path.write_bytes(b"the user's own")
    with pytest.raises(DownloadError, match="this file exists already"):
        pull(checkpoint_of(servers))
    assert path.read_bytes() == b"the user's own"
    assert servers[1].requests == []


def test_a_checkpoint_without_an_address_must_be_downloaded_by_hand(servers: tuple[FileServer, FileServer]) -> None:
    with pytest.raises(CheckpointError, match=r"sd-lions-512 cannot be downloaded directly; download it by hand from"):
        pull(checkpoint_of(servers, url=None, mirror=None))
