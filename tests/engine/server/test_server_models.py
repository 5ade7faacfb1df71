"""The engine and its models: loading, changing the model, classes, and a latent from a file."""

from __future__ import annotations

import gc
import socket
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from draggan_engine.checkpoints.registry import cached_w_covariance
from draggan_engine.core.edit import Edit, Mask, PointPair
from draggan_engine.core.history import Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.networks.generator import Generator
from draggan_engine.server import server
from draggan_engine.server.codec import encode
from draggan_engine.server.messages import (
    DragEnded,
    DragProgress,
    Event,
    Export,
    Exported,
    Failed,
    ImageRendered,
    ListModels,
    LoadMask,
    LoadModel,
    LoadProgress,
    MaskLoaded,
    MaskSaved,
    ModelLoaded,
    ModelsListed,
    PreviewSize,
    Quit,
    Render,
    Save,
    Saved,
    SaveMask,
    StartDrag,
    StopDrag,
)
from draggan_engine.server.model_jobs import throttled_progress
from draggan_engine.storage.session_manifest import read_manifest
from draggan_engine.storage.session_store import SessionStore
from tests.support.engine_client import Engine, receive_event
from tests.support.patience import PATIENCE
from tests.support.tiny_models import NUM_WS, W_DIM, save_tiny

PAIRS = (PointPair(handle=(10, 10), target=(20, 10)),)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    first = save_tiny(tmp_path / "first.safetensors")
    with Engine("--model", str(first), "--device", "cpu", "--out", str(tmp_path / "s")) as started:
        yield started


def edit_for(loaded: ModelLoaded, **start: object) -> Edit:
    settings = loaded.info.settings.model_copy(update={"max_steps": 2})
    source = LatentRef(psi=loaded.info.psi).model_copy(update=start)
    return Edit(model=loaded.info.name, source=source, settings=settings, pairs=PAIRS)


def rendered(engine: Engine, edit: Edit, request: int) -> bytes:
    engine.send(Render(request_id=request, edit=edit))
    return engine.wait_for(ImageRendered, lambda event: event.request_id == request).image.rgb


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".open"}


def test_another_model_begins_a_new_session(engine: Engine, tmp_path: Path) -> None:
    first = engine.wait_for(ModelLoaded)
    loading = [event for event in engine.events if isinstance(event, LoadProgress)]
    assert loading and loading[-1] == LoadProgress(stage="building", done=1, total=1)
    edit = edit_for(first)
    engine.drag(edit)
    engine.wait_for(DragEnded)
    before = files_in(tmp_path / "s")

    other = save_tiny(tmp_path / "other.safetensors")
    earlier_count = len(engine.events)
    engine.send(LoadModel(spec=str(other), directory=str(tmp_path / "s-2")))
    loaded = engine.wait_for(ModelLoaded)
    assert (loaded.spec, loaded.info.name) == (str(other), "other")
    assert any(isinstance(event, LoadProgress) for event in engine.events[earlier_count:])
    assert not (tmp_path / "s-2").exists()  # nothing has been made yet

    edit = edit_for(loaded)
    rendered(engine, edit, 7)
    engine.history = None
    engine.save(edit)
    assert engine.wait_for(Saved).directory == str(tmp_path / "s-2")
    engine.drag(edit)
    assert engine.wait_for(DragEnded).record.number == 1  # a new count
    engine.send(Quit())
    assert engine.process.wait(PATIENCE) == 0
    document = read_manifest(tmp_path / "s-2")
    assert (document.model.name, document.model.sha256) == ("other", loaded.info.sha256)
    assert files_in(tmp_path / "s") == before
    assert not (tmp_path / "s/.open").exists() and not (tmp_path / "s-2/.open").exists()


@pytest.mark.parametrize("content", [None, b"", b"no model at all"])
def test_a_model_that_cannot_be_loaded_leaves_the_current_one(
    engine: Engine, tmp_path: Path, content: bytes | None
) -> None:
    edit = edit_for(engine.wait_for(ModelLoaded))
    engine.drag(edit)
    record = engine.wait_for(DragEnded).record
    after = Revision.of_drag(Revision(id=0, edit=edit), record).edit
    picture = rendered(engine, after, 1)
    path = tmp_path / "bad.pkl"
    if content is not None:
        path.write_bytes(content)
    engine.send(LoadModel(spec=str(path), directory=str(tmp_path / "s-2")))
    failed = engine.wait_for(Failed)
    assert failed.task == "load_model"
    assert str(path) in failed.message
    assert rendered(engine, after, 2) == picture
    engine.save(edit, change_count=5)
    assert engine.wait_for(Saved).directory == str(tmp_path / "s")
    assert not (tmp_path / "s-2").exists()


def test_another_model_can_be_loaded_after_the_first_failed(tmp_path: Path) -> None:
    other = save_tiny(tmp_path / "other.safetensors")
    with Engine("--model", str(tmp_path / "none.pkl"), "--device", "cpu", "--out", str(tmp_path / "s")) as engine:
        assert engine.wait_for(Failed).task == "start"
        engine.send(LoadModel(spec=str(other)))
        assert rendered(engine, edit_for(engine.wait_for(ModelLoaded)), 1)


def test_models_are_listed_while_one_is_loading(engine: Engine) -> None:
    engine.send(ListModels())
    entries = engine.wait_for(ModelsListed).models
    assert not any(isinstance(event, ModelLoaded) for event in engine.events)
    assert ("critters-128", "bundled") in [(entry.name, entry.origin) for entry in entries]


def test_the_memory_of_the_earlier_model_is_freed(tmp_path: Path) -> None:
    first, other = (save_tiny(tmp_path / f"{name}.safetensors") for name in ("first", "other"))
    ours, theirs = socket.socketpair()
    engine = server.Engine(theirs, SessionStore("first", tmp_path / "s"), "cpu")
    main = threading.Thread(target=engine.run, args=(str(first),))
    main.start()

    def wait_for(kind: type[Event]) -> Event:
        while True:
            event = receive_event(ours)
            assert event is not None
            assert not isinstance(event, Failed)
            if isinstance(event, kind):
                return event

    loaded = wait_for(ModelLoaded)
    assert isinstance(loaded, ModelLoaded) and engine.state.model is not None
    earlier = weakref.ref(engine.state.model.generator)
    edit = edit_for(loaded)
    for command, answer in (
        (Save(change_count=1, revisions=(Revision(id=0, edit=edit),), current=0), Saved),
        (StartDrag(revision=0, preview_size=PreviewSize(width=32, height=32)), DragEnded),
        (Render(request_id=1, edit=edit), ImageRendered),
        (Export(edit=edit), Exported),
    ):
        ours.sendall(encode(command))
        wait_for(answer)
    gc.collect()
    assert isinstance(earlier(), Generator)
    ours.sendall(encode(LoadModel(spec=str(other), directory=str(tmp_path / "s-2"))))
    wait_for(ModelLoaded)
    assert earlier() is None
    ours.close()
    main.join(PATIENCE)
    assert not main.is_alive()
    theirs.close()


def test_the_class_is_rendered_dragged_and_written(tmp_path: Path) -> None:
    path = save_tiny(tmp_path / "classes.safetensors", classes=5)
    with Engine("--model", str(path), "--device", "cpu", "--out", str(tmp_path / "s")) as engine:
        loaded = engine.wait_for(ModelLoaded)
        assert loaded.info.classes == 5
        edit = edit_for(loaded, label=3)
        assert (
            rendered(engine, edit, 1)
            == rendered(engine, edit, 2)
            != rendered(engine, edit.with_source(edit.source.model_copy(update={"label": 2})), 3)
        )
        engine.drag(edit)
        assert engine.wait_for(DragEnded).record.source.label == 3
        engine.send(Render(request_id=9, edit=edit.with_source(edit.source.model_copy(update={"label": 5}))))
        assert "class 5: classes has the classes 0 to 4" in engine.wait_for(Failed).message
    assert read_manifest(tmp_path / "s").source.label == 3
    with Image.open(tmp_path / "s/initial.png") as image:
        image.load()
        assert image.text["Class"] == "3"


def test_a_session_starts_from_a_latent_file_and_keeps_a_copy(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "m.safetensors")
    ws = np.random.RandomState(1).randn(NUM_WS, W_DIM).astype(np.float32)
    np.save(tmp_path / "pivot.npy", ws)
    arguments = ("--model", str(model), "--device", "cpu", "--latent", str(tmp_path / "pivot.npy"))
    with Engine(*arguments, "--out", str(tmp_path / "s")) as engine:
        edit = edit_for(engine.wait_for(ModelLoaded), from_file=True)
        file_image = rendered(engine, edit, 1)
        assert file_image == rendered(
            engine, edit.with_source(edit.source.model_copy(update={"seed": 9, "psi": 0.1})), 2
        )
        assert file_image != rendered(engine, edit.with_source(edit.source.model_copy(update={"from_file": False})), 3)
        engine.drag(edit)
        record = engine.wait_for(DragEnded).record
        assert (record.source.from_file, record.source.drag) == (True, None)
    assert np.array_equal(load_file(tmp_path / "s/latents.safetensors")["given"], ws[None])
    assert np.array_equal(load_file(tmp_path / "s/drag-001/latents.safetensors")["before"], ws[None])
    assert read_manifest(tmp_path / "s").source.from_file

    # A resumed session does not need the file any more.
    (tmp_path / "pivot.npy").unlink()
    with Engine(*arguments, "--resume", str(tmp_path / "s")) as engine:
        engine.wait_for(ModelLoaded)
        assert rendered(engine, edit, 1) == file_image


def test_a_latent_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "m.safetensors")
    save_file({"w": np.zeros((3, 5), np.float32)}, tmp_path / "pivot.safetensors")
    latent = str(tmp_path / "pivot.safetensors")
    with Engine("--model", str(model), "--device", "cpu", "--latent", latent) as engine:
        failed = engine.wait_for(Failed)
        assert failed.task == "start"
        assert all(part in failed.message for part in (latent, "[8, 4]", "[3, 5]"))


def test_loading_reports_ten_times_a_second_and_each_stages_first_and_last() -> None:
    now = 0.0
    sent: list[Event] = []
    tell = throttled_progress(sent.append, lambda: now)
    for done in range(1, 101):
        now += 0.01
        tell("reading", done, 100)
    now += 0.01
    tell("building", 0, 1)
    tell("building", 1, 1)
    done = [event.done for event in sent if isinstance(event, LoadProgress) and event.stage == "reading"]
    assert done[0] == 1 and done[-1] == 100
    assert 10 <= len(done) <= 12
    assert sent[-2:] == [
        LoadProgress(stage="building", done=0, total=1),
        LoadProgress(stage="building", done=1, total=1),
    ]


def test_masks_are_read_and_written_while_a_drag_runs(engine: Engine, tmp_path: Path) -> None:
    engine.send(LoadMask(path="none.png"))
    failed = engine.wait_for(Failed)
    assert (failed.task, "the model is still loading" in failed.message) == ("load_mask", True)
    loaded = engine.wait_for(ModelLoaded)
    settings = loaded.info.settings.model_copy(update={"method": "draggan", "max_steps": 100_000, "step_size": 1e-6})
    engine.drag(edit_for(loaded, settings=settings))
    engine.wait_for(DragProgress)

    mask = Mask.from_array(np.triu(np.ones((32, 32), np.uint8)))
    path = str(tmp_path / "mask.png")
    engine.send(SaveMask(path=path, mask=mask))
    assert engine.wait_for(MaskSaved).path == path
    engine.send(LoadMask(path=path))
    assert engine.wait_for(MaskLoaded) == MaskLoaded(path=path, mask=mask, resized=False)
    Image.open(path).resize((64, 64), Image.Resampling.NEAREST).save(path)
    engine.send(LoadMask(path=path))
    assert engine.wait_for(MaskLoaded) == MaskLoaded(path=path, mask=mask, resized=True)

    Image.new("L", (32, 16), 255).save(path)
    for command, says in (
        (LoadMask(path=path), f"mask {path} is 32×16 pixels, the image 32×32"),
        (SaveMask(path=str(tmp_path / "none" / "x.png"), mask=mask), f"{tmp_path}/none/x.png could not be written"),
    ):
        engine.send(command)
        failed = engine.wait_for(Failed)
        assert failed.task == command.type
        assert failed.message.startswith(says)
    assert not any(isinstance(event, DragEnded) for event in engine.events)
    engine.send(StopDrag())
    engine.wait_for(DragEnded)


def test_the_covariance_of_w_is_there_before_the_first_drag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model_path = save_tiny(tmp_path / "first.safetensors")
    with Engine("--model", str(model_path), "--device", "cpu", "--out", str(tmp_path / "s")) as engine:
        loaded = engine.wait_for(ModelLoaded)
        engine.send(Render(request_id=1, edit=edit_for(loaded)))
        engine.wait_for(ImageRendered)
        engine.send(Quit())
        engine.process.wait(PATIENCE)
    assert cached_w_covariance(loaded.info.sha256).is_file()
