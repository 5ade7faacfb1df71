"""The outbox: which events a slow client receives, in which order, and how the outbox ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import (
    DragPreview,
    DragProgress,
    Event,
    Exported,
    ExportProgress,
    Failed,
    ImageRendered,
    LoadProgress,
    Saved,
)
from draggan_engine.server.outbox import Outbox
from tests.support.engine_client import receive_event
from tests.support.patience import PATIENCE

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


def test_the_thread_ends_when_the_client_is_gone(connection: tuple[socket.socket, Client]) -> None:
    engine_end, client = connection
    threads_before = set(threading.enumerate())
    outbox = Outbox(engine_end)
    (writer,) = set(threading.enumerate()) - threads_before
    client.connection.close()
    outbox.send(progress(1))
    writer.join(PATIENCE)
    assert not writer.is_alive()
    outbox.send(progress(2))  # has no effect
    outbox.close(PATIENCE)


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
    writer.join(PATIENCE)
    assert not writer.is_alive()
    outbox.close(PATIENCE)
