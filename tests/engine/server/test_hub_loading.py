"""The engine opens models of the Hugging Face hub, from servers on this machine that play the hub."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from draggan_engine.server import server
from draggan_engine.server.codec import encode
from draggan_engine.server.messages import Event, Failed, LoadProgress, ModelLoaded, Quit
from draggan_engine.storage.session_store import SessionStore
from tests.support.engine_client import receive_event
from tests.support.fake_hub import ADDRESS, FakeHub, isolate_hub, run_hub
from tests.support.file_server import BODY, MIB
from tests.support.paths import FIXTURES
from tests.support.patience import PATIENCE

MODEL = FIXTURES / "checkpoints" / "sg2ada_cond_32.pkl"


@pytest.fixture(autouse=True)
def own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate_hub(tmp_path, monkeypatch)


@contextmanager
def running_engine(
    directory: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[server.Engine, socket.socket]]:
    """Run an engine that opens the model of the hub; yield it and the client's end of its connection."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    client_end, engine_end = socket.socketpair()
    client_end.settimeout(PATIENCE)
    engine = server.Engine(engine_end, SessionStore("ffhq", directory / "session"), "cpu")
    main_thread = threading.Thread(target=engine.run, args=(ADDRESS,))
    main_thread.start()
    try:
        yield engine, client_end
    finally:
        client_end.close()
        main_thread.join(PATIENCE)
        engine_end.close()
    assert not main_thread.is_alive()


def receive_until(connection: socket.socket, kind: type[Event]) -> list[Event]:
    """Return the events up to the first one of a kind."""
    events: list[Event] = []
    while not events or not isinstance(events[-1], kind):
        event = receive_event(connection)
        assert event is not None
        events.append(event)
    return events


def test_a_model_of_the_hub_is_opened_and_the_download_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_hub(MODEL.read_bytes()) as hub, running_engine(tmp_path, hub, monkeypatch) as (_, connection):
        *earlier_events, loaded = receive_until(connection, ModelLoaded)
    assert isinstance(loaded, ModelLoaded)
    assert (loaded.spec, loaded.info.name, loaded.info.sha256) == (ADDRESS, "ffhq", hub.file_sha256)
    size = MODEL.stat().st_size
    assert LoadProgress(stage="downloading", done=size, total=size) in earlier_events


def test_a_failed_download_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_hub(MODEL.read_bytes()) as hub:
        hub.error = (404, "EntryNotFound")
        with running_engine(tmp_path, hub, monkeypatch) as (_, connection):
            failure = receive_until(connection, Failed)[-1]
    assert isinstance(failure, Failed)
    assert "the repository has no such file in revision main" in failure.message


def test_an_engine_that_ends_does_not_wait_for_its_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_hub(BODY) as hub:
        hub.storage.pause_after = MIB + 65536
        with running_engine(tmp_path, hub, monkeypatch) as (engine, connection):
            while sum(path.stat().st_size for path in (tmp_path / "data").rglob("*.part")) < MIB:
                time.sleep(0.01)
            connection.sendall(encode(Quit()))
            while not engine.state.jobs.is_closed:
                time.sleep(0.01)
            hub.storage.resume.set()
    (part_path,) = (tmp_path / "data").rglob("*.part")
    assert MIB <= part_path.stat().st_size < len(BODY)
