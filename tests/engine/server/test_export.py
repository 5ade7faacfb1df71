"""Exports: images, latents that load again, and videos of the drags that led to an image."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from draggan_engine.checkpoints.latent_files import read_latent
from draggan_engine.checkpoints.loader import Model, load_model
from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.errors import EditError, InputError, OutputError
from draggan_engine.core.history import Revision, edit_at_step
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.server.drag_runner import DragRecorded, prepare_drag, record_drag
from draggan_engine.server.edit_images import image_of, latent_of
from draggan_engine.server.export import MAX_FRAMES, MIN_FRAMES, VideoFrame, export, interpolate_frames
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.video import FRAMES_PER_SECOND, HOLD_SECONDS
from tests.support.tiny_models import save_tiny


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load_model(str(save_tiny(tmp_path / "tiny.safetensors")), "cpu")


def dragged(model: Model, store: SessionStore, parent: Revision, steps: int) -> Revision:
    edit = parent.edit.model_copy(update={"settings": parent.edit.settings.model_copy(update={"max_steps": steps})})
    session = prepare_drag(model, store, edit)
    end = list(record_drag(model, store, parent, store.next_drag_number(), session))[-1]
    assert isinstance(end, DragRecorded) and end.revision is not None and end.problem is None
    return end.revision


@pytest.fixture
def session(model: Model, tmp_path: Path) -> tuple[SessionStore, Revision, Revision]:
    """Return a session with two drags, the second of which continues the first, and their revisions."""
    settings = model.info.settings.model_copy(update={"method": "draggan", "stop_distance": 0.01})
    first = Revision(
        id=0,
        edit=Edit(
            model="toy",
            source=LatentRef(seed=3, psi=1),
            pairs=(PointPair(handle=(8, 8), target=(20, 20)),),
            settings=settings,
        ),
    )
    store = SessionStore("tiny", tmp_path / "s")
    one = dragged(model, store, first, 5)
    two = dragged(model, store, one, 4)
    return store, one, two


def ignore_progress(*_: int) -> None: ...


def frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def test_an_image_is_exported_with_and_without_markers(
    model: Model, session: tuple[SessionStore, Revision, Revision], tmp_path: Path
) -> None:
    store, one, _ = session
    rgb = image_of(model, store, one.edit)
    for name in ("a.png", "a.webp"):
        export(model, store, one.edit, tmp_path / name, markers=False, report_progress=ignore_progress)
        with Image.open(tmp_path / name) as image:
            assert np.array_equal(np.asarray(image.convert("RGB")), rgb)
    export(model, store, one.edit, tmp_path / "m.png", markers=True, report_progress=ignore_progress)
    with Image.open(tmp_path / "m.png") as image:
        assert not np.array_equal(np.asarray(image.convert("RGB")), rgb)


@pytest.mark.parametrize("name", ["w.npy", "w.npz", "w.safetensors"])
def test_an_exported_latent_loads_again(
    model: Model, session: tuple[SessionStore, Revision, Revision], tmp_path: Path, name: str
) -> None:
    store, _, two = session
    export(model, store, two.edit, tmp_path / name, markers=False, report_progress=ignore_progress)
    again = read_latent(tmp_path / name, model.info.num_ws, model.info.w_dim)
    assert np.array_equal(again, latent_of(model, store, two.edit).numpy())


def test_a_video_shows_all_drags_that_led_to_the_image(
    model: Model, session: tuple[SessionStore, Revision, Revision], tmp_path: Path
) -> None:
    store, one, two = session
    progress: list[tuple[int, int]] = []
    export(
        model, store, two.edit, tmp_path / "a.mp4", markers=False, report_progress=lambda *done: progress.append(done)
    )
    frame_count = 9 * 6 + 1  # five steps and four, each in six parts
    assert progress == [(done, frame_count) for done in range(frame_count + 1)]
    video_frames = frames(tmp_path / "a.mp4")
    assert len(video_frames) > frame_count, "the last one is held"
    for frame, edit in (
        (video_frames[0], one.edit.before_drags),
        (video_frames[5 * 6], one.edit),
        (video_frames[-1], two.edit),
    ):
        assert np.abs(frame.astype(int) - image_of(model, store, edit)).mean() < 12
    export(model, store, one.edit, tmp_path / "b.gif", markers=True, report_progress=ignore_progress)
    with Image.open(tmp_path / "b.gif") as gif:  # frames that look alike are one, which stands as long as both
        duration = sum(frame.info["duration"] for frame in ImageSequence.Iterator(gif))
    expected_duration = 1000 * ((5 * 10 + 1) / FRAMES_PER_SECOND + HOLD_SECONDS)
    assert duration == pytest.approx(expected_duration, abs=10)  # a GIF counts hundredths of a second


def test_a_video_ends_at_the_step_that_is_exported(
    model: Model, session: tuple[SessionStore, Revision, Revision], tmp_path: Path
) -> None:
    store, one, two = session
    assert two.record is not None
    within = edit_at_step(one, two.record, store.trajectory(2), 2)
    assert (within.source.drag, within.source.step) == (2, 2)
    progress: list[tuple[int, int]] = []
    export(model, store, within, tmp_path / "a.gif", markers=False, report_progress=lambda *done: progress.append(done))
    assert progress[-1] == (7 * 7 + 1, 7 * 7 + 1), "five steps and two, each in seven parts"
    branch = dragged(model, store, Revision(id=9, parent=one.id, edit=within), 3)
    assert branch.record is not None and branch.record.source.step == 2
    export(
        model,
        store,
        branch.edit,
        tmp_path / "b.gif",
        markers=False,
        report_progress=lambda *done: progress.append(done),
    )
    assert progress[-1] == (10 * 5 + 1, 10 * 5 + 1), "those, and three more, each in five parts"


def test_the_frames_between_steps_are_interpolated() -> None:
    def frame(position: float, pair_count: int) -> VideoFrame:
        pairs = tuple(((position, 2 * position), (9.0, 8.0)) for _ in range(pair_count))
        return VideoFrame(np.full((1, 4, 3), position, np.float32), pairs)

    steps = [frame(0, 1), frame(10, 1), frame(40, 2)]
    interpolated = interpolate_frames(steps)
    assert MIN_FRAMES <= len(interpolated) < MIN_FRAMES + len(steps)
    assert [frame.pairs for frame in interpolated if frame.ws[0, 0, 0] in (0, 10, 40)] == [step.pairs for step in steps]
    halfway = interpolated[len(interpolated) // 4]
    assert halfway.ws == pytest.approx(5, abs=0.3) and halfway.pairs[0][0] == pytest.approx((5, 10), abs=0.5)
    assert halfway.pairs[0][1] == (9, 8)
    assert np.all(np.diff([frame.ws[0, 0, 0] for frame in interpolated]) > 0)


@pytest.mark.parametrize("count", [1, MIN_FRAMES, MIN_FRAMES + 5])
def test_frames_of_enough_steps_are_left_alone(count: int) -> None:
    steps = [VideoFrame(np.zeros((1, 2, 2), np.float32), ()) for _ in range(count)]
    assert interpolate_frames(steps) is steps


def test_a_long_video_has_a_limited_number_of_frames(
    model: Model, session: tuple[SessionStore, Revision, Revision], tmp_path: Path
) -> None:
    store, _, two = session
    long = dragged(model, store, two, 2 * MAX_FRAMES)
    progress: list[tuple[int, int]] = []
    export(
        model, store, long.edit, tmp_path / "a.gif", markers=False, report_progress=lambda *done: progress.append(done)
    )
    assert progress[-1] == (MAX_FRAMES, MAX_FRAMES)


def test_exports_that_are_refused(
    model: Model, session: tuple[SessionStore, Revision, Revision], tmp_path: Path
) -> None:
    store, one, two = session
    with pytest.raises(OutputError, match=r"give one of \.png, \.webp, \.gif"):
        export(model, store, one.edit, tmp_path / "a.jpg", markers=False, report_progress=ignore_progress)
    with pytest.raises(EditError, match="no drag has led to this image"):
        export(model, store, one.edit.before_drags, tmp_path / "a.gif", markers=False, report_progress=ignore_progress)
    (tmp_path / "s/drag-001/steps.safetensors").unlink()
    fresh = SessionStore("tiny", resume=copy_session(tmp_path))
    with pytest.raises(InputError, match="steps of this drag were not kept"):
        export(model, fresh, two.edit, tmp_path / "a.gif", markers=False, report_progress=ignore_progress)
    assert not list(tmp_path.glob("*.gif")) and not list(tmp_path.glob(".*.part"))


def copy_session(tmp_path: Path) -> Path:
    """Return a copy of the session's directory without its lock."""
    other = tmp_path / "copy"
    for path in (tmp_path / "s").rglob("*"):
        if path.is_file() and path.name != ".open":
            (other / path.relative_to(tmp_path / "s")).parent.mkdir(parents=True, exist_ok=True)
            (other / path.relative_to(tmp_path / "s")).write_bytes(path.read_bytes())
    return other
