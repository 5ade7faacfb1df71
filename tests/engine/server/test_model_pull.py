"""The engine downloads a model beside its other work: progress, the end, stopping, and failures."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from draggan_engine.checkpoints import registry
from draggan_engine.checkpoints.model_zoo import find_public_checkpoint
from draggan_engine.core.errors import EngineError
from draggan_engine.server import model_pull
from draggan_engine.server.messages import Event, Failed, ModelsListed
from draggan_engine.server.model_pull import ModelPull
from draggan_engine.server.outbox import Outbox
from draggan_engine.server.pull_messages import PullEnded, PullModel, PullProgress
from tests.support.engine_client import receive_event
from tests.support.fake_hub import ADDRESS, isolate_hub, put_into_hub_cache, run_hub
from tests.support.file_server import BODY, MIB, FileServer, run_server
from tests.support.paths import FIXTURES
from tests.support.patience import PATIENCE

MODEL = FIXTURES / "checkpoints" / "sg2ada_cond_32.pkl"
NAME = "sd-lions-512"


@pytest.fixture(autouse=True)
def own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate_hub(tmp_path, monkeypatch)


class Client:
    """The client's end of the connection of a `ModelPull`."""

    def __init__(self) -> None:
        self._client_end, self._engine_end = socket.socketpair()
        self._client_end.settimeout(PATIENCE)
        self._outbox = Outbox(self._engine_end)
        self.pull = ModelPull(self._outbox)

    def receive_until(self, *kinds: type[Event]) -> list[Event]:
        """Return the events up to the first one of some kinds."""
        events: list[Event] = []
        while not events or not isinstance(events[-1], kinds):
            event = receive_event(self._client_end)
            assert event is not None
            events.append(event)
        return events

    def start_when_idle(self, source: str) -> None:
        """Start a download when the thread of the last one, which has sent its last event, is gone."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.pull.start(PullModel(source=source))
                return
            except EngineError:
                assert time.monotonic() < deadline
                time.sleep(0.01)

    def close(self) -> None:
        self.pull.stop()
        self._outbox.close()
        self._client_end.close()
        self._engine_end.close()


@pytest.fixture
def client() -> Iterator[Client]:
    engine_client = Client()
    yield engine_client
    engine_client.close()


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """The server of a public checkpoint, of which no checksum is known."""
    file_server = FileServer(body=MODEL.read_bytes())
    checkpoint = find_public_checkpoint(NAME)
    assert checkpoint is not None
    with run_server(file_server):
        changes = {"url": file_server.url, "mirror": None, "sha256": None, "bytes": None, "file": "file.pkl"}
        monkeypatch.setattr(model_pull, "find_public_checkpoint", lambda _: checkpoint.model_copy(update=changes))
        yield file_server


@pytest.mark.usefixtures("publisher")
def test_a_public_checkpoint_is_downloaded_and_listed(client: Client) -> None:
    client.pull.start(PullModel(source=NAME))
    *progress_events, listed, ended = client.receive_until(PullEnded, Failed)
    assert ended == PullEnded(source=NAME, spec=NAME)
    assert isinstance(listed, ModelsListed)
    assert NAME in [entry.name for entry in listed.models]
    assert NAME not in [public_model.name for public_model in listed.public_models]
    size = MODEL.stat().st_size
    assert progress_events[-1] == PullProgress(source=NAME, done=size, total=size)
    assert registry.user_models()[NAME].read_bytes() == MODEL.read_bytes()


def test_a_stopped_download_keeps_what_was_received(client: Client, publisher: FileServer) -> None:
    publisher.body = BODY
    publisher.pause_after = MIB + 65536
    client.pull.start(PullModel(source=NAME))
    while sum(path.stat().st_size for path in registry.user_models_directory().glob("*.part")) < MIB:
        time.sleep(0.01)
    with pytest.raises(EngineError, match="another model is being downloaded; wait until it is done, or stop it"):
        client.pull.start(PullModel(source="sd-dogs-1024"))
    client.pull.stop()
    publisher.resume.set()
    assert client.receive_until(PullEnded, Failed)[-1] == PullEnded(source=NAME, spec=None)
    (part_path,) = registry.user_models_directory().glob("*.part")
    assert MIB <= part_path.stat().st_size < len(BODY)


def test_a_failure_is_reported_and_another_download_can_begin(client: Client, publisher: FileServer) -> None:
    publisher.status = 404
    client.pull.start(PullModel(source=NAME))
    failure = client.receive_until(PullEnded, Failed)[-1]
    assert isinstance(failure, Failed)
    assert failure.task == "pull_model"
    assert failure.message.startswith(f"{publisher.url}: there is no such file (404 Not Found)")
    publisher.status = None
    client.start_when_idle(NAME)
    assert client.receive_until(PullEnded, Failed)[-1] == PullEnded(source=NAME, spec=NAME)


def test_a_file_of_the_hub_is_downloaded_unless_it_is_in_the_cache(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with run_hub(MODEL.read_bytes()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        path = put_into_hub_cache(tmp_path / "hub", MODEL.read_bytes())
        client.pull.start(PullModel(source=ADDRESS))
        assert client.receive_until(PullEnded, Failed)[-1] == PullEnded(source=ADDRESS, spec=ADDRESS)
        assert hub.requests == []
        path.unlink()
        client.start_when_idle(ADDRESS)
        assert client.receive_until(PullEnded, Failed)[-1] == PullEnded(source=ADDRESS, spec=ADDRESS)
        assert len(hub.requests) == 2


def test_offline_mode_is_a_failure(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    client.pull.start(PullModel(source=ADDRESS))
    failure = client.receive_until(PullEnded, Failed)[-1]
    assert isinstance(failure, Failed)
    assert failure.message == (
        f"{ADDRESS} is not on this machine, and HF_HUB_OFFLINE is set; unset it to download the file"
    )


def test_an_unknown_name_is_refused(client: Client) -> None:
    client.pull.start(PullModel(source="no-such-model"))
    failure = client.receive_until(PullEnded, Failed)[-1]
    assert isinstance(failure, Failed)
    assert failure.message == "no-such-model: no public checkpoint has this name"


def test_what_is_listed_can_be_downloaded() -> None:
    public_models = registry.list_downloadable_models()
    names = [public_model.name for public_model in public_models]
    assert "sd-lions-512" in names
    assert "stylegan-human-v3-512" not in names, "it must be downloaded by hand"
    for public_model in public_models:
        checkpoint = find_public_checkpoint(public_model.name)
        assert checkpoint is not None
        assert (public_model.licence, public_model.home) == (checkpoint.licence, checkpoint.home)
