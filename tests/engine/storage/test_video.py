"""Videos, decoded by common libraries: frames, sizes, durations, colours, and that no partial file is left."""

from __future__ import annotations

import resource
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import OutputError, StorageError
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.storage.image_io import write_image
from draggan_engine.storage.output_paths import VIDEO_SUFFIXES
from draggan_engine.storage.video import FRAMES_PER_SECOND, HOLD_SECONDS, spread_indices, write_video

Frame = NDArray[np.uint8]
EDIT = Edit(model="toy", source=LatentRef(seed=7))
ACCURATE = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def scene(count: int, height: int = 48, width: int = 64) -> list[Frame]:
    """Return frames of a disc that moves over a background of many colours."""
    y, x = np.indices((height, width))
    background = np.stack([4 * x, 255 - 3 * y, 2 * x + 2 * y], axis=2)
    frames = []
    for i in range(count):
        inside = (x - 8 - 2 * i) ** 2 + (y - 20) ** 2 < 49
        frames.append(np.where(inside[..., None], (255, 92, 216), background).astype(np.uint8))
    return frames


def write(path: Path, frames: Iterator[Frame] | list[Frame]) -> Path:
    write_video(path, frames, model="toy", edit=EDIT)
    return path


def read_gif(path: Path) -> tuple[list[Frame], list[int]]:
    """Return the frames, and the duration of each in milliseconds."""
    with Image.open(path) as image:
        frames, durations = [], []
        for i in range(image.n_frames):
            image.seek(i)
            frames.append(np.asarray(image.convert("RGB")))
            durations.append(image.info["duration"])
        return frames, durations


def read_mp4(path: Path) -> list[Frame]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24", interpolation=ACCURATE) for frame in container.decode(video=0)]


def difference(a: Frame, b: Frame) -> float:
    return float(np.abs(a.astype(int) - b).mean())


@contextmanager
def full_disk(max_bytes: int) -> Iterator[None]:
    """Limit the size of files to `max_bytes`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_gif_shows_every_frame_in_time_loops_and_holds_the_last(tmp_path: Path) -> None:
    frames = scene(25)
    path = write(tmp_path / "a.gif", iter(frames))
    decoded_frames, durations = read_gif(path)
    assert [frame.shape for frame in decoded_frames] == [(48, 64, 3)] * 25
    assert sum(durations) == 1040 + 1500  # 25/24 s, in hundredths, and the hold
    assert set(durations[:-1]) == {40, 50}
    assert durations[-1] >= 1000 * HOLD_SECONDS
    assert all(difference(a, b) < 5 for a, b in zip(decoded_frames, frames, strict=True))
    with Image.open(path) as image:
        assert image.info["loop"] == 0


def test_static_pixels_do_not_flicker_in_a_gif(tmp_path: Path) -> None:
    frames = scene(20)
    decoded_frames, _ = read_gif(write(tmp_path / "a.gif", frames))
    for before, after, a, b in zip(frames, frames[1:], decoded_frames, decoded_frames[1:], strict=False):
        is_static = (before == after).all(axis=2)
        assert is_static.mean() > 0.8
        assert (a[is_static] == b[is_static]).all()


def test_colours_of_late_frames_are_in_the_palette_of_a_gif(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).repeat(48).reshape(64, 64, 3)
    red = grey.copy()
    red[20:40, 20:40] = (250, 10, 20)
    decoded_frames, _ = read_gif(write(tmp_path / "a.gif", [grey] * 10 + [red]))
    assert np.abs(decoded_frames[-1][30, 30].astype(int) - (250, 10, 20)).max() <= 8


def test_the_frames_of_a_gif_share_one_palette(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    one = write(tmp_path / "one.gif", [noise, noise[::-1]]).stat().st_size
    larger_size = write(tmp_path / "more.gif", [noise, noise[::-1], noise]).stat().st_size
    assert larger_size - one < 16 * 16 * 2  # a further frame adds its pixels, but no palette of 768 bytes


def test_an_mp4_shows_every_frame_in_time_and_holds_the_last(tmp_path: Path) -> None:
    frames = scene(25)
    path = write(tmp_path / "a.mp4", iter(frames))
    decoded_frames = read_mp4(path)
    assert len(decoded_frames) == 25 + HOLD_SECONDS * FRAMES_PER_SECOND
    assert all(difference(a, b) < 4 for a, b in zip(decoded_frames, frames, strict=False))
    assert all(difference(frame, frames[-1]) < 4 for frame in decoded_frames[24:])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == FRAMES_PER_SECOND
        assert container.duration == pytest.approx(1e6 * (25 / FRAMES_PER_SECOND + HOLD_SECONDS), abs=1e3)
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    content = path.read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")  # a browser can show it while it loads


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 92, 216), (128, 128, 128)])
def test_an_mp4_keeps_colours(color: tuple[int, int, int], tmp_path: Path) -> None:
    frame = np.full((32, 32, 3), color, np.uint8)
    decoded_frames = read_mp4(write(tmp_path / "a.mp4", [frame]))
    assert np.abs(decoded_frames[-1].astype(int) - frame).max() <= 4
    with av.open(str(tmp_path / "a.mp4")) as container:
        codec_context = container.streams.video[0].codec_context
        assert (
            codec_context.colorspace,
            codec_context.color_primaries,
            codec_context.color_trc,
            codec_context.color_range,
        ) == (1, 1, 1, 1)


def test_frames_may_have_odd_sizes(tmp_path: Path) -> None:
    frames = scene(3, 33, 65)
    decoded_frames = read_mp4(write(tmp_path / "a.mp4", frames))
    assert decoded_frames[0].shape == (34, 66, 3)
    assert difference(decoded_frames[-1][:33, :65], frames[-1]) < 5
    assert difference(decoded_frames[-1][33:, :65], frames[-1][32:]) < 6
    assert read_gif(write(tmp_path / "a.gif", frames))[0][0].shape == (33, 65, 3)


def test_a_video_may_have_one_frame(tmp_path: Path) -> None:
    (frame,) = scene(1)
    assert len(read_mp4(write(tmp_path / "a.mp4", [frame]))) == 1 + HOLD_SECONDS * FRAMES_PER_SECOND
    with Image.open(write(tmp_path / "a.gif", [frame])) as image:
        assert difference(np.asarray(image.convert("RGB")), frame) < 5


def test_videos_state_that_they_are_generated(tmp_path: Path) -> None:
    with Image.open(write(tmp_path / "a.gif", scene(2))) as image:
        gif = image.info["comment"].decode()
    with av.open(str(write(tmp_path / "a.MP4", scene(2)))) as container:
        mp4 = container.metadata["comment"]
    assert gif == mp4
    for expected_text in (
        "Generated",
        "digitalsourcetype/trainedAlgorithmicMedia",
        "draggan-tui",
        "Model: toy",
        "Seed: 7",
    ):
        assert expected_text in mp4


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_a_frame_that_fails_leaves_only_the_old_file(suffix: str, tmp_path: Path) -> None:
    def frames(good: int) -> Iterator[Frame]:
        yield from scene(good)
        raise KeyError("the engine stopped")

    path = tmp_path / f"a{suffix}"
    path.write_text("old")
    for good in (0, 1, 5):
        with pytest.raises(KeyError):
            write(path, frames(good))
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_a_full_disk_leaves_nothing_and_is_reported(suffix: str, tmp_path: Path) -> None:
    noise = [np.random.default_rng(i).integers(0, 255, (64, 64, 3), np.uint8) for i in range(30)]
    with full_disk(40_000), pytest.raises(StorageError, match=rf"a\{suffix} could not be written \("):
        write(tmp_path / f"a{suffix}", noise)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_frames_are_taken_one_by_one(suffix: str, tmp_path: Path) -> None:
    frame_references: list[weakref.ref[Frame]] = []

    def frames() -> Iterator[Frame]:
        for i in range(40):
            frame = np.full((256, 256, 3), i, np.uint8)
            frame_references.append(weakref.ref(frame))
            assert sum(reference() is not None for reference in frame_references) <= 3
            yield frame

    write(tmp_path / f"a{suffix}", frames())
    assert len(frame_references) == 40


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    for name in ("a.avi", "a", "a.png"):
        with pytest.raises(OutputError, match=r"suffix decides what is written; give one of \.gif, \.mp4"):
            write(tmp_path / name, scene(1))
    with pytest.raises(StorageError, match=r"its directory is not there, or takes no new files: make it"):
        write(tmp_path / "none" / "a.gif", scene(1))


def test_an_image_on_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    for name in ("a.png", "a.webp"):
        with full_disk(1000), pytest.raises(StorageError):
            write_image(tmp_path / name, noise, model="toy", edit=EDIT)
    assert list(tmp_path.iterdir()) == []


@given(st.integers(1, 2000), st.integers(2, 300))
def test_spread_indices_are_evenly_spread(count: int, max_count: int) -> None:
    frame_indices = spread_indices(count, max_count)
    assert len(frame_indices) == min(count, max_count)
    assert frame_indices[0] == 0 and frame_indices[-1] == count - 1
    steps = np.diff(frame_indices)
    if len(steps):
        assert steps.min() >= 1 and steps.max() - steps.min() <= 1
