"""The engine as a real process: commands in, events out, and nothing lost when either side goes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from draggan_engine.files import SessionStore, read_session
from draggan_engine.process import Outbox
from draggan_engine.protocol.edit import Edit, PointPair
from draggan_engine.protocol.messages import (
    HEADER,
    Command,
    DragEnded,
    DragProgress,
    DragStarted,
    Event,
    Export,
    Exported,
    Failed,
    ModelLoaded,
    Preview,
    Quit,
    Render,
    Save,
    Saved,
    StartDrag,
    StopDrag,
    body_length,
    decode_event,
    encode,
)

T = TypeVar("T")

EDIT = Edit(pairs=(PointPair(handle=(64, 70), target=(74, 70)),))


class Engine:
    """A client that only waits."""

    def __init__(self, *arguments: str) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(120)
        command = [sys.executable, "-m", "draggan_engine.process", "--fd", str(theirs.fileno()), *arguments]
        path = os.pathsep.join([str(Path(__file__).parents[2] / "engine"), os.environ.get("PYTHONPATH", "")])
        with theirs:
            self.process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], start_new_session=True, env={**os.environ, "PYTHONPATH": path}
            )
        self.seen: list[Event] = []

    def send(self, command: Command) -> None:
        self.socket.sendall(encode(command))

    def next(self) -> Event:
        header = self.socket.recv(HEADER.size, socket.MSG_WAITALL)
        if len(header) < HEADER.size:
            raise EOFError
        event = decode_event(self.socket.recv(body_length(header), socket.MSG_WAITALL))
        self.seen.append(event)
        return event

    def wait_for(self, kind: type[T], fits: Callable[[T], bool] = lambda _: True) -> T:
        while True:
            event = self.next()
            if isinstance(event, Failed) and kind is not Failed:
                raise AssertionError(event)
            if isinstance(event, kind) and fits(event):
                return event


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    started = Engine("--model", "critters-128", "--device", "cpu", "--out", str(tmp_path / "s"))
    yield started
    started.process.kill()
    started.process.wait()
    started.socket.close()


def endless(edit: Edit) -> Edit:
    """A drag that cannot arrive soon: tiny steps, many of them."""
    settings = edit.settings.model_copy(update={"feature_block": "b64", "step_size": 1e-6, "max_steps": 100_000})
    return edit.model_copy(update={"settings": settings})


def test_an_editing_session(engine: Engine, tmp_path: Path) -> None:
    # Edits are on disk and acknowledged before the model is there.
    engine.send(Save(revision=1, edit=EDIT))
    saved = engine.wait_for(Saved)
    assert saved.revision == 1
    assert not any(isinstance(event, ModelLoaded) for event in engine.seen)
    assert read_session(tmp_path / "s").pairs == EDIT.pairs
    info = engine.wait_for(ModelLoaded).info
    edit = EDIT.model_copy(update={"settings": info.settings.model_copy(update={"max_steps": 40})})

    engine.send(Render(request=1, edit=edit, width=40, height=40))
    preview = engine.wait_for(Preview)
    assert (preview.request, preview.width, preview.height, len(preview.rgb)) == (1, 40, 40, 40 * 40 * 3)

    engine.send(StartDrag(edit=edit, width=40, height=40))
    assert engine.wait_for(DragStarted).number == 1
    record = engine.wait_for(DragEnded).record
    lines = (tmp_path / "s" / "drag-001" / "events.jsonl").read_text().splitlines()
    assert len(lines) == record.steps > 0
    after = edit.after_drag(1, [pair.final for pair in record.pairs])
    document = read_session(tmp_path / "s")
    assert (document.latent, document.pairs, document.drags) == (1, after.pairs, (record,))
    assert document.model.sha256 == info.sha256

    # A second drag goes on from there, under its own number.
    further = after.model_copy(update={"pairs": (PointPair(handle=after.pairs[0].handle, target=(60, 60)),)})
    engine.send(StartDrag(edit=further, width=40, height=40))
    second = engine.wait_for(DragEnded).record
    assert (second.number, second.start) == (2, 1)
    store = SessionStore("x", resume=tmp_path / "s")
    assert not np.array_equal(store.latent(1), store.latent(2))

    # Undo of both: the present picture is the first one again.
    engine.send(Save(revision=9, edit=edit))
    engine.send(Export(edit=edit))
    files = engine.wait_for(Exported).files
    assert (tmp_path / "s" / "final.png").read_bytes() == (tmp_path / "s" / "initial.png").read_bytes()
    assert str(tmp_path / "s" / "final.png") in files
    engine.send(Quit())
    assert engine.process.wait(30) == 0


def test_a_drag_is_stopped(engine: Engine) -> None:
    info = engine.wait_for(ModelLoaded).info
    engine.send(StartDrag(edit=endless(EDIT.model_copy(update={"settings": info.settings})), width=40, height=40))
    engine.wait_for(DragProgress, lambda event: event.step >= 3)
    engine.send(StopDrag())
    record = engine.wait_for(DragEnded).record
    assert record.reason == "stopped"
    assert 3 <= record.steps < 1000


def test_a_client_that_vanishes_ends_the_drag_and_the_process(engine: Engine, tmp_path: Path) -> None:
    info = engine.wait_for(ModelLoaded).info
    engine.send(StartDrag(edit=endless(EDIT.model_copy(update={"settings": info.settings})), width=40, height=40))
    engine.wait_for(DragProgress, lambda event: event.step >= 2)
    engine.socket.close()
    assert engine.process.wait(30) == 0
    document = read_session(tmp_path / "s")
    assert document.drags[0].reason == "stopped"
    assert document.latent == 1
    assert (tmp_path / "s" / "drag-001" / "final.png").exists()


def test_after_kill_another_process_goes_on(engine: Engine, tmp_path: Path) -> None:
    info = engine.wait_for(ModelLoaded).info
    edit = EDIT.model_copy(update={"settings": info.settings.model_copy(update={"max_steps": 3})})
    engine.send(Save(revision=1, edit=edit))
    engine.send(StartDrag(edit=edit, width=40, height=40))
    record = engine.wait_for(DragEnded).record
    after = edit.after_drag(1, [pair.final for pair in record.pairs])
    engine.send(StartDrag(edit=endless(after), width=40, height=40))
    engine.wait_for(DragProgress, lambda event: event.step >= 2)
    os.kill(engine.process.pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(EOFError):
        while True:
            engine.next()
    assert time.monotonic() - began < 2

    second = Engine("--model", "critters-128", "--device", "cpu", "--resume", str(tmp_path / "s"))
    try:
        second.wait_for(ModelLoaded)
        second.send(Render(request=5, edit=after, width=40, height=40))
        assert second.wait_for(Preview).request == 5
        second.send(Quit())
        assert second.process.wait(30) == 0
    finally:
        second.process.kill()
        second.process.wait()


def test_what_cannot_be_done_is_said(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("a file in the way")
    engine.send(Save(revision=1, edit=EDIT))
    failed = engine.wait_for(Failed)
    assert failed.command == "save"
    assert str(tmp_path / "s") in failed.message
    info = engine.wait_for(ModelLoaded).info
    edit = EDIT.model_copy(update={"settings": info.settings.model_copy(update={"max_steps": 2})})
    engine.send(StartDrag(edit=edit, width=40, height=40))
    ended = engine.wait_for(DragEnded)
    assert ended.problem is not None
    assert str(tmp_path / "s") in ended.problem
    engine.send(Render(request=3, edit=edit.after_drag(1, [(70, 70)]), width=40, height=40))
    assert engine.wait_for(Preview, lambda event: event.request == 3)  # the result itself is kept
    engine.send(StartDrag(edit=Edit(settings=info.settings), width=40, height=40))
    assert "nothing to drag" in engine.wait_for(Failed).message


def test_a_model_that_cannot_be_opened_is_said_and_edits_are_kept(tmp_path: Path) -> None:
    engine = Engine("--model", str(tmp_path / "none.pkl"), "--device", "cpu", "--out", str(tmp_path / "s"))
    try:
        failed = engine.wait_for(Failed)
        assert failed.command == "start"
        assert "none.pkl" in failed.message
        engine.send(Save(revision=1, edit=EDIT))
        assert engine.wait_for(Saved).revision == 1
        engine.socket.close()
        assert engine.process.wait(30) == 0
    finally:
        engine.process.kill()
        engine.process.wait()


def test_a_slow_reader_gets_the_newest_progress_and_every_result() -> None:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    outbox = Outbox(theirs)
    block = bytes(60_000)
    for step in range(1, 200):
        outbox.send(
            DragProgress(step=step, max_steps=200, loss=0.0, mean_distance=0.0, handles=(), steps_per_second=1.0)
        )
        outbox.send(Preview(request=0, width=100, height=200, rgb=block))
        if step % 50 == 0:
            outbox.send(Saved(revision=step, folder="x"))
    assert outbox.holds_preview()
    received: list[Event] = []
    while not (
        received
        and isinstance(received[-1], Preview)
        and any(isinstance(e, DragProgress) and e.step == 199 for e in received)
    ):
        header = ours.recv(HEADER.size, socket.MSG_WAITALL)
        received.append(decode_event(ours.recv(body_length(header), socket.MSG_WAITALL)))
    outbox.close()
    steps = [event.step for event in received if isinstance(event, DragProgress)]
    assert steps == sorted(steps)
    assert len(steps) < 20
    assert [event.revision for event in received if isinstance(event, Saved)] == [50, 100, 150]
