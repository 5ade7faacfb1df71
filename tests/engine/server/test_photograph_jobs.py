"""Photographs in the engine: opened, aligned, inverted with progress and images, stopped, killed and continued."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import Edit, Mask, PointPair
from draggan_engine.core.errors import EditError, StorageError
from draggan_engine.core.history import History, Revision
from draggan_engine.core.inversion_choices import AlignmentChoice, InversionMethod
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.inversion import photograph_inversion, registration, starts
from draggan_engine.inversion.latent_search import LatentSearchState
from draggan_engine.inversion.state_file import write_state
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.server.engine_state import EngineState
from draggan_engine.server.image_data import ImageData
from draggan_engine.server.inversion_mask import is_worth_offering, mask_of_inversion, useful_mask_of_inversion
from draggan_engine.server.inversion_reporter import InversionReporter
from draggan_engine.server.job_queue import InversionJob
from draggan_engine.server.messages import (
    DragEnded,
    Exported,
    ExportFile,
    Failed,
    ImageRendered,
    ModelLoaded,
    Quit,
    Render,
    Resumed,
    Saved,
    StopDrag,
)
from draggan_engine.server.outbox import Outbox
from draggan_engine.server.photograph_jobs import run_inversion, send_photograph, view_photograph
from draggan_engine.server.photograph_messages import (
    InversionEnded,
    InversionPreview,
    InversionProgress,
    InvertPhotograph,
    OpenPhotograph,
    PhotographOpened,
    PhotographViewed,
    ViewPhotograph,
)
from draggan_engine.server.session_model import with_session_tuning
from draggan_engine.storage.inversion_files import (
    ALIGNMENT_FILE,
    INVERSION_STATE_FILE,
    RECORD_FILE,
    inverted_photograph,
    read_inversion,
)
from draggan_engine.storage.session_manifest import read_manifest
from draggan_engine.storage.session_store import SessionStore
from tests.support.engine_client import Engine, receive_event
from tests.support.patience import PATIENCE
from tests.support.png_header import png_header
from tests.support.tiny_models import random_generator, save_generator

WHOLE = AlignmentChoice(how="whole")


# In a process -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a picture of 192×192 pixels that critters-128 can nearly show."""
    model = load_model("critters-128", "cpu")
    path = tmp_path_factory.mktemp("photographs") / "photo.png"
    rgb = generate_image(model.generator, latent_of_seed(model.generator, 5000, psi=0.7))
    Image.fromarray(rgb).resize((192, 192), Image.Resampling.BICUBIC).save(path)
    return path


def inversion_of(
    engine: Engine,
    photograph: Path,
    steps: int,
    alignment: AlignmentChoice | None = WHOLE,
    method: InversionMethod = "w+",
) -> InvertPhotograph:
    """Return the command that inverts a photograph after the engine's current revision."""
    assert engine.history is not None
    parent = engine.history.current_revision
    edit = Edit(model=parent.edit.model, source=LatentRef(psi=1, from_file=True), settings=parent.edit.settings)
    revision = engine.history.change(edit).current_revision
    return InvertPhotograph(path=str(photograph), alignment=alignment, revision=revision, method=method, steps=steps)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine with a saved session in the directory `s`."""
    with Engine("--model", "critters-128", "--device", "cpu", "--out", str(tmp_path / "s")) as started:
        info = started.wait_for(ModelLoaded).info
        started.save(Edit(model="critters-128", settings=info.settings.model_copy(update={"max_steps": 2})))
        started.wait_for(Saved)
        yield started


def test_a_photograph_is_inverted_dragged_and_exported(engine: Engine, photograph: Path, tmp_path: Path) -> None:
    engine.send(OpenPhotograph(path=str(photograph)))
    opened = engine.wait_for(PhotographOpened)
    assert (opened.width, opened.height, opened.unfinished_step) == (192, 192, None)
    assert np.array_equal(opened.image.to_array(), np.asarray(Image.open(photograph)))

    command = inversion_of(
        engine, photograph, 12, AlignmentChoice(how="points", points=((74.2, 101.6), (116.6, 101.6)))
    )
    engine.send(command)
    ended = engine.wait_for(InversionEnded)
    progress = [event for event in engine.events if isinstance(event, InversionProgress)]
    assert [event.step_count for event in progress if event.phase == "align"][-1] == registration.REGISTRATION_STEPS
    search = [event for event in progress if event.phase != "align"]
    assert (search[-1].phase, search[-1].step, search[-1].step_count) == ("w+", 12, 12)
    assert progress == sorted(progress, key=lambda event: (event.phase != "align", event.step))
    assert isinstance(engine.events[-1], InversionEnded)
    previews = [event.image for event in engine.events if isinstance(event, InversionPreview)]
    assert previews and all((image.width, image.height) == (128, 128) for image in previews)
    assert (ended.reason, ended.steps, ended.revision, ended.problem) == ("finished", 12, command.revision, None)

    assert ended.revision is not None and ended.image is not None
    edit = ended.revision.edit
    engine.send(Render(request_id=1, edit=edit))
    assert engine.wait_for(ImageRendered).image == ended.image
    record = read_inversion(tmp_path / "s")
    assert record is not None
    assert (record.psnr, record.steps, record.alignment.photograph) == (ended.psnr, 12, str(photograph))
    assert read_manifest(tmp_path / "s").source == edit.source
    for name in (INVERSION_STATE_FILE, ALIGNMENT_FILE):
        assert not (tmp_path / "s" / name).exists()

    assert engine.history is not None
    engine.history = engine.history.merge([ended.revision]).jump_to(ended.revision.id)
    engine.drag(edit.model_copy(update={"pairs": (PointPair(handle=(50, 68), target=(50, 60)),)}))
    drag_end = engine.wait_for(DragEnded)
    assert drag_end.revision is not None and drag_end.record.source == edit.source
    pasted = tmp_path / "pasted.png"
    engine.send(ExportFile(edit=drag_end.revision.edit, path=str(pasted), paste_mode="crop"))
    engine.wait_for(Exported)
    assert Image.open(pasted).size == (192, 192)

    # The seed before it is the same image as ever; the session has room for one photograph.
    first_edit = engine.history.revisions[0].edit
    engine.send(Render(request_id=2, edit=first_edit))
    engine.wait_for(ImageRendered, lambda event: event.request_id == 2)
    engine.save(first_edit)
    engine.send(inversion_of(engine, photograph, 12))
    failure = engine.wait_for(Failed)
    assert failure.task == "invert_photograph"
    assert "this session starts from a photograph or a latent file already" in failure.message


def test_a_stopped_inversion_is_kept_and_what_was_asked_for_meanwhile_is_rendered(
    engine: Engine, photograph: Path, tmp_path: Path
) -> None:
    engine.send(inversion_of(engine, photograph, 100_000))
    engine.wait_for(InversionProgress, lambda event: event.step >= 3)
    assert engine.history is not None
    engine.send(Render(request_id=1, edit=engine.history.edit))
    engine.wait_for(ImageRendered)
    engine.send(StopDrag())
    ended = engine.wait_for(InversionEnded)
    assert ended.reason == "stopped" and 3 <= ended.steps < 100_000
    assert ended.image is not None
    assert np.array_equal(ended.image.to_array(), np.asarray(Image.open(tmp_path / "s" / "final.png")))
    assert not (tmp_path / "s" / INVERSION_STATE_FILE).exists()


def test_quitting_keeps_what_was_found(engine: Engine, photograph: Path, tmp_path: Path) -> None:
    engine.send(inversion_of(engine, photograph, 100_000))
    engine.wait_for(InversionProgress, lambda event: event.step >= 2)
    engine.send(Quit())
    assert engine.process.wait(PATIENCE) == 0
    assert read_manifest(tmp_path / "s").source.from_file
    record = read_inversion(tmp_path / "s")
    assert record is not None and record.reason == "stopped"


def test_an_inversion_that_is_stopped_during_the_alignment_keeps_nothing(engine: Engine, photograph: Path) -> None:
    points = AlignmentChoice(how="points", points=((70, 100), (120, 100)))
    engine.send(inversion_of(engine, photograph, 12, points))
    engine.wait_for(InversionProgress)
    engine.send(StopDrag())
    ended = engine.wait_for(InversionEnded)
    assert (ended.reason, ended.steps, ended.revision) == ("stopped", 0, None)


def test_a_killed_inversion_is_continued_by_the_next_engine(photograph: Path, engine: Engine, tmp_path: Path) -> None:
    engine.send(inversion_of(engine, photograph, 100_000))
    state_path = tmp_path / "s" / INVERSION_STATE_FILE
    engine.wait_for(InversionProgress, lambda _: state_path.exists())
    os.kill(engine.process.pid, signal.SIGKILL)
    with suppress(EOFError):
        engine.wait_for(InversionEnded)
    arguments = ("--model", "critters-128", "--device", "cpu", "--resume", str(tmp_path / "s"))
    with Engine(*arguments) as next_engine:
        resumed = next_engine.wait_for(Resumed)
        assert resumed.unfinished_photograph == str(photograph)
        next_engine.history = resumed.history
        next_engine.send(OpenPhotograph(path=str(photograph)))
        unfinished_step = next_engine.wait_for(PhotographOpened).unfinished_step
        assert unfinished_step is not None and unfinished_step > 0
        next_engine.send(inversion_of(next_engine, photograph, 100_000, alignment=None))
        assert next_engine.wait_for(InversionProgress).step == unfinished_step + 1
        next_engine.send(StopDrag())
        ended = next_engine.wait_for(InversionEnded)
        assert ended.steps > unfinished_step and ended.revision is not None


# In this process ----------------------------------------------------------------------------------------


@dataclass
class Workplace:
    """An engine's state without its threads, a photograph of 32×32 pixels, and a saved session."""

    state: EngineState
    model: Model
    photograph: Path
    directory: Path
    events: socket.socket

    def invert(
        self, alignment: AlignmentChoice | None = WHOLE, method: InversionMethod = "w+", steps: int = 12
    ) -> InversionEnded:
        """Invert the photograph and return the last event."""
        edit = Edit(model="tiny", source=LatentRef(psi=1, from_file=True))
        command = InvertPhotograph(
            path=str(self.photograph), alignment=alignment, revision=Revision(id=1, parent=0, edit=edit), method=method, steps=steps
        )  # fmt: skip
        run_inversion(self.state, self.model, InversionJob(command, DragControl()))
        while not isinstance(event := receive_event(self.events), InversionEnded):
            assert event is not None
        return event


def workplace(directory: Path, photograph: Path, model: Model) -> Workplace:
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    store = SessionStore("tiny", directory)
    store.save(tuple(History.of(Edit(model="tiny")).revisions.values()), 0)
    state = EngineState(Outbox(theirs), store, "cpu")
    state.model = model
    return Workplace(state, model, photograph, directory, ours)


@pytest.fixture
def tiny(tmp_path: Path) -> Model:
    return load_model(str(save_generator(tmp_path / "tiny.safetensors", random_generator())), "cpu")


@pytest.fixture
def render(tmp_path: Path, tiny: Model) -> Path:
    rgb = generate_image(tiny.generator, latent_of_seed(tiny.generator, 5000, psi=1.0)).copy()
    rgb[:, 26:] = (250, 240, 20)  # a stripe that the model cannot show
    Image.fromarray(rgb).save(tmp_path / "render.png")
    return tmp_path / "render.png"


@pytest.fixture(autouse=True)
def few_random_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose the starts among fewer images, which is faster."""
    monkeypatch.setattr(starts, "CANDIDATE_COUNT", 16)


def crash_after_writing(step: int) -> Callable[[Path, LatentSearchState, str], None]:
    """Return what takes the place of `write_state`: it crashes when it has written the state after a step."""

    def write_and_crash(path: Path, state: LatentSearchState, fingerprint: str) -> None:
        write_state(path, state, fingerprint)
        if state.step == step:
            raise KeyboardInterrupt

    return write_and_crash


def test_an_inversion_that_is_continued_ends_with_the_same_latent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Model, render: Path
) -> None:
    whole = workplace(tmp_path / "whole", render, tiny)
    whole_end = whole.invert()
    monkeypatch.setattr(photograph_inversion, "STATE_SECONDS", 0.0)
    crashed = workplace(tmp_path / "crashed", render, tiny)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(photograph_inversion, "write_state", crash_after_writing(step=7))
        crashed.invert()
    assert (crashed.directory / ALIGNMENT_FILE).is_file()
    crashed.state.store.close()
    store = SessionStore("tiny", resume=crashed.directory)
    resumed = Workplace(crashed.state, tiny, render, crashed.directory, crashed.events)
    resumed.state.store = store
    send_photograph(resumed.state, OpenPhotograph(path=str(render)))
    assert resumed.invert(alignment=None).steps == 12
    latent_files = [directory / "latents.safetensors" for directory in (whole.directory, crashed.directory)]
    assert latent_files[0].read_bytes() == latent_files[1].read_bytes()
    assert whole_end.image is not None


def test_the_state_of_another_inversion_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Model, render: Path
) -> None:
    monkeypatch.setattr(photograph_inversion, "STATE_SECONDS", 0.0)
    place = workplace(tmp_path / "s", render, tiny)
    (place.directory / INVERSION_STATE_FILE).write_bytes(b"damaged")
    ended = place.invert()
    assert (ended.reason, ended.steps) == ("finished", 12)
    assert not (place.directory / INVERSION_STATE_FILE).exists()
    with pytest.raises(Exception, match="starts from a photograph"):
        place.invert(alignment=None)


def test_only_an_inversion_of_the_same_photograph_can_be_continued(tmp_path: Path, tiny: Model, render: Path) -> None:
    place = workplace(tmp_path / "s", render, tiny)
    with pytest.raises(Exception, match=r"there is no inversion of .*render.png here that could be continued"):
        place.invert(alignment=None)


def test_the_photograph_is_viewed_beside_its_edit(tmp_path: Path, tiny: Model, render: Path) -> None:
    large_path = tmp_path / "large.png"
    Image.open(render).resize((128, 128)).save(large_path)
    place = workplace(tmp_path / "s", large_path, tiny)
    ended = place.invert()
    assert ended.revision is not None and place.state.model is not None
    view_photograph(place.state, place.state.model, ViewPhotograph(edit=ended.revision.edit))
    viewed = receive_event(place.events)
    assert isinstance(viewed, PhotographViewed)
    aligned = np.asarray(Image.open(place.directory / "inversion-photograph.png"))
    assert np.array_equal(viewed.aligned.to_array(), aligned)
    assert viewed.inversion == ended.image
    assert (viewed.width, viewed.height) == (128, 128)
    assert np.array_equal(viewed.pasted.to_array(), np.asarray(Image.open(large_path)))  # nothing has been dragged
    with pytest.raises(EditError, match="does not come from a photograph"):
        view_photograph(place.state, place.state.model, ViewPhotograph(edit=Edit(model="tiny")))


def test_while_the_alignment_is_refined_the_crop_is_shown_as_it_is_so_far(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Model, render: Path
) -> None:
    shown_images: list[NDArray[np.uint8]] = []
    phases: list[str] = []
    monkeypatch.setattr(InversionReporter, "show", lambda _, image: shown_images.append(image))
    monkeypatch.setattr(
        InversionReporter, "step", lambda _, phase, *_more: phases.append(f"{phase} {len(shown_images)}")
    )
    place = workplace(tmp_path / "s", render, tiny)
    place.invert(AlignmentChoice(how="points", points=((10, 16), (22, 16))))
    assert phases[0] == "align 1", "the first crop is shown before the first step"
    assert phases[registration.REGISTRATION_STEPS - 1] == "align 9"
    assert all(image.shape == (32, 32, 3) for image in shown_images)
    assert len({image.tobytes() for image in shown_images[:10]}) > 3


def test_an_inversion_is_continued_as_it_began(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Model, render: Path
) -> None:
    monkeypatch.setattr(photograph_inversion, "STATE_SECONDS", 0.0)
    place = workplace(tmp_path / "s", render, tiny)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(photograph_inversion, "write_state", crash_after_writing(step=3))
        place.invert(method="w", steps=9)
    assert place.invert(alignment=None, method="hybrid").steps == 9
    record = read_inversion(place.directory)
    assert record is not None and record.method == "w"


def test_a_resumed_session_knows_its_photograph(tmp_path: Path, tiny: Model, render: Path) -> None:
    place = workplace(tmp_path / "s", render, tiny)
    assert inverted_photograph(place.directory) is None
    place.invert()
    place.state.store.close()
    record_path = place.directory / RECORD_FILE
    arguments = ("--model", str(tmp_path / "tiny.safetensors"), "--device", "cpu", "--resume", str(place.directory))
    with Engine(*arguments) as engine:
        resumed = engine.wait_for(Resumed)
        assert (resumed.photograph, resumed.unfinished_photograph) == (str(render), None)
    record_path.write_text("damaged")
    assert inverted_photograph(place.directory) is None


@pytest.mark.parametrize("method", ["pti", "hybrid"])
def test_the_engine_goes_on_with_the_tuned_generator(
    tmp_path: Path, tiny: Model, render: Path, method: InversionMethod
) -> None:
    place = workplace(tmp_path / "s", render, tiny)
    ended = place.invert(method=method)
    assert ended.revision is not None and ended.image is not None
    assert place.state.model is not None
    source = ended.revision.edit.source
    generator = place.state.model.generator_of(source)
    assert generator is not tiny.generator
    assert place.state.model.generator_of(source.generated(seed=1)) is tiny.generator


def test_what_the_model_can_show_is_read_as_a_mask_also_when_the_session_is_reopened(
    tmp_path: Path, tiny: Model, render: Path
) -> None:
    place = workplace(tmp_path / "s", render, tiny)
    assert place.invert(method="hybrid").has_mask
    assert place.state.model is not None
    mask = useful_mask_of_inversion(place.state.model, place.state.store)
    pixels = mask.to_array()
    assert pixels.shape == tiny.info.size[::-1]
    assert pixels[16, 16] == 1
    assert not pixels[:4, 28:].any(), "in the stripe that the model cannot show"
    place.state.store.close()
    reopened = SessionStore("tiny", resume=place.directory)
    assert useful_mask_of_inversion(with_session_tuning(tiny, reopened), reopened) == mask


@pytest.mark.parametrize(
    ("method", "changed_record", "message"),
    [
        ("w+", {}, r"^the inversion by w\+ found no mask, because only hybrid looks for what the model can show$"),
        ("pti", {}, "^the inversion by pti found no mask"),
        ("w+", {"method": "hybrid"}, "^the inversion has not tuned the model, so it found no mask"),
        ("pti", {"method": "hybrid"}, "^the model can show the whole photograph: all of it may move"),
    ],
)
def test_an_inversion_without_an_area_says_why(
    tmp_path: Path, tiny: Model, render: Path, method: InversionMethod, changed_record: dict[str, str], message: str
) -> None:
    place = workplace(tmp_path / "s", render, tiny)
    assert not place.invert(method=method).has_mask
    record_path = place.directory / RECORD_FILE
    record_path.write_text(json.dumps(json.loads(record_path.read_text()) | changed_record))
    assert place.state.model is not None
    with pytest.raises(EditError, match=message) as error_info:
        useful_mask_of_inversion(place.state.model, place.state.store)
    assert (error_info.value.remedy is None) == ("whole" in message)


@pytest.mark.parametrize(("share", "message"), [(0.0, "can show no part"), (1.0, "can show the whole photograph")])
def test_an_area_that_is_nothing_or_everything_is_no_mask(
    tmp_path: Path, tiny: Model, render: Path, share: float, message: str
) -> None:
    place = workplace(tmp_path / "s", render, tiny)
    place.invert(method="hybrid")
    assert place.state.model is not None and place.state.model.photograph_generator is not None
    for name, buffer in place.state.model.photograph_generator.synthesis.named_buffers():
        if name.endswith("blend.mask"):
            buffer.fill_(share)
    assert not is_worth_offering(mask_of_inversion(place.state.model))
    with pytest.raises(EditError, match=message):
        useful_mask_of_inversion(place.state.model, place.state.store)


@pytest.mark.parametrize(("rows", "is_offered"), [(1, True), (19, True), (20, False), (0, False)])
def test_a_mask_is_offered_if_it_holds_a_part_that_matters(rows: int, is_offered: bool) -> None:
    may_move = np.zeros((20, 20), np.uint8)
    may_move[:rows] = 1
    assert is_worth_offering(Mask.from_array(may_move)) == is_offered


def test_a_session_without_a_photograph_has_no_area(tmp_path: Path, tiny: Model, render: Path) -> None:
    place = workplace(tmp_path / "s", render, tiny)
    with pytest.raises(EditError, match="this image does not come from a photograph"):
        useful_mask_of_inversion(tiny, place.state.store)


def test_a_disk_that_is_full_at_the_end_is_reported_and_the_result_stays_in_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Model, render: Path
) -> None:
    place = workplace(tmp_path / "s", render, tiny)
    place.state.store.write()

    def fail(*_: object) -> None:
        raise StorageError("history.jsonl could not be written (No space left on device); free some space")

    with monkeypatch.context() as patched:
        patched.setattr(SessionStore, "write_result_images", fail)
        ended = place.invert()
    assert ended.problem is not None and "No space left" in ended.problem
    assert ended.revision is not None
    assert place.state.store.edit == ended.revision.edit


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.png", "cannot be read as an image (No such file or directory); give a JPEG, PNG or WebP"),
        ("text.jpg", "is not an image file; give a JPEG, PNG or WebP"),
        ("tiny.png", "the photograph is 8×8 pixels; give one of at least 16×16"),
        ("moving.gif", "it is an animation"),
        ("huge.png", "has more than 89 megapixels; give a JPEG, PNG or WebP"),
        ("half.png", "cannot be read as an image"),
        (".", "is not a file; give a JPEG, PNG or WebP"),
    ],
)
def test_files_that_are_no_usable_photograph(
    tmp_path: Path, tiny: Model, render: Path, name: str, message: str
) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    Image.new("RGB", (8, 8)).save(tmp_path / "tiny.png")
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "huge.png").write_bytes(png_header(12_000))
    (tmp_path / "half.png").write_bytes(render.read_bytes()[:900])
    place = workplace(tmp_path / "s", render, tiny)
    with pytest.raises(EditError) as error_info:
        send_photograph(place.state, OpenPhotograph(path=str(tmp_path / name)))
    assert message in str(error_info.value)


def test_a_large_photograph_is_sent_reduced(tmp_path: Path, tiny: Model, render: Path) -> None:
    place = workplace(tmp_path / "s", render, tiny)
    Image.new("RGB", (5000, 1000), "teal").save(tmp_path / "large.png")
    send_photograph(place.state, OpenPhotograph(path=str(tmp_path / "large.png")))
    opened = receive_event(place.events)
    assert isinstance(opened, PhotographOpened)
    assert (opened.width, opened.height) == (5000, 1000)
    assert (opened.image.width, opened.image.height) == (1667, 334)


def test_the_pace_is_that_of_the_last_steps_of_a_phase() -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    now = 100.0
    outbox = Outbox(theirs)
    reporter = InversionReporter(outbox, clock=lambda: now)
    rates = []
    for phase, seconds, count in (("starts", 0.5, 3), ("w", 0.25, 30)):
        for step in range(count):
            now += seconds
            reporter.step(phase, step, 33, 20.0)  # type: ignore[arg-type]
            event = receive_event(ours)
            assert isinstance(event, InversionProgress)
            rates.append(event.steps_per_second)
    assert rates[:5] == [None, 2.0, 2.0, None, 4.0]
    assert rates[-1] == 4.0
    now += 0.001
    reporter.step("w", 31, 33, 20.0)  # too soon to be sent
    now += 1.0
    reporter.step("w", 32, 33, 20.0)
    event = receive_event(ours)
    assert isinstance(event, InversionProgress) and event.step == 32
    reporter.show(np.zeros((4, 6, 3), np.uint8))
    assert receive_event(ours) == InversionPreview(image=ImageData(width=6, height=4, rgb=bytes(72)))
