"""Recorded drags: their results and files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.errors import EditError, InputError
from draggan_engine.core.history import Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.dragging.drag_loop import DragStep
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.w_statistics import w_statistics
from draggan_engine.server.drag_runner import DragRecorded, prepare_drag, record_drag
from draggan_engine.server.edit_images import latent_of, sigma_of
from draggan_engine.storage.session_manifest import read_manifest
from draggan_engine.storage.session_store import SessionStore
from tests.support.tiny_models import save_tiny

PAIR = PointPair(handle=(10, 10), target=(20, 12))
OTHER = PointPair(handle=(24, 20), target=(5, 28))
DISABLED = OTHER.model_copy(update={"enabled": False})


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load_model(str(save_tiny(tmp_path / "tiny.safetensors")), "cpu")


def run_drag(
    model: Model, directory: Path, pairs: tuple[PointPair, ...]
) -> tuple[list[DragStep], DragRecorded, SessionStore]:
    settings = model.info.settings.model_copy(update={"method": "draggan", "max_steps": 4, "step_size": 0.05})
    edit = Edit(model=model.name, source=LatentRef(seed=3, psi=1), settings=settings, pairs=pairs)
    store = SessionStore(model.name, directory)
    *steps, end = record_drag(model, store, Revision(id=0, edit=edit), 1, prepare_drag(model, store, edit))
    assert isinstance(end, DragRecorded)
    return [step for step in steps if isinstance(step, DragStep)], end, store


def test_a_disabled_pair_is_not_dragged(model: Model, tmp_path: Path) -> None:
    """The result equals that of a drag without the pair, to the bit; with the pair enabled it differs."""
    steps, end, store = run_drag(model, tmp_path / "off", (DISABLED, PAIR))
    steps_alone, end_alone, store_alone = run_drag(model, tmp_path / "alone", (PAIR,))
    assert [step.handles for step in steps] == [step.handles for step in steps_alone]
    assert np.array_equal(store.latent(1), store_alone.latent(1))
    assert end.record.pairs == end_alone.record.pairs
    _, _, store_both = run_drag(model, tmp_path / "both", (OTHER, PAIR))
    assert not np.array_equal(store_both.latent(1), store.latent(1))

    assert end.edit.pairs == (DISABLED, end_alone.edit.pairs[0])
    assert read_manifest(tmp_path / "off").pairs == end.edit.pairs
    lines = (tmp_path / "off" / "drag-001" / "events.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["handles"]) for line in lines] == [1] * len(steps)
    assert not any(json.loads(line)["is_fallback"] for line in lines)


def test_how_far_the_latent_has_moved_is_measured_from_the_image_before_all_drags(model: Model, tmp_path: Path) -> None:
    steps, first_end, store = run_drag(model, tmp_path / "s", (PAIR,))
    assert first_end.revision is not None
    further_edit = first_end.edit.model_copy(update={"pairs": (OTHER,)})
    further = Revision(id=1, parent=first_end.revision.id, edit=further_edit)
    *further_steps, end = record_drag(model, store, further, 2, prepare_drag(model, store, further_edit))
    assert isinstance(end, DragRecorded)
    original_ws = latent_of_seed(model.generator, 3, 1.0)
    moved = [step for step in further_steps if isinstance(step, DragStep)]
    for step in (*steps, *moved):
        w_changes = [change for change in (step.ws - original_ws)[0] if bool(change.any())]
        length = float(w_statistics(model.generator.mapping).lengths(torch.stack(w_changes)))
        assert step.sigma == pytest.approx(length) and length > 0
    assert sigma_of(model, store, first_end.edit) == pytest.approx(steps[-1].sigma)
    assert sigma_of(model, store, end.edit) == pytest.approx(moved[-1].sigma)
    assert sigma_of(model, store, end.edit.before_drags) == 0
    lines = (tmp_path / "s" / "drag-002" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["sigma"] for line in lines] == [step.sigma for step in moved]


def test_a_drag_of_disabled_pairs_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(EditError, match="every pair that has a target is disabled"):
        run_drag(model, tmp_path / "s", (DISABLED,))


def test_a_session_with_the_latent_of_another_model_is_refused(model: Model, tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.set_file_latent(np.zeros((1, 3, 8), np.float32))
    edit = Edit(model="toy", source=LatentRef(psi=1, from_file=True))
    with pytest.raises(InputError, match=r"\[1, 3, 8\], and .* takes \[1, 8, 4\]; open the session with the model"):
        latent_of(model, store, edit)
