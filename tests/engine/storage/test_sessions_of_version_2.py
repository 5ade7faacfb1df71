"""Sessions of version 2, which has all latents in one file: fixtures/session-2, with a 32×32 model.

It starts from a latent file. A pair and a mask were set (revisions 1 and 2), then drag 1; a new target (revision 3) and
drag 2. Both were undone, another target was set (revision 4), and drag 3 is the current revision.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.history import History
from draggan_engine.core.revision_id import DragRevisionId
from draggan_engine.server.drag_runner import DragRecorded, prepare_drag, record_drag
from draggan_engine.server.edit_images import image_of, write_result
from draggan_engine.storage.session_manifest import read_history, read_manifest
from draggan_engine.storage.session_store import SessionStore
from tests.support.paths import FIXTURES
from tests.support.tiny_models import save_tiny

FIXTURE = FIXTURES / "session-2"
STORED = load_file(FIXTURE / "latents.safetensors")


@pytest.fixture
def session_directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURE, tmp_path / "s"))


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load_model(str(save_tiny(tmp_path / "tiny.safetensors")), "cpu")


def history_of(store: SessionStore) -> History:
    assert store.history is not None
    return store.history


def test_a_session_of_version_2_opens_with_every_latent(session_directory: Path) -> None:
    assert json.loads((session_directory / "session.json").read_text())["schema_version"] == 2
    store = SessionStore("tiny", resume=session_directory)
    history = history_of(store)
    assert [revision.id for revision in history.lineage] == [0, 1, 2, DragRevisionId(1), 4, DragRevisionId(3)]
    assert [record.number for record in history.drag_records] == [1, 2, 3]
    assert np.array_equal(store.file_latent(), STORED["given"])
    for number in (1, 2, 3):
        assert np.array_equal(store.latent(number), STORED[f"drag-{number:03d}.after"])
        assert store.trajectory(number).steps == (0, 1, 2, 3)
    store.close()


def test_a_session_of_version_2_is_undone_and_redone(session_directory: Path, model: Model) -> None:
    store = SessionStore("tiny", resume=session_directory)
    end = history_of(store)
    images = {}
    for revision in reversed(end.lineage):
        store.save((), revision.id)
        images[revision.id] = image_of(model, store, revision.edit).tobytes()
    assert history_of(store).current_revision.edit.source.drag is None
    assert len(set(images.values())) == 3  # of the latent file, drag 1, and drag 3
    for revision in end.lineage:
        store.save((), revision.id)
        assert images[revision.id] == image_of(model, store, history_of(store).edit).tobytes()
    write_result(model, store, end.edit)
    store.close()
    assert read_history(session_directory, read_manifest(session_directory)) == end


def test_a_session_of_version_2_continues_with_another_drag(session_directory: Path, model: Model) -> None:
    store = SessionStore("tiny", resume=session_directory)
    assert store.next_drag_number() == 4
    parent = history_of(store).current_revision
    *_, end = record_drag(model, store, parent, 4, prepare_drag(model, store, parent.edit))
    assert isinstance(end, DragRecorded) and end.problem is None and end.revision is not None
    after = store.latent(4)
    store.close()
    resumed_store = SessionStore("tiny", resume=session_directory)
    assert [revision.id for revision in history_of(resumed_store).lineage] == [
        0,
        1,
        2,
        DragRevisionId(1),
        4,
        DragRevisionId(3),
        DragRevisionId(4),
    ]
    assert np.array_equal(resumed_store.latent(4), after)
    assert np.array_equal(resumed_store.latent(2), STORED["drag-002.after"])
    assert np.array_equal(resumed_store.file_latent(), STORED["given"])
    resumed_store.close()
