"""What a session can be asked for as a file: a picture, a latent, or the way that led to a picture as a film."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from draggan_engine.checkpoints.latent_files import write_latent
from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point
from draggan_engine.networks.generate import generate_image
from draggan_engine.storage.image_io import write_image
from draggan_engine.storage.markers import draw_markers
from draggan_engine.storage.output_paths import IMAGE_SUFFIXES, LATENT_SUFFIXES, VIDEO_SUFFIXES, check_output_file
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.video import spread_indices, write_video

from .drag_runner import latent_of, picture_of

MOST_FRAMES = 150  # of a film: six seconds

Progress = Callable[[int, int], object]
"""Told how many frames are done, and of how many."""


@dataclass(frozen=True)
class Moment:
    """A frame to be: its latent `[1, num_ws, w_dim]`, and the (handle, target) pairs in its picture."""

    ws: NDArray[np.float32]
    pairs: tuple[tuple[Point, Point], ...]


def export(model: Model, store: SessionStore, edit: Edit, path: Path, *, markers: bool, progress: Progress) -> None:
    """Writes the edit's picture, its latent, or the film of the drags that led to it; the suffix tells which.

    Args:
        markers: handles and targets are drawn into pictures and films.

    Raises:
        OutputError: a suffix that there is not, or a path that cannot be written to.
        EditError: a film of no drag.
        InputError: the steps of a drag were not kept.
        StorageError: it cannot be written.
    """
    suffix = check_output_file(path, (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *LATENT_SUFFIXES))
    if suffix in LATENT_SUFFIXES:
        write_latent(path, latent_of(model, store, edit).cpu().numpy())
    elif suffix in IMAGE_SUFFIXES:
        rgb = picture_of(model, store, edit)
        pairs = [(pair.handle, pair.target or pair.handle) for pair in edit.pairs]
        write_image(path, draw_markers(rgb, pairs) if markers else rgb, model=model.name, edit=edit)
    else:
        moments = _way(store, edit)
        chosen = [moments[i] for i in spread_indices(len(moments), MOST_FRAMES)]
        write_video(path, _frames(model, chosen, markers, progress), model=model.name, edit=edit)


def _way(store: SessionStore, edit: Edit) -> Sequence[Moment]:
    """Every kept step of the drags that led to the edit's picture, from the first of them on."""
    moments: list[Moment] = []
    number, last = edit.source.drag, edit.source.step
    while number:
        steps = store.stored_trajectory(number)
        kept = steps.steps if last is None else steps.steps[steps.steps <= last]
        way = [Moment(steps.latent_at(int(step)), steps.pairs_at(i)) for i, step in enumerate(kept)]
        number, last = steps.record.source.drag, steps.record.source.step
        moments[:0] = way[1:] if number else way  # the drag before ends with the picture that this one begins with
    if not moments:
        raise EditError("no drag has led to this image, so there is no video of one; drag first, or save a PNG")
    return moments


def _frames(model: Model, moments: Sequence[Moment], markers: bool, progress: Progress) -> Iterator[NDArray[np.uint8]]:
    for done, moment in enumerate(moments):
        progress(done, len(moments))
        rgb = generate_image(model.generator, torch.from_numpy(moment.ws).to(model.generator.device))
        yield draw_markers(rgb, moment.pairs) if markers else rgb
    progress(len(moments), len(moments))
