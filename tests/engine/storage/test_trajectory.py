"""The trajectory of a drag: which steps are kept, and the errors when it is missing or damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.edit import DragSettings, Edit, PointPair
from draggan_engine.core.errors import InputError
from draggan_engine.core.history import DraggedPair, DragRecord, Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.dragging.drag_loop import DragStep
from draggan_engine.server.drag_runner import prepare_drag, record_drag
from draggan_engine.storage import trajectory
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.trajectory import MAX_KEPT_STEPS, TRAJECTORY_FILE, TrajectoryRecorder, read_trajectory
from tests.support.tiny_models import save_tiny

HANDLE, TARGET = (1.0, 2.0), (3.0, 4.0)
RECORD = DragRecord(
    number=1, source=LatentRef(seed=7, psi=1), reason="reached", steps=2, seconds=0.1, settings=DragSettings(), masked=True,
    pairs=(DraggedPair(handle=HANDLE, target=TARGET, final=(3, 3), distance=1),),
)  # fmt: skip
BEFORE = np.random.default_rng(0).standard_normal((1, 6, 8)).astype(np.float32)


def latent(step: int) -> np.ndarray:
    """Return the latent after a step of a drag that changes the first four rows."""
    ws = BEFORE.copy()
    ws[:, :4] += np.float32(step) / 3
    return ws


def record_and_read(directory: Path, step_count: int) -> trajectory.StoredTrajectory:
    recorder = TrajectoryRecorder(BEFORE, 4, [HANDLE], [TARGET])
    for step in range(1, step_count + 1):
        recorder.record(step, latent(step), [(step, step / 3)], [(9, step)])
    recorder.write(directory, 5, RECORD)
    return read_trajectory(directory)


@pytest.mark.parametrize(
    "step_count", [0, 1, 7, MAX_KEPT_STEPS - 1, MAX_KEPT_STEPS, MAX_KEPT_STEPS + 1, 3 * MAX_KEPT_STEPS + 1]
)
def test_the_first_and_the_last_step_are_always_kept(tmp_path: Path, step_count: int) -> None:
    stored_trajectory = record_and_read(tmp_path, step_count)
    numbers = stored_trajectory.steps.tolist()
    assert numbers[0] == 0 and numbers[-1] == step_count
    assert len(numbers) <= MAX_KEPT_STEPS + 1
    assert len(numbers) > min(step_count, MAX_KEPT_STEPS // 2 - 1)
    gaps = set(np.diff(numbers[:-1]).tolist())
    assert len(gaps) <= 1 and numbers == sorted(set(numbers))
    assert (stored_trajectory.parent, stored_trajectory.record) == (5, RECORD)
    assert (stored_trajectory.trajectory.number, stored_trajectory.trajectory.steps) == (1, tuple(numbers))


@pytest.mark.parametrize("step_count", [7, 2 * MAX_KEPT_STEPS + 3])
def test_every_kept_step_is_exact(tmp_path: Path, step_count: int) -> None:
    stored_trajectory = record_and_read(tmp_path, step_count)
    for index, step in enumerate(stored_trajectory.steps.tolist()):
        assert np.array_equal(stored_trajectory.latent_at(step), latent(step))
        if step:
            assert stored_trajectory.pairs_at(index) == (((step, np.float32(step / 3)), (9, step)),)
    assert stored_trajectory.pairs_at(0) == ((HANDLE, TARGET),)
    assert np.array_equal(stored_trajectory.latent_at(0), BEFORE)


def test_recording_continues_after_a_write(tmp_path: Path) -> None:
    recorder = TrajectoryRecorder(BEFORE, 4, [HANDLE], [TARGET])
    assert not recorder.is_due
    for step in range(1, 4):
        recorder.record(step, latent(step), [HANDLE], [TARGET])
        recorder.write(tmp_path, 5, RECORD)
        assert read_trajectory(tmp_path).steps.tolist() == list(range(step + 1))
    assert [path.name for path in tmp_path.iterdir()] == [TRAJECTORY_FILE]


@pytest.mark.parametrize("space", ["w", "w+"])
def test_every_step_of_a_drag_is_recorded(tmp_path: Path, space: Literal["w", "w+"]) -> None:
    model = load_model(str(save_tiny(tmp_path / "tiny.safetensors")), "cpu")
    numbers = model.info.settings.model_copy(
        update={"method": "draggan", "max_steps": 5, "step_size": 0.05, "space": space, "layers": 3}
    )
    edit = Edit(
        model=model.name,
        source=LatentRef(seed=3),
        settings=numbers,
        pairs=(PointPair(handle=(10, 10), target=(20, 12)),),
    )
    store = SessionStore(model.name, tmp_path / "s")
    parent = Revision(id=0, edit=edit)
    store.save((parent,), 0)
    drag = prepare_drag(model, store, edit)
    ws_by_step = {0: drag.start_ws.numpy()}
    for event in record_drag(model, store, parent, 1, drag):
        if isinstance(event, DragStep):
            ws_by_step[event.step] = event.ws.numpy().copy()
    stored_trajectory = store.stored_trajectory(1)
    assert stored_trajectory.steps.tolist() == list(ws_by_step) == list(range(6))
    for step, ws in ws_by_step.items():
        assert np.array_equal(store.latent(1, step) if step else stored_trajectory.latent_at(0), ws)
    assert np.array_equal(store.latent(1), ws_by_step[5])
    assert not np.array_equal(ws_by_step[4], ws_by_step[5])
    assert store.trajectory(1).handles[0] == ((10, 10),)


def test_the_error_names_a_trajectory_that_is_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"steps\.safetensors: the steps of this drag were not kept"):
        read_trajectory(tmp_path)
    record_and_read(tmp_path, 7)
    content = (tmp_path / TRAJECTORY_FILE).read_bytes()
    for damaged_bytes in (b"", content[:100], content[:-1], b"\xff" * 200, content.replace(b'"parent"', b'"porent"')):
        (tmp_path / TRAJECTORY_FILE).write_bytes(damaged_bytes)
        with pytest.raises(
            InputError, match=rf"{tmp_path / TRAJECTORY_FILE}: the steps of this drag cannot be read"
        ) as caught:
            read_trajectory(tmp_path)
        assert "\n" not in str(caught.value)
    assert SessionStore("toy", resume=tmp_path / "none").trajectory(3).steps == ()


@pytest.mark.parametrize("name", ["ws", "before", "handles", "targets", "steps"])
def test_the_error_says_that_the_arrays_of_a_trajectory_do_not_belong_together(tmp_path: Path, name: str) -> None:
    record_and_read(tmp_path, 7)
    path = tmp_path / TRAJECTORY_FILE
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    for wrong_array in (np.zeros((), np.float32), np.zeros((0, 1, 2), np.float32), np.zeros((8, 1, 3), np.float32)):
        arrays = load_file(path)
        save_file({**arrays, name: wrong_array}, path, metadata)
        with pytest.raises(InputError, match="the shapes of its arrays do not belong together"):
            read_trajectory(tmp_path)
        save_file(arrays, path, metadata)


def test_the_error_names_the_field_of_a_trajectory_that_is_wrong(tmp_path: Path) -> None:
    record_and_read(tmp_path, 7)
    path = tmp_path / TRAJECTORY_FILE
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    save_file(load_file(path), path, {**metadata, "record": metadata["record"].replace('"steps"', '"paces"')})
    with pytest.raises(
        InputError, match=r"cannot be read \(steps: Field required\); its start and end are not affected"
    ):
        read_trajectory(tmp_path)
