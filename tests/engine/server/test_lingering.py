"""An engine that has lost its client: it finishes its work, waits for another client, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.server.codec import encode
from draggan_engine.server.lingering import VERSION
from draggan_engine.server.messages import (
    Attach,
    DragProgress,
    DragStarted,
    Event,
    Failed,
    ModelLoaded,
    Quit,
    Resumed,
    Saved,
    StopDrag,
)
from draggan_engine.storage.engine_socket import connect_to_engine, socket_path
from draggan_engine.storage.session_lock import is_session_open
from draggan_engine.storage.session_store import SessionStore
from tests.support.engine_client import Engine, receive_event
from tests.support.patience import PATIENCE

EDIT = Edit(model="critters-128", pairs=(PointPair(handle=(64, 70), target=(84, 70)),))
LONG_LINGER = "3600"


@pytest.fixture(autouse=True)
def runtime_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="run") as directory:
        monkeypatch.setenv("XDG_RUNTIME_DIR", directory)
        yield Path(directory)


def start_engine(session_directory: Path, linger: str) -> Engine:
    return Engine("--model", "critters-128", "--device", "cpu", "--out", str(session_directory), "--linger", linger)


def wait_for_socket(session_directory: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not socket_path(session_directory).exists():
        assert time.monotonic() < deadline, "the engine does not listen"
        time.sleep(0.02)


def attach(session_directory: Path, version: str = VERSION) -> socket.socket:
    """Return a connection to the engine, as soon as it listens."""
    wait_for_socket(session_directory)
    connection = connect_to_engine(session_directory)
    assert connection is not None
    connection.settimeout(PATIENCE)
    connection.sendall(encode(Attach(version=version)))
    return connection


def receive_until(connection: socket.socket, event_class: type[Event]) -> list[Event]:
    events: list[Event] = []
    while not events or not isinstance(events[-1], event_class):
        event = receive_event(connection)
        assert event is not None, f"the connection ended after {[event.type for event in events]}"
        events.append(event)
    return events


def assert_ended(engine: Engine, session_directory: Path, runtime_directory: Path) -> None:
    assert engine.process.wait(PATIENCE) == 0
    assert not is_session_open(session_directory)
    assert not list(runtime_directory.rglob("*.sock"))


def test_at_rest_another_client_gets_the_session_and_the_model(tmp_path: Path, runtime_directory: Path) -> None:
    session_directory = tmp_path / "session"
    with start_engine(session_directory, LONG_LINGER) as engine:
        engine.save(EDIT)
        engine.wait_for(ModelLoaded)
        engine.socket.close()
        with attach(session_directory) as connection:
            resumed, loaded = receive_event(connection), receive_event(connection)
            assert isinstance(resumed, Resumed) and resumed.history.edit == EDIT
            assert isinstance(loaded, ModelLoaded)
            connection.sendall(encode(Quit()))
            assert_ended(engine, session_directory, runtime_directory)


def test_the_drag_of_a_lost_client_is_kept_when_the_next_one_stops_it(tmp_path: Path, runtime_directory: Path) -> None:
    session_directory = tmp_path / "session"
    with start_engine(session_directory, LONG_LINGER) as engine:
        engine.drag(EDIT)
        engine.wait_for(DragProgress)
        engine.socket.close()
        with attach(session_directory) as connection:
            events = receive_until(connection, ModelLoaded)
            assert isinstance(events[0], Resumed)
            connection.sendall(encode(StopDrag()))
            connection.sendall(encode(Quit()))
            assert_ended(engine, session_directory, runtime_directory)
    history = SessionStore("critters-128", resume=session_directory).history
    assert history is not None and history.drag_records


def test_the_drag_of_a_lost_client_is_written_before_the_engine_ends(tmp_path: Path, runtime_directory: Path) -> None:
    session_directory = tmp_path / "session"
    with start_engine(session_directory, "0.1") as engine:
        engine.drag(EDIT)
        engine.wait_for(DragStarted)
        engine.socket.close()
        assert_ended(engine, session_directory, runtime_directory)
    history = SessionStore("critters-128", resume=session_directory).history
    assert history is not None
    (record,) = history.drag_records
    assert record.reason != "stopped"


def test_a_client_that_goes_while_the_model_loads_leaves_no_engine(tmp_path: Path, runtime_directory: Path) -> None:
    session_directory = tmp_path / "session"
    with start_engine(session_directory, "0.1") as engine:
        engine.socket.close()
        assert_ended(engine, session_directory, runtime_directory)


def test_an_engine_whose_socket_was_removed_ends(tmp_path: Path, runtime_directory: Path) -> None:
    session_directory = tmp_path / "session"
    with start_engine(session_directory, LONG_LINGER) as engine:
        engine.save(EDIT)
        engine.wait_for(Saved)
        engine.socket.close()
        wait_for_socket(session_directory)
        socket_path(session_directory).unlink()
        assert_ended(engine, session_directory, runtime_directory)


def test_a_signal_ends_a_lingering_engine(tmp_path: Path, runtime_directory: Path) -> None:
    session_directory = tmp_path / "session"
    with start_engine(session_directory, LONG_LINGER) as engine:
        engine.save(EDIT)
        engine.wait_for(Saved)
        engine.socket.close()
        wait_for_socket(session_directory)
        os.kill(engine.process.pid, signal.SIGTERM)
        assert_ended(engine, session_directory, runtime_directory)


def test_a_client_of_another_version_gets_a_sentence_and_the_engine_waits_on(tmp_path: Path) -> None:
    session_directory = tmp_path / "session"
    with start_engine(session_directory, LONG_LINGER) as engine:
        engine.save(EDIT)
        engine.wait_for(Saved)
        engine.socket.close()
        with attach(session_directory, version="0.0.1") as connection:
            assert receive_event(connection) == Failed(
                task="attach",
                message=f"the running engine is of draggan-tui {VERSION} and this is draggan-tui 0.0.1; attach with the version "
                "that started it, or end the engine",
            )
            assert receive_event(connection) is None
        with attach(session_directory) as connection:
            assert isinstance(receive_event(connection), Resumed)
