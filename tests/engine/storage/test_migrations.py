"""Sessions of earlier versions: fixtures/session-1 is one of version 1 with a 32×32 model, three drags and a mask.

Drag 2 went on from drag 1 and was undone; drag 3 went on from drag 1 without the mask; then a second handle was placed
and the mask painted again.
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

LEFT = FIXTURES / "session-1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LEFT, tmp_path / "s"))


def changed(folder: Path, **fields: object) -> None:
    path = folder / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_its_drags_become_a_history(folder: Path) -> None:
    raw = json.loads((folder / "session.json").read_text())
    assert raw["schema_version"] == 1 and not (folder / JOURNAL_FILE).exists()
    session = read_manifest(folder)
    history = read_history(folder, session)

    assert [record.number for record in history.drag_records] == [1, 2, 3]  # what was undone too
    assert history.drag_records == session.drags
    first, second, third = (history.revisions[DragRevisionId(number)] for number in (1, 2, 3))
    starts = [history.revisions[entry.parent].edit for entry in (first, second, third) if entry.parent is not None]
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
    with Image.open(folder / "mask.png") as image:
        assert np.array_equal(edit.mask.to_array(), np.asarray(image) // 255)


def test_it_can_be_gone_on_with_and_is_written_as_the_present_version(folder: Path, tmp_path: Path) -> None:
    before = read_history(folder, read_manifest(folder))
    latents = (folder / "latents.safetensors").read_bytes()
    store = SessionStore("tiny", resume=folder)
    assert store.history == before and store.next_drag_number() == 4
    assert json.loads((folder / "session.json").read_text())["schema_version"] == 1  # until something is written

    later = before.change(before.edit.with_source(before.edit.source.model_copy(update={"seed": 4})))
    store.save(later.missing_from(before.revisions), later.current)
    store.close()
    written = json.loads((folder / "session.json").read_text())
    assert (written["schema_version"], written["drag_count"]) == (3, 3)
    assert read_history(folder, read_manifest(folder)) == later
    assert (folder / "latents.safetensors").read_bytes() == latents

    model = load_model(str(save_tiny(tmp_path / "tiny.safetensors")), "cpu")
    again = SessionStore("tiny", resume=folder)
    pictures = [image_of(model, again, entry.edit) for entry in later.revisions.values() if entry.record]
    assert len({picture.tobytes() for picture in pictures}) == 3
    again.close()


def test_one_goes_past_drags_whose_steps_were_not_kept(folder: Path) -> None:
    store = SessionStore("tiny", resume=folder)
    assert store.history is not None
    state = EditorState.resuming(store.history.edit)
    state.receive_history(store.history)
    for number in unread_drags(state.history, state.trajectories):
        state.trajectories[number] = store.trajectory(number)
    places = [state.history_cursor]
    while (place := places[-1].back(state.trajectories)) != places[-1]:
        places.append(place)
    assert [place.history.current for place in places] == [entry.id for entry in reversed(store.history.lineage)]
    assert all(place.step_index is None for place in places)
    for expected in reversed(places[:-1]):
        place = place.forward(state.trajectories)
        assert (place.history.current, place.step_index) == (expected.history.current, None)
    store.close()


def test_a_session_in_which_everything_of_the_mask_was_erased(folder: Path) -> None:
    Image.new("L", (32, 32)).save(folder / "mask.png")
    edit = read_history(folder, read_manifest(folder)).edit
    assert edit.mask is not None and edit.mask.share == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", png_header(12_000), png_header(40_000)],
    ids=["empty", "text", "144 megapixels", "1600 megapixels"],
)
def test_a_mask_that_cannot_be_read_is_named(folder: Path, content: bytes) -> None:
    (folder / "mask.png").write_bytes(content)
    with pytest.raises(InputError, match=r"mask\.png: the mask cannot be read"):
        read_history(folder, read_manifest(folder))


def test_a_session_without_drags(folder: Path) -> None:
    changed(folder, drags=[], latent=0, mask=None)
    history = read_history(folder, read_manifest(folder))
    assert len(history.revisions) == 1 and history.edit.pairs == read_manifest(folder).pairs


def test_a_newer_version_is_refused_and_not_touched(folder: Path) -> None:
    changed(folder, schema_version=4)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    for attempt in (
        lambda: read_manifest(folder),
        lambda: resume_session(folder, None),
        lambda: SessionStore("x", resume=folder),
    ):
        with pytest.raises(
            InputError, match="its schema version is 4, this draggan-tui reads up to 3; update it"
        ) as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
