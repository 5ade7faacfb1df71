"""The photograph of a session with an edit pasted back: what follows undo and redo, masks, and what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import Edit, Mask, PointPair
from draggan_engine.core.errors import EditError, InputError
from draggan_engine.core.history import Revision
from draggan_engine.core.inversion_choices import PasteMode
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.server.drag_runner import DragRecorded, prepare_drag, record_drag
from draggan_engine.server.export import export
from draggan_engine.storage.inversion_files import (
    InversionRecord,
    PhotographAlignment,
    copy_photograph,
    file_sha256,
    write_inversion,
)
from draggan_engine.storage.session_store import SessionStore
from tests.support.tiny_models import random_generator, save_generator

SIZE = 32  # of the model's images; in the photograph, one is twice as large and lies at (40, 20)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load_model(str(save_generator(tmp_path / "tiny.safetensors", random_generator())), "cpu")


@pytest.fixture
def photograph(tmp_path: Path) -> NDArray[np.int64]:
    pixels = np.random.RandomState(0).randint(0, 256, (120, 160, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return pixels.astype(np.int64)


@pytest.fixture
def store(model: Model, photograph: NDArray[np.int64], tmp_path: Path) -> SessionStore:  # noqa: ARG001
    """Return a session as an inversion leaves it."""
    settings = model.info.settings.model_copy(
        update={"method": "draggan", "stop_distance": 0.01, "step_size": 0.05, "max_steps": 5, "mask_weight": 0.0}
    )
    pairs = (PointPair(handle=(8, 8), target=(20, 20)),)
    edit = Edit(model="tiny", source=LatentRef(from_file=True), pairs=pairs, settings=settings)
    store = SessionStore("tiny", tmp_path / "s")
    store.set_file_latent(latent_of_seed(model.generator, 5, 1.0).numpy())
    directory = store.save((Revision(id=0, edit=edit),), 0)
    alignment = PhotographAlignment(
        photograph=str(tmp_path / "photo.png"),
        photograph_sha256=file_sha256(tmp_path / "photo.png"),
        photograph_copy=copy_photograph(tmp_path / "photo.png", directory),
        photograph_size=(160, 120),
        multiplier=(0.5, 0.0),
        offset=(-20.25, -10.25),
    )
    record = InversionRecord(
        alignment=alignment, method="w", reason="finished", steps=1, seconds=1, loss=1, psnr=20
    )  # fmt: skip
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    write_inversion(directory, record, image, image, "tiny", edit)
    return store


def dragged(model: Model, store: SessionStore, edit: Edit) -> Edit:
    """Drag an edit as a child of the current revision, and return the result."""
    assert store.history is not None
    parent = store.history.change(edit).current_revision
    store.save((parent,), parent.id)
    recorded = list(record_drag(model, store, parent, store.next_drag_number(), prepare_drag(model, store, edit)))[-1]
    assert isinstance(recorded, DragRecorded) and recorded.revision is not None
    return recorded.edit


def changes(
    model: Model, store: SessionStore, edit: Edit, photograph: NDArray[np.int64], paste_mode: PasteMode = "delta"
) -> NDArray[np.bool_]:
    """Return which pixels of the exported photograph differ from the photograph."""
    path = photograph_path(store) / "exported.png"
    export(model, store, edit, path, paste_mode=paste_mode, report_progress=lambda *_: None)
    with Image.open(path) as image:
        return np.asarray((np.asarray(image).astype(np.int64) != photograph).any(axis=2))


def photograph_path(store: SessionStore) -> Path:
    assert store.directory is not None
    return store.directory.parent


def test_undo_and_redo_change_what_is_exported(
    model: Model, store: SessionStore, photograph: NDArray[np.int64]
) -> None:
    assert store.edit is not None and store.history is not None
    result = dragged(model, store, store.edit)
    before_undo = changes(model, store, result, photograph)
    assert before_undo[30:74, 50:94].mean() > 0.5
    outside = np.ones((120, 160), bool)
    outside[20:84, 40:104] = False
    assert not before_undo[outside].any()
    assert not changes(model, store, store.history.undo().edit, photograph).any()
    assert np.array_equal(changes(model, store, store.history.undo().redo().edit, photograph), before_undo)


def test_the_whole_crop_is_replaced_by_an_edit_without_drags(
    model: Model, store: SessionStore, photograph: NDArray[np.int64]
) -> None:
    assert store.edit is not None
    changed = changes(model, store, store.edit, photograph, "crop")
    assert changed[30:74, 50:94].mean() > 0.9
    assert not changed[:, :38].any() and not changed[:, 106:].any()


def test_the_masks_with_which_the_drags_began_count(
    model: Model, store: SessionStore, photograph: NDArray[np.int64]
) -> None:
    assert store.edit is not None
    top, bottom = np.zeros((SIZE, SIZE), np.uint8), np.zeros((SIZE, SIZE), np.uint8)
    top[4:10, 4:28] = bottom[20:26, 4:28] = 1
    once = dragged(model, store, store.edit.model_copy(update={"mask": Mask.from_array(top)}))
    twice = dragged(model, store, once.model_copy(update={"mask": Mask.from_array(bottom)}))
    upper, middle, lower = np.s_[28:40, 48:96], np.s_[49:53, :], np.s_[60:72, 48:96]
    for edit, lower_changes in ((once, False), (twice, True)):
        for later_mask in (edit.mask, None):
            changed = changes(model, store, edit.model_copy(update={"mask": later_mask}), photograph)
            assert changed[upper].any()
            assert not changed[middle].any()
            assert bool(changed[lower].any()) is lower_changes


def test_a_seed_in_the_session_of_a_photograph_has_none(model: Model, store: SessionStore, tmp_path: Path) -> None:
    assert store.edit is not None
    edit = store.edit.with_source(LatentRef(seed=3))
    with pytest.raises(EditError, match="this image does not come from a photograph, so it cannot be pasted into one"):
        export(model, store, edit, tmp_path / "a.png", paste_mode="delta", report_progress=lambda *_: None)


def test_a_damaged_record_is_named(model: Model, store: SessionStore, tmp_path: Path) -> None:
    assert store.edit is not None and store.directory is not None
    record_path = store.directory / "inversion.json"
    for damage, message in (
        (("0.5", "0.0"), "alignment.multiplier"),
        (("160", "161"), "inversion-original.png is 160×120 pixels, and the session was made with 161×120"),
    ):
        content = record_path.read_text()
        record_path.write_text(content.replace(*damage))
        with pytest.raises(InputError, match=message):
            export(model, store, store.edit, tmp_path / "a.png", paste_mode="delta", report_progress=lambda *_: None)
        record_path.write_text(content)


def test_a_photograph_that_is_too_large_for_a_webp_is_refused(
    model: Model, store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.edit is not None
    monkeypatch.setattr("draggan_engine.storage.image_io.MAX_WEBP_SIDE", 159)
    with pytest.raises(InputError, match="a WebP has at most 159 pixels at each side, and the image is 160×120"):
        export(model, store, store.edit, tmp_path / "a.webp", paste_mode="delta", report_progress=lambda *_: None)
    assert not (tmp_path / "a.webp").exists()
