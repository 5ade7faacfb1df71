"""Export an edit to a file: its image, its latent, or a video of the drags that led to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from draggan_engine.checkpoints.latent_files import write_latent
from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point
from draggan_engine.core.inversion_choices import PasteMode
from draggan_engine.networks.generate import generate_image
from draggan_engine.networks.generator import Generator
from draggan_engine.storage.image_io import write_image
from draggan_engine.storage.markers import draw_markers
from draggan_engine.storage.output_paths import IMAGE_SUFFIXES, LATENT_SUFFIXES, VIDEO_SUFFIXES, check_output_file
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.video import spread_indices, write_video

from .edit_images import image_of, latent_of
from .photograph import write_pasted_photograph

MIN_FRAMES, MAX_FRAMES = 48, 150
"""How many images a video has: two to six seconds. The last one is held."""

ReportProgress = Callable[[int, int], object]
"""Called with the number of frames that are done, and the number of all frames."""


@dataclass(frozen=True)
class VideoFrame:
    """What a frame of a video shows: the latent `[1, num_ws, w_dim]`, and the (handle, target) pairs in its image."""

    ws: NDArray[np.float32]
    pairs: tuple[tuple[Point, Point], ...]

    def towards(self, next_frame: VideoFrame, share: float) -> VideoFrame:
        """Return the frame that is a share, 0 to 1, of the way from this one to the next."""
        ws = self.ws + np.float32(share) * (next_frame.ws - self.ws)
        if len(next_frame.pairs) != len(self.pairs):  # where another drag begins
            return VideoFrame(ws, self.pairs)
        points, next_points = np.array(self.pairs), np.array(next_frame.pairs)
        pairs = (points + share * (next_points - points)).tolist()
        return VideoFrame(ws, tuple(((handle[0], handle[1]), (target[0], target[1])) for handle, target in pairs))


def export(
    model: Model,
    store: SessionStore,
    edit: Edit,
    path: Path,
    *,
    markers: bool = False,
    paste_mode: PasteMode | None = None,
    report_progress: ReportProgress,
) -> str | None:
    """Write the edit's image, its latent, or a video of the drags that led to it; the path's suffix says which.

    Args:
        markers: draw handles and targets into images and videos.
        paste_mode: how the edit is pasted into the photograph of the session, which is written as a whole and without
            markers; None: an image of the model is written.

    Returns:
        What to tell people about the file, if there is something.

    Raises:
        OutputError: the suffix is unknown, or the path cannot be written to.
        EditError: a video of an image that no drag has led to, or a photograph of an image that does not come from one.
        InputError: the steps of a drag were not kept, or the photograph has moved or changed.
        StorageError: the file cannot be written.
    """
    file_suffix = check_output_file(path, (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *LATENT_SUFFIXES))
    if file_suffix in LATENT_SUFFIXES:
        write_latent(path, latent_of(model, store, edit).cpu().numpy())
    elif file_suffix in IMAGE_SUFFIXES and paste_mode is not None:
        write_pasted_photograph(model, store, edit, path, paste_mode)
    elif file_suffix in IMAGE_SUFFIXES:
        image = image_of(model, store, edit)
        pairs = [(pair.handle, pair.target or pair.handle) for pair in edit.pairs]
        write_image(path, draw_markers(image, pairs) if markers else image, model=model.name, edit=edit)
    else:
        step_frames = _video_frames(store, edit)
        video_frames = interpolate_frames([step_frames[i] for i in spread_indices(len(step_frames), MAX_FRAMES)])
        write_video(
            path,
            _render_frames(model.generator_of(edit.source), video_frames, markers, report_progress),
            model=model.name,
            edit=edit,
        )
        if len(video_frames) > len(step_frames):
            step_count = len(step_frames) - 1
            return f"it shows {step_count} step{'s' * (step_count != 1)}; the images in between are interpolated in w"
    return None


def _video_frames(store: SessionStore, edit: Edit) -> Sequence[VideoFrame]:
    """Return a frame for every kept step of the drags that led to the edit's image, from the first drag on."""
    video_frames: list[VideoFrame] = []
    drag_number, last_step = edit.source.drag, edit.source.step
    while drag_number:
        trajectory = store.stored_trajectory(drag_number)
        kept_steps = trajectory.steps if last_step is None else trajectory.steps[trajectory.steps <= last_step]
        drag_frames = [
            VideoFrame(trajectory.latent_at(int(step_number)), trajectory.pairs_at(step_index))
            for step_index, step_number in enumerate(kept_steps)
        ]
        drag_number, last_step = trajectory.record.source.drag, trajectory.record.source.step
        # Where a drag precedes this one, its last frame is this one's first.
        video_frames[:0] = drag_frames[1:] if drag_number else drag_frames
    if not video_frames:
        raise EditError("no drag has led to this image, so there is no video of one; drag first, or save a PNG")
    return video_frames


def interpolate_frames(step_frames: Sequence[VideoFrame]) -> Sequence[VideoFrame]:
    """Return at least `MIN_FRAMES` frames, if there are two to interpolate between.

    The steps of a drag are among them, and there are equally many between any two.
    """
    if not 2 <= len(step_frames) < MIN_FRAMES:
        return step_frames
    part_count = math.ceil((MIN_FRAMES - 1) / (len(step_frames) - 1))
    frames = [
        frame.towards(next_frame, part / part_count)
        for frame, next_frame in pairwise(step_frames)
        for part in range(part_count)
    ]
    return [*frames, step_frames[-1]]


def _render_frames(
    generator: Generator, video_frames: Sequence[VideoFrame], markers: bool, report_progress: ReportProgress
) -> Iterator[NDArray[np.uint8]]:
    for frames_done, video_frame in enumerate(video_frames):
        report_progress(frames_done, len(video_frames))
        image = generate_image(generator, torch.from_numpy(video_frame.ws).to(generator.device))
        yield draw_markers(image, video_frame.pairs) if markers else image
    report_progress(len(video_frames), len(video_frames))
