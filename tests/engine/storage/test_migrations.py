"""Sessions of earlier versions: fixtures/session-1 is one of version 1 with a 32×32 model, three drags and a mask.

Drag 2 continued drag 1 and was undone; drag 3 continued drag 1 without the mask; then a second handle was placed and
the mask was painted again.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from draggan_engine.checkpoints.loader import load_model
from draggan_engine.core.errors import InputError
from draggan_engine.core.revision_id import DragRevisionId
from draggan_engine.server.edit_images import image_of
from draggan_engine.storage.journal import JOURNAL_FILE
from draggan_engine.storage.session_manifest import read_history, read_manifest
from draggan_engine.storage.session_store import SessionStore
from draggan_tui.cli.resume import resume_session
from draggan_tui.editor.history_cursor import unread_drags
from draggan_tui.editor.state import EditorState
from tests.support.paths import FIXTURES
from tests.support.png_header import png_header
from tests.support.tiny_models import save_tiny

FIXTURE = FIXTURES / "session-1"


@pytest.fixture
def session_directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURE, tmp_path / "s"))


def change_manifest(session_directory: Path, **fields: object) -> None:
    path = session_directory / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_drags_of_version_1_become_a_history(session_directory: Path) -> None:
    manifest_fields = json.loads((session_directory / "session.json").read_text())
    assert manifest_fields["schema_version"] == 1 and not (session_directory / JOURNAL_FILE).exists()
    session = read_manifest(session_directory)
    history = read_history(session_directory, session)

    assert [record.number for record in history.drag_records] == [1, 2, 3]  # what was undone too
    assert history.drag_records == session.drags
    first, second, third = (history.revisions[DragRevisionId(number)] for number in (1, 2, 3))
    starts = [
        history.revisions[revision.parent].edit for revision in (first, second, third) if revision.parent is not None
    ]
    assert [start.source.drag for start in starts] == [None, 1, 1]
    assert [start.mask is not None for start in starts] == [True, True, False]
    for start, record in zip(starts, history.drag_records, strict=True):
        assert start.settings == record.settings
        assert [(p.handle, p.target) for p in start.pairs] == [(p.handle, p.target) for p in record.pairs]
    assert first in history.lineage and third in history.lineage and second not in history.lineage

    edit = history.edit
    assert (edit.source.seed, edit.source.psi, edit.source.drag, edit.source.step, edit.settings) == (
        3,
        0.7,
        3,
        None,
        session.settings,
    )
    assert edit.pairs == session.pairs and len(edit.pairs) == 2
    assert edit.mask is not None
    with Image.open(session_directory / "mask.png") as image:
        assert np.array_equal(edit.mask.to_array(), np.asarray(image) // 255)


def test_a_session_of_version_1_continues_and_is_written_as_the_current_version(
    session_directory: Path, tmp_path: Path
) -> None:
    before = read_history(session_directory, read_manifest(session_directory))
    latents = (session_directory / "latents.safetensors").read_bytes()
    store = SessionStore("tiny", resume=session_directory)
    assert store.history == before and store.next_drag_number() == 4
    unwritten_manifest = json.loads((session_directory / "session.json").read_text())
    assert unwritten_manifest["schema_version"] == 1  # until something is written

    later = before.change(before.edit.with_source(before.edit.source.model_copy(update={"seed": 4})))
    store.save(later.missing_from(before.revisions), later.current)
    store.close()
    written = json.loads((session_directory / "session.json").read_text())
    assert (written["schema_version"], written["drag_count"]) == (4, 3)
    assert read_history(session_directory, read_manifest(session_directory)) == later
    assert (session_directory / "latents.safetensors").read_bytes() == latents

    model = load_model(str(save_tiny(tmp_path / "tiny.safetensors")), "cpu")
    resumed_store = SessionStore("tiny", resume=session_directory)
    images = [image_of(model, resumed_store, revision.edit) for revision in later.revisions.values() if revision.record]
    assert len({image.tobytes() for image in images}) == 3
    resumed_store.close()


def test_the_cursor_skips_drags_whose_steps_were_not_kept(session_directory: Path) -> None:
    store = SessionStore("tiny", resume=session_directory)
    assert store.history is not None
    state = EditorState.resuming(store.history.edit)
    state.receive_history(store.history)
    for number in unread_drags(state.history, state.trajectories):
        state.trajectories[number] = store.trajectory(number)
    cursors = [state.history_cursor]
    while (cursor := cursors[-1].back(state.trajectories)) != cursors[-1]:
        cursors.append(cursor)
    assert [cursor.history.current for cursor in cursors] == [
        revision.id for revision in reversed(store.history.lineage)
    ]
    assert all(cursor.step_index is None for cursor in cursors)
    for expected in reversed(cursors[:-1]):
        cursor = cursor.forward(state.trajectories)
        assert (cursor.history.current, cursor.step_index) == (expected.history.current, None)
    store.close()


def test_a_session_with_an_empty_mask(session_directory: Path) -> None:
    Image.new("L", (32, 32)).save(session_directory / "mask.png")
    edit = read_history(session_directory, read_manifest(session_directory)).edit
    assert edit.mask is not None and edit.mask.share == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", png_header(12_000), png_header(40_000)],
    ids=["empty", "text", "144 megapixels", "1600 megapixels"],
)
def test_the_error_names_a_mask_that_cannot_be_read(session_directory: Path, content: bytes) -> None:
    (session_directory / "mask.png").write_bytes(content)
    with pytest.raises(InputError, match=r"mask\.png: the mask cannot be read"):
        read_history(session_directory, read_manifest(session_directory))


def test_a_session_without_drags(session_directory: Path) -> None:
    change_manifest(session_directory, drags=[], latent=0, mask=None)
    history = read_history(session_directory, read_manifest(session_directory))
    assert len(history.revisions) == 1 and history.edit.pairs == read_manifest(session_directory).pairs


def test_a_newer_version_is_refused_and_not_changed(session_directory: Path) -> None:
    change_manifest(session_directory, schema_version=5)
    before = {path: path.stat().st_mtime_ns for path in session_directory.rglob("*")}
    for attempt in (
        lambda: read_manifest(session_directory),
        lambda: resume_session(session_directory, None),
        lambda: SessionStore("x", resume=session_directory),
    ):
        with pytest.raises(
            InputError, match="its schema version is 5, and this draggan-tui reads up to 4; update it"
        ) as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert {path: path.stat().st_mtime_ns for path in session_directory.rglob("*")} == before
