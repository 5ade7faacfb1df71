"""The outbox: which events a slow client receives, in which order, and how the outbox ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from draggan_engine.core.edit import Edit
from draggan_engine.core.history import DragRecord, History
from draggan_engine.core.model_info import ModelInfo
from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import (
    DragEnded,
    DragPreview,
    DragProgress,
    DragStarted,
    Event,
    Exported,
    ExportProgress,
    Failed,
    ImageRendered,
    LoadProgress,
    ModelLoaded,
    Resumed,
    Saved,
)
from draggan_engine.server.outbox import Outbox
from tests.support.engine_client import receive_event
from tests.support.patience import PATIENCE

EDIT = Edit(model="toy")
SESSION = Resumed.of(History.of(EDIT), ())
INFO = ModelInfo(
    name="toy", sha256="00", family="StyleGAN2", format="native", width=8, height=8, num_ws=2, z_dim=8, w_dim=8,
    mapping_layers=2, blocks=("b4", "b8"), rows=("b4.conv1",), parameters=1, psi=0.7, settings=EDIT.settings,
)  # fmt: skip
LOADED = ModelLoaded(spec="toy", info=INFO, device="cpu")
RECORD = DragRecord(
    number=3, source=EDIT.source, reason="stopped", steps=0, seconds=0.5, pairs=(), settings=EDIT.settings, masked=False
)
LARGER_THAN_SOCKET_BUFFERS = 4 * 1024 * 1024


class Client:
    """The other end of the outbox's connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(PATIENCE)

    def receive(self) -> Event | None:
        """Return the next event, or None at the end of the connection."""
        return receive_event(self.connection)

    def receive_all(self) -> list[Event]:
        """Return the events up to the end of the connection."""
        return list(iter(self.receive, None))


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, Client]]:
    client_end, engine_end = socket.socketpair()
    with client_end, engine_end:
        yield engine_end, Client(client_end)


def stalling_event() -> Exported:
    """Return an event that the outbox cannot finish sending before the client reads it."""
    return Exported(files=("x" * LARGER_THAN_SOCKET_BUFFERS,))


def image(shade: int) -> ImageData:
    return ImageData(width=1, height=1, rgb=bytes([shade] * 3))


def progress(step: int) -> DragProgress:
    return DragProgress(step=step, max_steps=9, loss=0.0, mean_distance=0.0, handles=(), steps_per_second=1.0)


def received_after(connection: tuple[socket.socket, Client], *events: Event) -> list[Event]:
    """Return what a client receives that reads only after all events have been handed to the outbox."""
    engine_end, client = connection
    outbox = Outbox(engine_end)
    outbox.send(stalling_event())
    for event in events:
        outbox.send(event)
    assert client.receive() == stalling_event()
    outbox.close(PATIENCE)
    engine_end.shutdown(socket.SHUT_WR)
    return client.receive_all()


@pytest.mark.parametrize(
    ("older", "newest"),
    [
        (progress(1), progress(2)),
        (DragPreview(image=image(1)), DragPreview(image=image(2))),
        (ImageRendered(request_id=1, image=image(1)), ImageRendered(request_id=2, image=image(2))),
        (LoadProgress(stage="reading", done=1, total=2), LoadProgress(stage="building", done=0, total=1)),
        (ExportProgress(done=1, total=9), ExportProgress(done=2, total=9)),
    ],
    ids=lambda event: event.type,
)
def test_only_the_newest_event_of_a_lossy_class_waits(
    connection: tuple[socket.socket, Client], older: Event, newest: Event
) -> None:
    assert received_after(connection, older, older, newest) == [newest]


def test_results_and_errors_are_never_dropped(connection: tuple[socket.socket, Client]) -> None:
    results: list[Event] = []
    for number in range(50):
        results.append(Saved(change_count=number, directory="x"))
        results.append(Failed(task="save", message=f"failure {number}"))
    assert received_after(connection, *results) == results


def test_lossy_events_of_one_class_do_not_replace_those_of_another(connection: tuple[socket.socket, Client]) -> None:
    """The preview of a drag and the answer to a request are both waited for."""
    events: list[Event] = [progress(1), DragPreview(image=image(1)), ImageRendered(request_id=1, image=image(2))]
    assert received_after(connection, *events) == events


def test_events_keep_their_order_and_a_newer_event_goes_to_the_end(connection: tuple[socket.socket, Client]) -> None:
    events: list[Event] = [
        progress(1),
        Saved(change_count=1, directory="x"),
        progress(2),
        Saved(change_count=2, directory="x"),
    ]
    assert received_after(connection, *events) == events[1:]


def test_closing_sends_what_is_waiting(connection: tuple[socket.socket, Client]) -> None:
    engine_end, client = connection
    outbox = Outbox(engine_end)
    events = [Saved(change_count=number, directory="x" * 1000) for number in range(2000)]
    received: list[Event] = []
    reader = threading.Thread(target=lambda: received.extend(client.receive_all()))
    reader.start()
    for event in events:
        outbox.send(event)
    outbox.close(PATIENCE)
    engine_end.shutdown(socket.SHUT_WR)
    reader.join(PATIENCE)
    assert received == events


def test_closing_does_not_wait_longer_than_it_was_told_to(connection: tuple[socket.socket, Client]) -> None:
    engine_end, client = connection
    outbox = Outbox(engine_end)
    outbox.send(stalling_event())
    outbox.close(timeout_seconds=0.01)
    assert client.receive() == stalling_event(), "the client can still read it"


def next_connection() -> tuple[socket.socket, Client]:
    client_end, engine_end = socket.socketpair()
    return engine_end, Client(client_end)


def test_the_next_client_gets_the_session_the_model_and_the_running_drag(
    connection: tuple[socket.socket, Client],
) -> None:
    engine_end, client = connection
    outbox = Outbox(engine_end)
    for event in (LOADED, DragStarted(drag_number=3), Saved(change_count=1, directory="x")):
        outbox.send(event)
        assert client.receive() == event
    outbox.disconnect(engine_end)
    assert client.receive() is None
    outbox.send(Saved(change_count=2, directory="x"))  # nobody is there
    next_engine_end, next_client = next_connection()
    with next_engine_end, next_client.connection:
        outbox.connect(next_engine_end, lambda: SESSION)
        outbox.send(progress(1))
        assert [next_client.receive() for _ in range(4)] == [SESSION, LOADED, DragStarted(drag_number=3), progress(1)]
        outbox.close(PATIENCE)


def test_the_next_client_hears_nothing_of_a_drag_that_has_ended(connection: tuple[socket.socket, Client]) -> None:
    engine_end, _client = connection
    outbox = Outbox(engine_end)
    outbox.send(DragStarted(drag_number=3))
    outbox.disconnect(engine_end)
    outbox.send(DragEnded(record=RECORD, revision=None))
    next_engine_end, next_client = next_connection()
    with next_engine_end, next_client.connection:
        outbox.connect(next_engine_end, lambda: SESSION)
        outbox.send(progress(1))
        assert [next_client.receive() for _ in range(2)] == [SESSION, progress(1)]
        outbox.close(PATIENCE)


def test_a_client_that_never_reads_holds_up_nobody_else(connection: tuple[socket.socket, Client]) -> None:
    engine_end, client = connection
    outbox = Outbox(engine_end)
    outbox.send(stalling_event())
    assert client.connection.recv(1)
    outbox.disconnect(engine_end)
    next_engine_end, next_client = next_connection()
    with next_engine_end, next_client.connection:
        outbox.connect(next_engine_end, lambda: SESSION)
        assert next_client.receive() == SESSION
        outbox.close(PATIENCE)


def test_the_thread_ends_without_a_client(connection: tuple[socket.socket, Client]) -> None:
    engine_end, client = connection
    threads_before = set(threading.enumerate())
    outbox = Outbox(engine_end)
    (writer,) = set(threading.enumerate()) - threads_before
    client.connection.close()
    outbox.send(progress(1))
    outbox.close(PATIENCE)
    assert not writer.is_alive()
    outbox.send(progress(2))  # has no effect


def test_a_client_that_goes_in_the_middle_of_an_event_ends_the_thread(
    connection: tuple[socket.socket, Client],
) -> None:
    engine_end, client = connection
    threads_before = set(threading.enumerate())
    outbox = Outbox(engine_end)
    (writer,) = set(threading.enumerate()) - threads_before
    outbox.send(stalling_event())
    assert client.connection.recv(1)
    client.connection.close()
    outbox.close(PATIENCE)
    assert not writer.is_alive()
