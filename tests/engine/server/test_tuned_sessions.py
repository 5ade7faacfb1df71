"""Sessions whose generator is tuned to a photograph: opened, dragged, exported and moved; seeds keep the model's own generator."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.checkpoints.tuning_file import read_tuning, write_tuning
from draggan_engine.core.edit import DragMethod, Edit, PointPair
from draggan_engine.core.errors import InputError
from draggan_engine.core.history import Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.networks.generator_tuning import tuned_generator
from draggan_engine.server.drag_runner import DragRecorded, prepare_drag, record_drag
from draggan_engine.server.edit_images import image_of
from draggan_engine.server.export import export
from draggan_engine.server.messages import (
    DragEnded,
    DragPreview,
    Failed,
    ImageRendered,
    LoadModel,
    ModelLoaded,
    PreviewSize,
    Quit,
    Render,
    Saved,
    StartDrag,
)
from draggan_engine.server.session_model import start_from_latent, with_session_tuning
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.session_tuning import TUNING_FILE
from tests.support.engine_client import Engine
from tests.support.tiny_models import random_generator, save_generator
from tests.support.tuned_models import random_tuning

PAIR = PointPair(handle=(8, 10), target=(11, 12))


@dataclass(frozen=True)
class TunedSession:
    """A session that starts from a latent with a tuning, and its image."""

    directory: Path
    model: Model
    edit: Edit
    image: NDArray[np.uint8]

    def open(self) -> tuple[SessionStore, Model]:
        store = SessionStore(self.model.name, resume=self.directory)
        return store, with_session_tuning(self.model, store)


@pytest.fixture
def session(tmp_path: Path) -> TunedSession:
    model = load_model(str(save_generator(tmp_path / "tiny.safetensors", random_generator())), "cpu")
    ws = latent_of_seed(model.generator, 1, psi=1.0)
    tuning = random_tuning(model.generator, ws)
    settings = model.info.settings.model_copy(update={"max_steps": 3, "layers": 3})
    edit = Edit(model=model.name, source=LatentRef(psi=1, from_file=True), settings=settings, pairs=(PAIR,))
    store = SessionStore(model.name, tmp_path / "s")
    store.set_model(model.name, model.sha256, model.path)
    store.set_file_latent(ws.numpy())
    store.tuning_path = tuning_path = tmp_path / "elsewhere.safetensors"
    write_tuning(tuning_path, tuning, model.sha256)
    store.save((Revision(id=0, edit=edit),), 0)
    store.close()
    tuning_path.unlink()
    image = generate_image(tuned_generator(model.generator, tuning), ws)
    return TunedSession(tmp_path / "s", model, edit, image)


def test_a_reopened_session_has_the_tuned_image_and_seeds_have_the_models_own(session: TunedSession) -> None:
    store, model = session.open()
    assert np.array_equal(image_of(model, store, session.edit), session.image)
    assert not np.array_equal(
        generate_image(model.generator, latent_of_seed(model.generator, 1, psi=1.0)), session.image
    )
    seed_edit = session.edit.model_copy(update={"source": session.edit.source.generated(seed=1)})
    own_image = generate_image(model.generator, latent_of_seed(model.generator, 1, psi=1.0))
    assert np.array_equal(image_of(model, store, seed_edit), own_image)
    store.close()


@pytest.mark.parametrize("method", ["least-squares", "draggan", "freedrag"])
def test_a_drag_moves_the_tuned_image_and_its_exports_show_it(
    session: TunedSession, method: DragMethod, tmp_path: Path
) -> None:
    store, model = session.open()
    edit = session.edit.model_copy(
        update={"settings": session.edit.settings.model_copy(update={"method": method, "step_size": 0.05})}
    )
    revision = Revision(id=1, parent=0, edit=edit)
    store.merge((revision,), 1)
    *_, drag_end = record_drag(model, store, revision, 1, prepare_drag(model, store, edit))
    assert isinstance(drag_end, DragRecorded) and drag_end.problem is None
    assert drag_end.record.steps > 0
    tuned_image = generate_image(model.generator_of(edit.source), torch.from_numpy(store.latent(1)))
    assert np.array_equal(np.asarray(Image.open(session.directory / "final.png")), tuned_image)
    assert not np.array_equal(tuned_image[:, :16], session.image[:, :16])
    assert np.array_equal(tuned_image[:, 28:], session.image[:, 28:])  # the free features stay
    export(model, store, drag_end.edit, tmp_path / "out.png", markers=False, report_progress=lambda *_: None)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), tuned_image)
    store.close()
    reopened_store, reopened_model = session.open()
    assert np.array_equal(image_of(reopened_model, reopened_store, drag_end.edit), tuned_image)
    reopened_store.close()


def test_a_new_session_from_a_latent_of_a_tuned_session_has_its_tuning(session: TunedSession, tmp_path: Path) -> None:
    store, model = session.open()
    edit = session.edit
    record_edits = [edit, edit.model_copy(update={"source": edit.source.generated(seed=5)})]
    for drag_number, dragged_edit in enumerate(record_edits, start=1):
        revision = Revision(id=drag_number, parent=0, edit=dragged_edit)
        store.merge((revision,), drag_number)
        list(record_drag(model, store, revision, drag_number, prepare_drag(model, store, dragged_edit)))
    store.close()
    for latent_name, is_tuned in (("given", True), ("drag-001.after", True), ("drag-002.after", False)):
        new_store = SessionStore(model.name, tmp_path / latent_name)
        start_from_latent(session.model, new_store, Path(f"{session.directory}#{latent_name}"))
        assert (with_session_tuning(session.model, new_store).photograph_generator is not None) == is_tuned
        new_store.save((Revision(id=0, edit=edit),), 0)
        assert (tmp_path / latent_name / TUNING_FILE).exists() == is_tuned
        new_store.close()


def test_a_session_that_moves_takes_its_tuning_with_it(session: TunedSession, tmp_path: Path) -> None:
    store, model = session.open()
    store.move_to(tmp_path / "moved")
    assert store.tuning_path == tmp_path / "moved" / TUNING_FILE
    assert (tmp_path / "moved" / TUNING_FILE).read_bytes() == (session.directory / TUNING_FILE).read_bytes()
    store.close()
    shutil.rmtree(session.directory)
    moved_store = SessionStore(model.name, resume=tmp_path / "moved")
    moved_model = with_session_tuning(session.model, moved_store)
    assert np.array_equal(image_of(moved_model, moved_store, session.edit), session.image)
    moved_store.close()


def test_a_tuning_that_an_interrupted_command_has_left_is_not_used(session: TunedSession, tmp_path: Path) -> None:
    directory = tmp_path / "new"
    directory.mkdir()
    shutil.copy(session.directory / TUNING_FILE, directory)
    store = SessionStore("tiny", directory)
    store.set_file_latent(latent_of_seed(session.model.generator, 1, psi=1.0).numpy())
    store.save((Revision(id=0, edit=session.edit),), 0)
    store.close()
    assert not (directory / TUNING_FILE).exists()


def test_the_engine_opens_drags_and_leaves_a_tuned_session(session: TunedSession, tmp_path: Path) -> None:
    spec = str(session.model.path)
    with Engine("--model", spec, "--device", "cpu", "--resume", str(session.directory)) as engine:
        engine.wait_for(ModelLoaded)
        engine.send(Render(request_id=1, edit=session.edit))
        assert np.array_equal(engine.wait_for(ImageRendered).image.to_array(), session.image)
        engine.send(StartDrag(revision=0, preview_size=PreviewSize(width=32, height=32)))
        preview = engine.wait_for(DragPreview)
        drag_end = engine.wait_for(DragEnded)
        assert drag_end.problem is None and drag_end.image is not None
        for shown_image, tolerance in ((preview.image.to_array(), 8), (drag_end.image.to_array(), 0)):
            fixed_part = np.abs(shown_image[:, 28:].astype(int) - session.image[:, 28:])
            assert fixed_part.max() <= tolerance  # a preview may be computed in bfloat16
        engine.send(LoadModel(spec=spec, directory=str(tmp_path / "other")))
        engine.wait_for(ModelLoaded)
        engine.save(session.edit)
        engine.wait_for(Saved)
        assert not (tmp_path / "other" / TUNING_FILE).exists()
        engine.send(Quit())


def test_the_engine_refuses_a_damaged_tuning_with_a_sentence(session: TunedSession) -> None:
    tuning_path = session.directory / TUNING_FILE
    tuning_path.write_bytes(tuning_path.read_bytes()[:-20])
    with pytest.raises(InputError, match="is damaged"):
        read_tuning(tuning_path, session.model.generator, session.model.sha256)
    with Engine("--model", str(session.model.path), "--device", "cpu", "--resume", str(session.directory)) as engine:
        engine.has_model = False
        failure = engine.wait_for(Failed)
        assert failure.task == "start"
        assert "inversion-tuning.safetensors is damaged" in failure.message
