"""Live drags of the engine process: commands move and release the target, and the drag becomes one revision."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from draggan_engine.core.edit import DragMethod, DragSettings, Edit, PointPair
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.revision_id import DragRevisionId
from draggan_engine.server.codec import encode
from draggan_engine.server.command_reader import CommandReader
from draggan_engine.server.drag_jobs import waits_for_previews
from draggan_engine.server.engine_state import EngineState
from draggan_engine.server.messages import (
    DragEnded,
    DragPreview,
    DragProgress,
    DragStarted,
    ImageRendered,
    ListModels,
    ModelLoaded,
    ModelsListed,
    MoveLiveTarget,
    PreviewShown,
    PreviewSize,
    Quit,
    ReadTrajectory,
    ReleaseLiveTarget,
    Render,
    SetPreviewSize,
    StopDrag,
    TrajectoryRead,
)
from draggan_engine.server.outbox import Outbox
from draggan_engine.storage.session_manifest import read_history, read_manifest
from draggan_engine.storage.session_store import SessionStore
from tests.support.engine_client import Engine, receive_event
from tests.support.patience import PATIENCE
from tests.support.tiny_models import save_tiny

HANDLE = (10.0, 10.0)
PAIRS = (PointPair(handle=(20, 20), target=(22, 20), enabled=False), PointPair(handle=HANDLE))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    tiny = save_tiny(tmp_path / "tiny.safetensors")
    with Engine("--model", str(tiny), "--device", "cpu", "--out", str(tmp_path / "s")) as started:
        yield started


def begin_live_drag(engine: Engine, steps: int = 4) -> Edit:
    """Start a live drag of the second pair, and wait until it rests and its preview has come."""
    info = engine.wait_for(ModelLoaded).info
    settings = info.settings.model_copy(
        update={"method": "draggan", "max_steps": steps, "step_size": 0.02, "stop_distance": 0.5}
    )
    edit = Edit(model="tiny", source=LatentRef(psi=1), settings=settings, pairs=PAIRS)
    engine.drag(edit, live_pair=1)
    engine.wait_for(DragStarted)
    image = engine.wait_for(DragPreview).image
    assert (image.width, image.height) == (32, 32)
    return edit


def test_a_live_drag_is_one_revision(engine: Engine, tmp_path: Path) -> None:
    edit = begin_live_drag(engine)
    engine.send(MoveLiveTarget(target=(25, 10)))
    progress = engine.wait_for(DragProgress, lambda event: event.step == 4)
    assert (len(progress.handles), progress.max_steps) == (1, None)
    engine.wait_for(DragPreview)
    engine.send(MoveLiveTarget(target=(10, 25)))
    engine.wait_for(DragProgress, lambda event: event.step == 8)
    engine.wait_for(DragPreview)
    engine.send(ReleaseLiveTarget())
    ended = engine.wait_for(DragEnded)
    assert ended.revision is not None
    assert ended.problem is None
    assert ended.image is not None
    with Image.open(tmp_path / "s" / "final.png") as final:
        assert ended.image.rgb == final.tobytes(), "the first image after the drag is the one that is kept"
    record = ended.record
    assert (record.live, record.steps, record.reason, len(record.pairs)) == (1, 8, "max_steps", 1)
    assert (record.pairs[0].handle, record.pairs[0].target) == (HANDLE, (10, 25))
    assert ended.revision.edit.pairs == (PAIRS[0], PointPair(handle=record.pairs[0].final, target=(10, 25)))
    assert (ended.revision.parent, ended.revision.edit.source.drag, ended.revision.edit.source.psi) == (
        0,
        1,
        edit.source.psi,
    )

    engine.send(ReadTrajectory(drag_number=1))
    path = engine.wait_for(TrajectoryRead).trajectory
    assert path.steps == tuple(range(9))
    directory = tmp_path / "s"
    history = read_history(directory, read_manifest(directory))
    assert (len(history.revisions), history.current, history.current_revision) == (2, DragRevisionId(1), ended.revision)
    engine.send(Quit())
    assert engine.process.wait(PATIENCE) == 0


def test_moves_of_the_target_before_the_drag_begins_count(engine: Engine) -> None:
    """The engine may still be busy, here with loading the model."""
    edit = Edit(
        model="tiny", source=LatentRef(psi=1), pairs=PAIRS, settings=DragSettings(feature_block="b16", max_steps=2)
    )
    engine.drag(edit, live_pair=1)
    for x in (12, 18, 25):
        engine.send(MoveLiveTarget(target=(x, 10)))
    engine.send(ReleaseLiveTarget())
    record = engine.wait_for(DragEnded).record
    assert (record.pairs[0].target, record.steps) == ((25, 10), 2)

    engine.start_drag(live_pair=1)
    engine.wait_for(DragStarted)
    engine.wait_for(DragPreview)
    engine.send(ReleaseLiveTarget())
    assert engine.wait_for(DragEnded).revision is None, "the next drag has a target of its own"


def test_a_resting_drag_sends_the_full_image_whatever_the_preview_size(engine: Engine) -> None:
    begin_live_drag(engine)
    engine.send(SetPreviewSize(preview_size=PreviewSize(width=9, height=8)))
    engine.send(MoveLiveTarget(target=(25, 10)))
    engine.wait_for(DragProgress, lambda event: event.step == 4)
    assert engine.wait_for(DragPreview).image.width == 32
    engine.send(StopDrag())
    engine.wait_for(DragEnded)


def test_other_images_are_rendered_while_a_drag_runs_or_rests(engine: Engine) -> None:
    edit = begin_live_drag(engine, steps=100_000)
    other = edit.with_source(edit.source.model_copy(update={"seed": 7}))
    engine.send(Render(request_id=3, edit=other))
    resting = engine.wait_for(ImageRendered, lambda event: event.request_id == 3)
    engine.send(MoveLiveTarget(target=(31, 31)))
    engine.wait_for(DragProgress)
    engine.send(Render(request_id=4, edit=other))
    running = engine.wait_for(ImageRendered, lambda event: event.request_id == 4)
    assert running.image == resting.image
    assert not any(isinstance(event, DragEnded) for event in engine.events)
    engine.send(StopDrag())
    assert engine.wait_for(DragEnded).record.reason == "stopped"


@pytest.mark.parametrize("moved", [False, True])
def test_the_engine_ends_when_the_client_goes_while_a_drag_rests(engine: Engine, tmp_path: Path, moved: bool) -> None:
    begin_live_drag(engine)
    if moved:
        engine.send(MoveLiveTarget(target=(25, 10)))
        engine.wait_for(DragProgress, lambda event: event.step == 4)
    engine.socket.close()
    assert engine.process.wait(PATIENCE) == 0
    directory = tmp_path / "s"
    assert len(read_history(directory, read_manifest(directory)).revisions) == 1 + moved


def test_a_signal_ends_the_engine_while_a_drag_rests(engine: Engine) -> None:
    begin_live_drag(engine)
    engine.process.terminate()
    assert engine.process.wait(PATIENCE) == 0


def test_commands_for_a_drag_do_no_harm_when_there_is_none(tmp_path: Path) -> None:
    client_end, engine_end = socket.socketpair()
    with client_end, engine_end:
        state = EngineState(Outbox(engine_end), SessionStore("tiny", tmp_path / "s"), "cpu")
        for command in (
            MoveLiveTarget(target=(1, 1)),
            ReleaseLiveTarget(),
            StopDrag(),
            SetPreviewSize(preview_size=PreviewSize(width=3, height=3)),
            PreviewShown(),
            ListModels(),
        ):
            client_end.sendall(encode(command))
        client_end.shutdown(socket.SHUT_WR)
        CommandReader(engine_end, state).run()
        assert isinstance(receive_event(client_end), ModelsListed)
        state.outbox.close(PATIENCE)


@pytest.mark.parametrize(
    ("method", "device", "is_live", "waits"),
    [
        ("least-squares", "cpu", True, True),
        ("least-squares", "cpu", False, False),
        ("least-squares", "cuda", True, False),
        ("draggan", "cpu", True, False),
        ("freedrag", "cpu", True, False),
    ],
)
def test_a_live_drag_by_least_squares_waits_for_its_previews_on_a_cpu(
    method: DragMethod, device: str, is_live: bool, waits: bool
) -> None:
    assert waits_for_previews(method, torch.device(device), is_live=is_live) == waits
