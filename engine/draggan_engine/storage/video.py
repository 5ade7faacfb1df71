"""A drag as a film: GIF and MP4 that say that they are generated. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from tempfile import TemporaryFile

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.cpu_quota import usable_processors
from draggan_engine.core.edit import Edit

from .atomic import atomic_write
from .image_io import DIGITAL_SOURCE_TYPE, provenance
from .output_paths import VIDEO_SUFFIXES, check_suffix

FRAMES_PER_SECOND = 24
HOLD_SECONDS = 1.5  # seconds that the last frame stays

_SAMPLE = 64  # rows and columns of a frame, at most, that a palette is chosen from
_BT709 = 1  # H.273: primaries, transfer and matrix of HD video, what players take a file without a word for
_LIMITED = 1  # FFmpeg's AVCOL_RANGE_MPEG


def spread_indices(count: int, most: int) -> list[int]:
    """Which of `count` moments become frames: all, or `most` (at least 2) evenly spread ones, first and last included."""
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    model: str,
    edit: Edit,
    fps: int = FRAMES_PER_SECOND,
    hold: float = HOLD_SECONDS,
) -> None:
    """A film of the frames, the last of which stays for a while; which kind, the path's suffix tells.

    Frames are taken one by one and are not all held in memory (those of a GIF: a byte for each pixel).

    Args:
        frames: at least one `uint8 [H, W, 3]`, all of one size. If taking one fails, no file is left.
        fps: at most 50, which is what viewers of GIFs keep up with.
        hold: seconds.

    Raises:
        OutputError: a suffix that is none of `FILMS`.
        StorageError: it cannot be written.
    """
    suffix = check_suffix(path, VIDEO_SUFFIXES)
    born = "; ".join(f"{name}: {value}" for name, value in provenance(model, edit).items())
    comment = f"Generated, not filmed: {DIGITAL_SOURCE_TYPE}; {born}"
    with atomic_write(path) as part:
        if suffix == ".gif":
            _write_gif(part, frames, fps, hold, comment)
        else:
            _write_mp4(part, _held(frames, round(hold * fps)), fps, comment)


def _held(frames: Iterable[NDArray[np.uint8]], more: int) -> Iterator[NDArray[np.uint8]]:
    """The frames, the last of them `more` times again; each of even size, as 4:2:0 needs, by repeating the edge."""
    for rgb in frames:
        even = np.pad(rgb, ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)), mode="edge")
        yield even
    for _ in range(more):
        yield even


def _write_mp4(part: Path, frames: Iterator[NDArray[np.uint8]], fps: int, comment: str) -> None:
    """H.264 in 4:2:0, which every player takes, its index at the front."""
    first = next(frames)
    with av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as container:
        container.metadata["comment"] = comment
        stream = container.add_stream("libx264", rate=fps, options={"crf": "16"})
        stream.height, stream.width, _ = first.shape
        stream.pix_fmt = "yuv420p"
        coding = stream.codec_context
        coding.thread_count = usable_processors()  # its own choice is one and a half for each that the machine has
        coding.color_primaries = coding.color_trc = coding.colorspace = _BT709
        coding.color_range = _LIMITED
        for rgb in chain((first,), frames):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
        container.mux(stream.encode(None))


def _write_gif(part: Path, frames: Iterable[NDArray[np.uint8]], fps: int, hold: float, comment: str) -> None:
    """All frames share one palette, so that what stands still does not flicker; therefore they wait on the disk until
    the colours of all are known. Without dithering, whose noise would change with every frame.
    """
    samples: list[NDArray[np.uint8]] = []
    with TemporaryFile(dir=part.parent) as waiting:
        for rgb in frames:
            waiting.write(rgb.tobytes())
            every = max(1, -(-max(rgb.shape) // _SAMPLE))
            samples.append(rgb[::every, ::every].copy())  # not the whole frame
        shape = rgb.shape
        palette = _palette(np.concatenate(samples))
        waiting.seek(0)

        def indexed() -> Iterator[Image.Image]:
            for _ in samples:
                pixels = np.frombuffer(waiting.read(rgb.nbytes), np.uint8)
                yield Image.fromarray(pixels.reshape(shape)).quantize(palette=palette, dither=Image.Dither.NONE)

        images = indexed()
        next(images).save(
            part, format="GIF", save_all=True, append_images=images, palette=bytes(palette.getpalette() or ()),
            duration=_durations(len(samples), fps, hold), loop=0, comment=comment, optimize=False,
        )  # fmt: skip


def _palette(pixels: NDArray[np.uint8]) -> Image.Image:
    # On a drag of the bundled model 40.8 dB from the frames; median cut 37.9, octree 40.3; 26.5 and 26.7 where colours
    # are many, this 29. With a palette for each frame, or with dithering, three times the flicker.
    return Image.fromarray(pixels).quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1)


def _durations(count: int, fps: int, hold: float) -> list[int]:
    """Milliseconds of each frame: hundredths of a second, as GIF counts, that do not drift from `fps`."""
    starts = [round(100 * i / fps) for i in range(count + 1)]
    durations = [10 * (end - start) for start, end in pairwise(starts)]
    durations[-1] += 10 * round(100 * hold)
    return durations
