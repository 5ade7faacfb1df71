"""A drag as a video: GIF and MP4 files that state that they are generated."""

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
HOLD_SECONDS = 1.5
"""How long the last frame stays."""

_PALETTE_SAMPLE_SIDE = 64  # a palette is chosen from at most this many rows and columns of each frame
_BT709 = 1  # H.273: primaries, transfer and matrix of HD video, which players assume for an unlabelled file
_LIMITED_RANGE = 1  # FFmpeg's AVCOL_RANGE_MPEG


def spread_indices(moment_count: int, max_count: int) -> list[int]:
    """Return which moments become frames: all, or `max_count` evenly spread ones with the first and the last.

    Args:
        max_count: at least 2.
    """
    if moment_count <= max_count:
        return list(range(moment_count))
    return [round(i * (moment_count - 1) / (max_count - 1)) for i in range(max_count)]


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    *,
    model: str,
    edit: Edit,
    fps: int = FRAMES_PER_SECOND,
    hold: float = HOLD_SECONDS,
) -> None:
    """Write frames as a GIF or as an MP4, depending on the path's suffix; the last frame stays for a while.

    Frames are taken one by one and not held in memory together. If taking one fails, no file is left.

    Args:
        frames: at least one `uint8 [H, W, 3]`, all of one size.
        fps: frames per second, at most 50: viewers of GIFs do not keep up with more.
        hold: for how many seconds the last frame stays.

    Raises:
        OutputError: the suffix is none of `VIDEO_SUFFIXES`.
        StorageError: the file cannot be written.
    """
    file_suffix = check_suffix(path, VIDEO_SUFFIXES)
    origin_text = "; ".join(
        f"{field_name}: {field_value}" for field_name, field_value in provenance(model, edit).items()
    )
    file_comment = f"Generated, not filmed: {DIGITAL_SOURCE_TYPE}; {origin_text}"
    with atomic_write(path) as temporary_path:
        if file_suffix == ".gif":
            _write_gif(temporary_path, frames, fps, hold, file_comment)
        else:
            _write_mp4(temporary_path, _hold_last(frames, round(hold * fps)), fps, file_comment)


def _hold_last(frames: Iterable[NDArray[np.uint8]], repeat_count: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames, and the last one again `repeat_count` times.

    The edge of a frame is repeated where its size is odd: 4:2:0 needs an even one.
    """
    for rgb in frames:
        even_frame = np.pad(rgb, ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)), mode="edge")
        yield even_frame
    for _ in range(repeat_count):
        yield even_frame


def _write_mp4(temporary_path: Path, frames: Iterator[NDArray[np.uint8]], fps: int, file_comment: str) -> None:
    """Write H.264 in 4:2:0, which every player can show, with the index at the front."""
    first_frame = next(frames)
    with av.open(str(temporary_path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        container.metadata["comment"] = file_comment
        video_stream = container.add_stream("libx264", rate=fps, options={"crf": "16"})
        video_stream.height, video_stream.width, _ = first_frame.shape
        video_stream.pix_fmt = "yuv420p"
        codec_context = video_stream.codec_context
        codec_context.thread_count = usable_processors()  # by default it takes one and a half for each of the machine's
        codec_context.color_primaries = codec_context.color_trc = codec_context.colorspace = _BT709
        codec_context.color_range = _LIMITED_RANGE
        for rgb in chain((first_frame,), frames):
            video_frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            container.mux(video_stream.encode(video_frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
        container.mux(video_stream.encode(None))


def _write_gif(
    temporary_path: Path, frames: Iterable[NDArray[np.uint8]], fps: int, hold: float, file_comment: str
) -> None:
    """Write a GIF whose frames share one palette, without dithering, so that what does not move does not flicker.

    The palette needs the colours of all frames, which wait on the disk until then.
    """
    palette_samples: list[NDArray[np.uint8]] = []
    with TemporaryFile(dir=temporary_path.parent) as frame_file:
        for rgb in frames:
            frame_file.write(rgb.tobytes())
            sample_stride = max(1, -(-max(rgb.shape) // _PALETTE_SAMPLE_SIDE))
            palette_samples.append(rgb[::sample_stride, ::sample_stride].copy())  # a view would keep the whole frame
        frame_shape = rgb.shape
        palette_image = _choose_palette(np.concatenate(palette_samples))
        frame_file.seek(0)

        def palette_images() -> Iterator[Image.Image]:
            for _ in palette_samples:
                frame_values = np.frombuffer(frame_file.read(rgb.nbytes), np.uint8)
                yield Image.fromarray(frame_values.reshape(frame_shape)).quantize(
                    palette=palette_image, dither=Image.Dither.NONE
                )

        gif_images = palette_images()
        next(gif_images).save(
            temporary_path, format="GIF", save_all=True, append_images=gif_images,
            palette=bytes(palette_image.getpalette() or ()),
            duration=_frame_durations(len(palette_samples), fps, hold), loop=0, comment=file_comment, optimize=False,
        )  # fmt: skip


def _choose_palette(sample_pixels: NDArray[np.uint8]) -> Image.Image:
    """Return a palette image of 256 colours; maximum coverage lies closer to the frames than median cut or octree."""
    return Image.fromarray(sample_pixels).quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1)


def _frame_durations(frame_count: int, fps: int, hold: float) -> list[int]:
    """Return the milliseconds of each frame, in whole hundredths of a second as GIF has them, without drift from `fps`."""
    frame_starts = [round(100 * i / fps) for i in range(frame_count + 1)]
    frame_durations = [10 * (frame_end - frame_start) for frame_start, frame_end in pairwise(frame_starts)]
    frame_durations[-1] += 10 * round(100 * hold)
    return frame_durations
