"""Live drags: they follow their target, rest, continue, and end when the target is released."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from torch import Tensor

from draggan_engine.core.edit import DragSettings, Edit, PointPair
from draggan_engine.core.geometry import Point
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.revision_id import DragRevisionId
from draggan_engine.dragging import optimizer
from draggan_engine.dragging.drag_loop import DragAtRest, DragEnd, DragLoop, DragStep
from draggan_engine.dragging.drag_task import PairBatch
from draggan_engine.dragging.feature_sources import FeatureWindows
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.server.codec import encode
from draggan_engine.server.command_reader import CommandReader
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
from tests.support.tiny_models import random_generator, save_tiny

SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, step_size=0.02, max_steps=4, stop_distance=0.5)
HANDLE = (10.0, 10.0)
Events = Iterator[DragStep | DragAtRest | DragEnd]


@pytest.fixture(scope="module")
def generator() -> Generator:
    return random_generator()


def live_drag(
    generator: Generator, settings: DragSettings = SETTINGS, others: tuple[tuple[Point, Point], ...] = ()
) -> tuple[DragLoop, Events]:
    """Return a drag whose last pair is live, with its target on its handle, and the events of the drag."""
    pairs = [*others, (HANDLE, HANDLE)]
    session = DragLoop(generator, latent_of_seed(generator, 1, 1.0), pairs, None, settings, live_pair=len(others))
    return session, session.steps()


def steps_until_rest(events: Events) -> list[DragStep]:
    steps: list[DragStep] = []
    while isinstance(event := next(events), DragStep):
        steps.append(event)
    assert isinstance(event, DragAtRest)
    return steps


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> list[list[list[float]]]:
    """Return a list that gets the targets of each step."""
    step_targets: list[list[list[float]]] = []
    loss = optimizer.supervision_loss

    def watched(features: FeatureWindows, pairs: PairBatch, *rest: object) -> Tensor:
        step_targets.append(pairs.targets[0].tolist())
        return loss(features, pairs, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(optimizer, "supervision_loss", watched)
    return step_targets


# The loop --------------------------------------------------------------------------------------------


def test_a_live_drag_rests_follows_its_target_and_ends_when_it_is_released(
    generator: Generator, targets: list[list[list[float]]]
) -> None:
    session, events = live_drag(generator)
    assert steps_until_rest(events) == [], "the target has not moved"
    session.control.move_target((25, 10))
    first = steps_until_rest(events)
    assert [step.step for step in first] == [1, 2, 3, 4], "as many as max_steps says"
    session.control.move_target((10, 25))
    second = steps_until_rest(events)
    assert [step.step for step in second] == [5, 6, 7, 8], "counted from the last move"
    assert targets == [[[25, 10]]] * 4 + [[[10, 25]]] * 4
    session.control.release_target()
    end = next(events)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step, end.handles) == ("max_steps", 8, second[-1].handles)
    assert session.targets == ((10, 25),)
    assert next(events, None) is None


def test_a_live_drag_follows_a_target_that_moves_during_the_steps(
    generator: Generator, targets: list[list[list[float]]]
) -> None:
    session, events = live_drag(generator)
    steps_until_rest(events)
    for x in range(12, 22):
        session.control.move_target((x - 0.5, 10))  # overtaken before the next step
        session.control.move_target((x, 10))
        step = next(events)
        assert isinstance(step, DragStep)
        handle = step.handles[0]
        assert step.mean_distance == pytest.approx(((handle[0] - x) ** 2 + (handle[1] - 10) ** 2) ** 0.5, abs=1e-4)
    assert targets == [[[x, 10]] for x in range(12, 22)]
    session.control.move_target((21, 10))  # where it is: no move
    assert len(steps_until_rest(events)) == 3


def test_a_live_drag_rests_at_its_target(generator: Generator) -> None:
    session, events = live_drag(generator, SETTINGS.model_copy(update={"stop_distance": 6.0, "max_steps": 100}))
    steps_until_rest(events)
    session.control.move_target((14, 10))
    assert steps_until_rest(events) == [], "within the stopping distance"
    session.control.release_target()
    end = next(events)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step) == ("reached", 0)


def test_a_live_drag_that_is_released_while_it_runs_ends_when_it_comes_to_rest(generator: Generator) -> None:
    session, events = live_drag(generator)
    steps_until_rest(events)
    session.control.move_target((25, 10))
    next(events)
    session.control.release_target()
    *steps, end = events
    assert isinstance(end, DragEnd)
    assert (len(steps), end.reason, end.step) == (3, "max_steps", 4)


def test_a_live_drag_that_is_released_at_once_makes_no_step(generator: Generator) -> None:
    session, events = live_drag(generator)
    session.control.release_target()
    (end,) = events
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step) == ("reached", 0)


def test_the_other_pairs_of_a_live_drag_keep_their_targets(
    generator: Generator, targets: list[list[list[float]]]
) -> None:
    session, events = live_drag(generator, others=(((20, 20), (26, 26)),))
    steps = steps_until_rest(events)
    assert len(steps) == 4, "they are dragged before the hand has moved"
    session.control.move_target((12, 12))
    steps_until_rest(events)
    assert targets == [[[26, 26], [10, 10]]] * 4 + [[[26, 26], [12, 12]]] * 4


def test_a_drag_that_is_not_live_ignores_moves_of_a_target(
    generator: Generator, targets: list[list[list[float]]]
) -> None:
    session = DragLoop(generator, latent_of_seed(generator, 1, 1.0), [(HANDLE, (25, 10))], None, SETTINGS)
    session.control.move_target((1, 1))
    assert not any(isinstance(event, DragAtRest) for event in session.steps())
    assert targets == [[[25, 10]]] * 4


def drain_in_thread(events: Events) -> tuple[threading.Thread, queue.Queue[object]]:
    drained: queue.Queue[object] = queue.Queue()

    def drain() -> None:
        for event in events:
            drained.put(event)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    return thread, drained


def test_another_thread_moves_wakes_and_stops_a_resting_drag(generator: Generator) -> None:
    session, events = live_drag(generator)
    thread, drained = drain_in_thread(events)
    assert isinstance(drained.get(timeout=PATIENCE), DragAtRest)
    with pytest.raises(queue.Empty):
        drained.get(timeout=0.7)  # a resting drag sends nothing
    session.control.wake()
    assert isinstance(drained.get(timeout=PATIENCE), DragAtRest)
    session.control.move_target((25, 10))
    for _ in range(4):
        assert isinstance(drained.get(timeout=PATIENCE), DragStep)
    assert isinstance(drained.get(timeout=PATIENCE), DragAtRest)
    session.control.stop()
    end = drained.get(timeout=PATIENCE)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step) == ("max_steps", 4), "it had come to rest by itself"
    thread.join(timeout=PATIENCE)
    assert not thread.is_alive()


def test_a_live_drag_is_stopped_while_it_runs(generator: Generator) -> None:
    session, events = live_drag(generator)
    steps_until_rest(events)
    session.control.move_target((25, 10))
    next(events)
    session.control.stop()
    end = next(events)
    assert isinstance(end, DragEnd)
    assert (end.reason, end.step) == ("stopped", 1)


# The process --------------------------------------------------------------------------------------------

PAIRS = (PointPair(handle=(20, 20), target=(22, 20), enabled=False), PointPair(handle=HANDLE))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    tiny = save_tiny(tmp_path / "tiny.safetensors")
    with Engine("--model", str(tiny), "--device", "cpu", "--out", str(tmp_path / "s")) as started:
        yield started


def begin_live_drag(engine: Engine, steps: int = 4) -> Edit:
    """Start a live drag of the second pair, and wait until it rests and its preview has come."""
    info = engine.wait_for(ModelLoaded).info
    settings = info.settings.model_copy(update={"max_steps": steps, "step_size": 0.02, "stop_distance": 0.5})
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
