"""Resuming: the history is sent, and a drag whose engine was killed is recovered up to its last written step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.errors import InputError
from draggan_engine.core.history import Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.revision_id import DragRevisionId
from draggan_engine.server.drag_runner import DragRecorded, prepare_drag, record_drag
from draggan_engine.server.edit_images import image_of
from draggan_engine.server.messages import (
    DragEnded,
    DragProgress,
    DragStarted,
    EditMeasured,
    ImageRendered,
    ModelLoaded,
    Quit,
    ReadTrajectory,
    Render,
    Resumed,
    Save,
    Saved,
    TrajectoryRead,
)
from draggan_engine.storage import trajectory
from draggan_engine.storage.image_io import write_image
from draggan_engine.storage.session_lock import LOCK_FILE, was_interrupted
from draggan_engine.storage.session_manifest import read_history, read_manifest
from draggan_engine.storage.session_store import SessionStore
from tests.support.engine_client import Engine
from tests.support.patience import PATIENCE
from tests.support.tiny_models import save_tiny

PAIR = PointPair(handle=(10, 10), target=(20, 12))


@pytest.fixture
def spec(tmp_path: Path) -> str:
    return str(save_tiny(tmp_path / "tiny.safetensors"))


def test_the_drag_of_a_killed_engine_becomes_a_branch(spec: str, tmp_path: Path) -> None:
    directory = tmp_path / "s"
    with Engine("--model", spec, "--device", "cpu", "--out", str(directory)) as engine:
        info = engine.wait_for(ModelLoaded).info
        endless_settings = info.settings.model_copy(
            update={"method": "draggan", "step_size": 1e-4, "max_steps": 100_000, "stop_distance": 1e-3}
        )
        edit = Edit(model=info.name, source=LatentRef(seed=3), settings=endless_settings, pairs=(PAIR,))
        engine.drag(edit)
        engine.wait_for(DragProgress, lambda _: (directory / "drag-001" / trajectory.TRAJECTORY_FILE).exists())
        engine.process.kill()
        engine.process.wait()
    assert was_interrupted(directory)
    stored_trajectory = trajectory.read_trajectory(directory / "drag-001")
    assert read_history(directory, read_manifest(directory)).edit == edit  # the edit that was acknowledged

    with Engine("--model", spec, "--device", "cpu", "--resume", str(directory)) as engine:
        resumed = engine.wait_for(Resumed)
        assert (resumed.current, resumed.recovered_drags) == (0, (1,))
        first, revision = resumed.revisions
        assert first.edit == edit
        assert (revision.id, revision.parent) == (DragRevisionId(1), 0)
        assert revision.record is not None and revision.record.reason == "interrupted"
        assert revision.record.steps == stored_trajectory.steps[-1] > 0
        assert revision.edit.pairs[0].handle == stored_trajectory.pairs_at(-1)[0][0]
        engine.wait_for(ModelLoaded)
        engine.send(Render(request_id=1, edit=revision.edit))
        engine.send(Render(request_id=2, edit=edit))
        rendered_image = engine.wait_for(ImageRendered, lambda preview: preview.request_id == 2)
        engine.send(Render(request_id=3, edit=revision.edit))
        assert engine.wait_for(ImageRendered).image != rendered_image.image
        measured = engine.wait_for(EditMeasured)
        assert measured.source == revision.edit.source and measured.sigma > 0
        engine.send(ReadTrajectory(drag_number=1))
        assert engine.wait_for(TrajectoryRead).trajectory == stored_trajectory.trajectory
        # The next drag continues from it.
        engine.history = resumed.history.jump_to(revision.id)
        further_edit = revision.edit.model_copy(
            update={"settings": endless_settings.model_copy(update={"max_steps": 2})}
        )
        engine.drag(further_edit)
        assert engine.wait_for(DragStarted).drag_number == 2
        assert engine.wait_for(DragEnded).record.source.drag == 1
        engine.send(Quit())
        assert engine.process.wait(PATIENCE) == 0
    history = read_history(directory, read_manifest(directory))
    assert [record.reason for record in history.drag_records] == ["interrupted", "max_steps"]
    assert history.current == DragRevisionId(2) and not was_interrupted(directory)


def test_a_resuming_engine_sends_the_history_as_it_was_left(spec: str, tmp_path: Path) -> None:
    directory = tmp_path / "s"
    with Engine("--model", spec, "--device", "cpu", "--out", str(directory)) as engine:
        edit = Edit(model="tiny", source=LatentRef(seed=3))
        for change_count, seed in enumerate((3, 4, 5), start=1):
            engine.save(edit.with_source(LatentRef(seed=seed)), change_count=change_count)
        assert engine.history is not None
        history = engine.history.undo().undo()
        engine.send(Save(change_count=4, revisions=(), current=history.current))
        engine.wait_for(Saved, lambda event: event.change_count == 4)
        engine.send(Quit())
        assert engine.process.wait(PATIENCE) == 0
    with Engine("--model", spec, "--device", "cpu", "--resume", str(directory)) as engine:
        resumed = engine.wait_for(Resumed)
        assert resumed.history == history == read_history(directory, read_manifest(directory))
        assert resumed.history.redo().edit.source.seed == 4
        assert resumed.recovered_drags == ()
        assert not any(isinstance(event, ModelLoaded) for event in engine.events), "it does not wait for the model"


def test_an_interrupted_drag_is_recovered_at_every_start(spec: str, tmp_path: Path) -> None:
    directory = tmp_path / "s"
    with Engine("--model", spec, "--device", "cpu", "--out", str(directory)) as engine:
        info = engine.wait_for(ModelLoaded).info
        endless_settings = info.settings.model_copy(
            update={"method": "draggan", "step_size": 1e-4, "max_steps": 100_000, "stop_distance": 1e-3}
        )
        engine.save(Edit(model=info.name, source=LatentRef(seed=3), settings=endless_settings, pairs=(PAIR,)))
        engine.wait_for(Saved)
        engine.start_drag()
        engine.wait_for(DragProgress, lambda _: (directory / "drag-001" / trajectory.TRAJECTORY_FILE).exists())
    for _ in range(2):
        store = SessionStore("tiny", resume=directory)
        assert store.history is not None and [record.reason for record in store.history.drag_records] == ["interrupted"]
        assert store.history.current == 0 and store.latent(1).shape == (1, 8, 4)
        store.close()


class Killed(BaseException):
    """Raised in the middle of a write, where a process is killed."""


def parent_of(model: Model) -> Revision:
    settings = model.info.settings.model_copy(update={"method": "draggan", "max_steps": 3, "step_size": 0.05})
    return Revision(
        id=0, edit=Edit(model=model.name, source=LatentRef(seed=3, psi=1), settings=settings, pairs=(PAIR,))
    )


def release_as_if_killed(session: Path) -> None:
    """Close the descriptor of the session's lock, as the system does for a killed process, and leave its file."""
    lock_file = (session / LOCK_FILE).stat()
    for link in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(link.name)), lock_file):
                os.close(int(link.name))


def kill_at_each_write(
    model: Model, directory: Path, patch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, DragRecorded | None]]:
    """Drag in new sessions, each of which is killed one write later than the one before.

    Yields:
        The directory of the session, and the end of the drag if it was reached.
    """
    write_pace = trajectory.WritePace(min_interval=0.0, max_share=1e9)
    sync, parent = os.fsync, parent_of(model)
    for last in count():
        session = directory / f"s{last}"
        store = SessionStore(model.name, session)
        store.set_model(model.name, model.sha256, model.path)
        store.save((parent,), 0)  # acknowledged
        remaining_flushes = iter([None] * last)

        def flush_or_die(descriptor: int, remaining_flushes: Iterator[None] = remaining_flushes) -> None:
            if next(remaining_flushes, Killed) is Killed:
                raise Killed
            sync(descriptor)

        drag_end = None
        with patch.context() as context:
            context.setattr(os, "fsync", flush_or_die)
            try:
                drag = prepare_drag(model, store, parent.edit)
                for event in record_drag(model, store, parent, 1, drag, write_pace=write_pace):
                    if isinstance(event, DragRecorded):
                        drag_end = event
            except Killed:
                pass
        release_as_if_killed(session)
        yield session, drag_end
        if drag_end is not None:
            return


def test_a_session_killed_at_any_write_opens_with_all_that_was_acknowledged(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, parent = load_model(spec, "cpu"), parent_of(load_model(spec, "cpu"))
    outcomes = []
    for session, drag_end in kill_at_each_write(model, tmp_path, monkeypatch):
        assert was_interrupted(session)
        is_trajectory_written = (session / "drag-001" / trajectory.TRAJECTORY_FILE).exists()
        store = SessionStore(model.name, resume=session)
        assert store.history is not None and store.history.revisions[0] == parent
        revision = store.history.revisions.get(DragRevisionId(1))
        assert (revision is not None) == is_trajectory_written
        if revision is not None:
            assert revision.record is not None and revision.record.steps == len(store.trajectory(1).steps) - 1
            assert np.array_equal(store.latent(1), store.stored_trajectory(1).latent_at(revision.record.steps))
            write_image(
                session / "recovered.png", image_of(model, store, revision.edit), model="tiny", edit=revision.edit
            )
            outcomes.append(revision.record.reason)
        if drag_end is not None:
            assert (
                drag_end.problem is None
                and drag_end.revision == revision
                and store.history.current == DragRevisionId(1)
            )
        store.save((), store.history.current)
        store.close()
        history = read_history(session, read_manifest(session))
        assert history == store.history and set(history.revisions) == {0} | (
            {DragRevisionId(1)} if is_trajectory_written else set()
        )
    assert outcomes[0] == "interrupted" and outcomes[-1] == "max_steps"
    assert len(outcomes) > 10


def test_a_drag_continues_when_the_disk_is_full(spec: str, tmp_path: Path) -> None:
    """Each flush to /dev/full fails, also the last one."""
    model = load_model(spec, "cpu")
    store, parent = SessionStore(model.name, tmp_path / "s"), parent_of(model)
    store.save((parent,), 0)
    (tmp_path / "s" / "drag-001").mkdir()
    (tmp_path / "s" / "drag-001" / "events.jsonl").symlink_to("/dev/full")
    *_, drag_end = record_drag(model, store, parent, 1, prepare_drag(model, store, parent.edit))
    assert isinstance(drag_end, DragRecorded) and drag_end.revision is not None and drag_end.edit.source.drag == 1
    assert drag_end.problem is not None and "events.jsonl" in drag_end.problem
    assert read_history(tmp_path / "s", read_manifest(tmp_path / "s")).edit == drag_end.edit


def test_the_error_names_latents_that_cannot_be_read(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.set_file_latent(np.zeros((1, 4, 3), np.float32))
    store.save((Revision(id=0, edit=Edit(model="toy", source=LatentRef(from_file=True))),), 0)
    store.close()
    (tmp_path / "s" / "latents.safetensors").write_bytes(b"no latents")
    with pytest.raises(InputError, match=r"latents\.safetensors cannot be read"):
        SessionStore("toy", resume=tmp_path / "s")
