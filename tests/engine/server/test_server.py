"""The engine as a process: commands in, events out, and nothing is lost when either side goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.history import Revision
from draggan_engine.server.messages import (
    DragEnded,
    DragPreview,
    DragProgress,
    DragStarted,
    Export,
    Exported,
    Failed,
    ImageRendered,
    ModelLoaded,
    MoveSession,
    PreviewShown,
    PreviewSize,
    Quit,
    Render,
    Save,
    Saved,
    SessionMoved,
    StartDrag,
    StopDrag,
)
from draggan_engine.storage.session_manifest import read_history, read_manifest
from tests.support.engine_client import Engine
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE

EDIT = Edit(model="toy", pairs=(PointPair(handle=(64, 70), target=(74, 70)),))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine("--model", "critters-128", "--device", "cpu", "--out", str(tmp_path / "s")) as started:
        yield started


def endless(edit: Edit) -> Edit:
    """Return an edit whose drag takes very long: many tiny steps of the paper's method."""
    settings = edit.settings.model_copy(
        update={"method": "draggan", "feature_block": "b64", "step_size": 1e-6, "max_steps": 100_000}
    )
    return edit.model_copy(update={"settings": settings})


def test_an_editing_session(engine: Engine, tmp_path: Path) -> None:
    # Edits are on disk and acknowledged before the model is there.
    engine.save(EDIT)
    saved = engine.wait_for(Saved)
    assert saved.change_count == 1
    assert not any(isinstance(event, ModelLoaded) for event in engine.events)
    assert read_manifest(tmp_path / "s").pairs == EDIT.pairs
    info = engine.wait_for(ModelLoaded).info
    edit = EDIT.model_copy(update={"settings": info.settings.model_copy(update={"max_steps": 40})})

    engine.send(Render(request_id=1, edit=edit))
    rendered = engine.wait_for(ImageRendered)
    assert (rendered.request_id, rendered.image.to_array().shape) == (1, (128, 128, 3))

    engine.drag(edit)
    assert engine.wait_for(DragStarted).drag_number == 1
    record = engine.wait_for(DragEnded).record
    lines = (tmp_path / "s" / "drag-001" / "events.jsonl").read_text().splitlines()
    assert len(lines) == record.steps > 0
    after = Revision.of_drag(Revision(id=0, edit=edit), record).edit
    document = read_manifest(tmp_path / "s")
    assert (document.source.drag, document.pairs, document.drag_count) == (1, after.pairs, 1)
    assert read_history(tmp_path / "s", document).drag_records == (record,)
    assert document.model.sha256 == info.sha256

    # A second drag continues from there, under its own number.
    further = after.model_copy(update={"pairs": (PointPair(handle=after.pairs[0].handle, target=(60, 60)),)})
    engine.drag(further)
    second = engine.wait_for(DragEnded).record
    assert (second.number, second.source.drag) == (2, 1)
    latents = [load_file(tmp_path / f"s/drag-00{number}/latents.safetensors") for number in (1, 2)]
    assert not np.array_equal(latents[0]["after"], latents[1]["after"])
    assert np.array_equal(latents[0]["after"], latents[1]["before"])

    # Undo of both: the present picture is the first one again.
    engine.save(edit, change_count=9)
    engine.send(Export(edit=edit))
    files = engine.wait_for(Exported).files
    assert (tmp_path / "s" / "final.png").read_bytes() == (tmp_path / "s" / "initial.png").read_bytes()
    assert str(tmp_path / "s" / "final.png") in files
    engine.send(Quit())
    assert engine.process.wait(PATIENCE) == 0


def test_an_image_that_could_not_be_written_is_written_when_the_session_moves(engine: Engine, tmp_path: Path) -> None:
    info = engine.wait_for(ModelLoaded).info
    final = tmp_path / "s" / "final.png"
    engine.save(EDIT)
    engine.send(Export(edit=EDIT))
    engine.wait_for(Exported)
    final.unlink()
    final.mkdir()  # which no file can replace
    engine.drag(EDIT.model_copy(update={"settings": info.settings.model_copy(update={"max_steps": 1})}))
    assert str(final) in str(engine.wait_for(DragEnded).problem)
    engine.send(MoveSession(directory=str(tmp_path / "t")))
    engine.wait_for(SessionMoved)
    engine.send(Quit())
    assert engine.process.wait(PATIENCE) == 0
    assert (tmp_path / "t" / "final.png").read_bytes() == (tmp_path / "t" / "drag-001" / "final.png").read_bytes()


def test_a_drag_is_stopped(engine: Engine) -> None:
    info = engine.wait_for(ModelLoaded).info
    engine.drag(endless(EDIT.model_copy(update={"settings": info.settings})))
    engine.wait_for(DragProgress, lambda event: event.step >= 3)
    engine.send(StopDrag())
    record = engine.wait_for(DragEnded).record
    assert record.reason == "stopped"
    assert 3 <= record.steps < 1000
    steps = [event.step for event in engine.events if isinstance(event, DragProgress)]
    assert steps[-1] == record.steps, "the last step is always reported"


def test_the_next_preview_waits_until_the_last_one_is_shown(engine: Engine) -> None:
    engine.shows_previews = False
    info = engine.wait_for(ModelLoaded).info
    engine.drag(endless(EDIT.model_copy(update={"settings": info.settings})))
    engine.wait_for(DragPreview)
    later = time.monotonic() + 1
    engine.wait_for(DragProgress, lambda _: time.monotonic() > later)
    assert sum(isinstance(event, DragPreview) for event in engine.events) == 1
    engine.send(PreviewShown())
    engine.wait_for(DragPreview)


def test_the_drag_is_written_and_the_engine_ends_when_the_client_goes(engine: Engine, tmp_path: Path) -> None:
    info = engine.wait_for(ModelLoaded).info
    engine.drag(endless(EDIT.model_copy(update={"settings": info.settings})))
    engine.wait_for(DragProgress, lambda event: event.step >= 2)
    engine.socket.close()
    assert engine.process.wait(PATIENCE) == 0
    document = read_manifest(tmp_path / "s")
    assert read_history(tmp_path / "s", document).drag_records[0].reason == "stopped"
    assert document.source.drag == 1
    assert (tmp_path / "s" / "drag-001" / "final.png").exists()


def test_another_engine_continues_after_a_kill(engine: Engine, tmp_path: Path) -> None:
    info = engine.wait_for(ModelLoaded).info
    edit = EDIT.model_copy(update={"settings": info.settings.model_copy(update={"method": "draggan", "max_steps": 3})})
    engine.drag(edit)
    record = engine.wait_for(DragEnded).record
    after = Revision.of_drag(Revision(id=0, edit=edit), record).edit
    engine.drag(endless(after))
    engine.wait_for(DragProgress, lambda event: event.step >= 2)
    os.kill(engine.process.pid, signal.SIGKILL)
    with pytest.raises(EOFError):
        while True:
            engine.next()

    with Engine("--model", "critters-128", "--device", "cpu", "--resume", str(tmp_path / "s")) as second:
        second.wait_for(ModelLoaded)
        second.send(Render(request_id=5, edit=after))
        assert second.wait_for(ImageRendered).request_id == 5
        second.send(Quit())
        assert second.process.wait(PATIENCE) == 0


def test_failures_are_reported_and_the_engine_continues(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("a file in the way")
    engine.save(EDIT)
    failed = engine.wait_for(Failed)
    assert failed.task == "save"
    assert str(tmp_path / "s") in failed.message
    info = engine.wait_for(ModelLoaded).info
    edit = EDIT.model_copy(update={"settings": info.settings.model_copy(update={"max_steps": 2})})
    engine.drag(edit)
    assert engine.wait_for(Failed).task == "save"
    ended = engine.wait_for(DragEnded)
    assert ended.problem is not None
    assert str(tmp_path / "s") in ended.problem
    engine.send(Render(request_id=3, edit=edit.after_drag(1, [((74, 70), (70, 70))])))
    assert engine.wait_for(ImageRendered, lambda event: event.request_id == 3)  # the engine keeps the result
    engine.drag(Edit(model="toy", settings=info.settings))
    assert engine.wait_for(Failed).task == "save"
    assert "nothing to drag" in engine.wait_for(Failed).message


def test_a_revision_that_has_not_been_saved_is_not_dragged(engine: Engine) -> None:
    engine.save(EDIT)
    engine.send(StartDrag(revision=7, preview_size=PreviewSize(width=32, height=32)))
    failed = engine.wait_for(Failed)
    assert failed.task == "start_drag"
    assert failed.message == "revision 7 has not been saved, so it cannot be dragged: save it first"


def test_a_drag_starts_from_its_own_revision_whatever_is_saved_after_the_command(engine: Engine) -> None:
    """The drag waits until the model is loaded, and meanwhile the user has undone the change."""
    engine.save(EDIT)
    one_step = EDIT.model_copy(update={"settings": EDIT.settings.model_copy(update={"max_steps": 1})})
    engine.drag(one_step)
    assert engine.history is not None
    history = engine.history.undo()
    engine.send(Save(change_count=3, revisions=(), current=history.current))
    entry = engine.wait_for(DragEnded).revision
    assert entry is not None
    assert entry.parent == engine.history.revisions[entry.id].parent != history.current


def test_edits_are_saved_without_a_model(tmp_path: Path) -> None:
    with Engine("--model", str(tmp_path / "none.pkl"), "--device", "cpu", "--out", str(tmp_path / "s")) as engine:
        failed = engine.wait_for(Failed)
        assert failed.task == "start"
        assert "none.pkl" in failed.message
        engine.save(EDIT)
        assert engine.wait_for(Saved).change_count == 1
        engine.socket.close()
        assert engine.process.wait(PATIENCE) == 0


def test_the_engine_listens_before_torch_is_loaded() -> None:
    code = "import sys; import draggan_engine.server.server; assert 'torch' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "engine")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=PATIENCE)
