"""Resuming: the history is sent, and a drag whose engine was killed comes back as far as it was written."""

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
        endless = info.settings.model_copy(update={"step_size": 1e-4, "max_steps": 100_000, "stop_distance": 1e-3})
        edit = Edit(model=info.name, source=LatentRef(seed=3), settings=endless, pairs=(PAIR,))
        engine.drag(edit)
        engine.wait_for(DragProgress, lambda _: (directory / "drag-001" / trajectory.TRAJECTORY_FILE).exists())
        engine.process.kill()
        engine.process.wait()
    assert was_interrupted(directory)
    on_disk = trajectory.read_trajectory(directory / "drag-001")
    assert read_history(directory, read_manifest(directory)).edit == edit  # which is what was acknowledged

    with Engine("--model", spec, "--device", "cpu", "--resume", str(directory)) as engine:
        resumed = engine.wait_for(Resumed)
        assert (resumed.current, resumed.recovered_drags) == (0, (1,))
        first, entry = resumed.revisions
        assert first.edit == edit
        assert (entry.id, entry.parent) == (DragRevisionId(1), 0)
        assert entry.record is not None and entry.record.reason == "interrupted"
        assert entry.record.steps == on_disk.steps[-1] > 0
        assert entry.edit.pairs[0].handle == on_disk.pairs_at(-1)[0][0]
        engine.wait_for(ModelLoaded)
        engine.send(Render(request_id=1, edit=entry.edit))
        engine.send(Render(request_id=2, edit=edit))
        shown = engine.wait_for(ImageRendered, lambda preview: preview.request_id == 2)
        engine.send(Render(request_id=3, edit=entry.edit))
        assert engine.wait_for(ImageRendered).image != shown.image
        engine.send(ReadTrajectory(drag_number=1))
        assert engine.wait_for(TrajectoryRead).trajectory == on_disk.trajectory
        # The next drag goes on from it.
        engine.history = resumed.history.jump_to(entry.id)
        further = entry.edit.model_copy(update={"settings": endless.model_copy(update={"max_steps": 2})})
        engine.drag(further)
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
        endless = info.settings.model_copy(update={"step_size": 1e-4, "max_steps": 100_000, "stop_distance": 1e-3})
        engine.save(Edit(model=info.name, source=LatentRef(seed=3), settings=endless, pairs=(PAIR,)))
        engine.wait_for(Saved)
        engine.start_drag()
        engine.wait_for(DragProgress, lambda _: (directory / "drag-001" / trajectory.TRAJECTORY_FILE).exists())
    for _ in range(2):
        store = SessionStore("tiny", resume=directory)
        assert store.history is not None and [record.reason for record in store.history.drag_records] == ["interrupted"]
        assert store.history.current == 0 and store.latent(1).shape == (1, 8, 4)
        store.close()


class Killed(BaseException):
    """Ends a process in the middle of a write: nothing after it is executed."""


def parent_of(model: Model) -> Revision:
    settings = model.info.settings.model_copy(update={"max_steps": 3, "step_size": 0.05})
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


def killed_at_each_write(
    model: Model, directory: Path, patch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, DragRecorded | None]]:
    """Drags again and again, each time in a new session that is killed at a later write; its directory, and the end of the
    drag if it came to that."""
    patch.setattr(trajectory, "WRITE_INTERVAL", 0.0)
    patch.setattr(trajectory, "MAX_WRITE_SHARE", 1e9)
    sync, parent = os.fsync, parent_of(model)
    for last in count():
        session = directory / f"s{last}"
        store = SessionStore(model.name, session)
        store.set_model(model.name, model.sha256, model.path)
        store.save((parent,), 0)  # acknowledged
        left = iter([None] * last)

        def dying(descriptor: int, left: Iterator[None] = left) -> None:
            if next(left, Killed) is Killed:
                raise Killed
            sync(descriptor)

        end = None
        with patch.context() as context:
            context.setattr(os, "fsync", dying)
            try:
                for event in record_drag(model, store, parent, 1, prepare_drag(model, store, parent.edit)):
                    if isinstance(event, DragRecorded):
                        end = event
            except Killed:
                pass
        release_as_if_killed(session)
        yield session, end
        if end is not None:
            return


def test_a_session_killed_at_any_write_opens_with_all_that_was_acknowledged(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, parent = load_model(spec, "cpu"), parent_of(load_model(spec, "cpu"))
    outcomes = []
    for session, end in killed_at_each_write(model, tmp_path, monkeypatch):
        assert was_interrupted(session)
        written = (session / "drag-001" / trajectory.TRAJECTORY_FILE).exists()
        store = SessionStore(model.name, resume=session)
        assert store.history is not None and store.history.revisions[0] == parent
        entry = store.history.revisions.get(DragRevisionId(1))
        assert (entry is not None) == written
        if entry is not None:
            assert entry.record is not None and entry.record.steps == len(store.trajectory(1).steps) - 1
            assert np.array_equal(store.latent(1), store.stored_trajectory(1).latent_at(entry.record.steps))
            write_image(session / "found.png", image_of(model, store, entry.edit), model="tiny", edit=entry.edit)
            outcomes.append(entry.record.reason)
        if end is not None:
            assert end.problem is None and end.revision == entry and store.history.current == DragRevisionId(1)
        store.save((), store.history.current)
        store.close()
        history = read_history(session, read_manifest(session))
        assert history == store.history and set(history.revisions) == {0} | ({DragRevisionId(1)} if written else set())
    assert outcomes[0] == "interrupted" and outcomes[-1] == "max_steps"
    assert len(outcomes) > 10


def test_a_drag_continues_when_the_disk_is_full(spec: str, tmp_path: Path) -> None:
    """Each flush to /dev/full fails, also the last one."""
    model = load_model(spec, "cpu")
    store, parent = SessionStore(model.name, tmp_path / "s"), parent_of(model)
    store.save((parent,), 0)
    (tmp_path / "s" / "drag-001").mkdir()
    (tmp_path / "s" / "drag-001" / "events.jsonl").symlink_to("/dev/full")
    *_, end = record_drag(model, store, parent, 1, prepare_drag(model, store, parent.edit))
    assert isinstance(end, DragRecorded) and end.revision is not None and end.edit.source.drag == 1
    assert end.problem is not None and "events.jsonl" in end.problem
    assert read_history(tmp_path / "s", read_manifest(tmp_path / "s")).edit == end.edit


def test_the_error_names_latents_that_cannot_be_read(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.set_file_latent(np.zeros((1, 4, 3), np.float32))
    store.save((Revision(id=0, edit=Edit(model="toy", source=LatentRef(from_file=True))),), 0)
    store.close()
    (tmp_path / "s" / "latents.safetensors").write_bytes(b"no latents")
    with pytest.raises(InputError, match=r"latents\.safetensors: it cannot be read"):
        SessionStore("toy", resume=tmp_path / "s")
