"""A drag that leaves its traces: runs the session and keeps what it does in the session's folder.

The engine process and the headless commands drain the same iterator.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.edit import Edit, check_label
from draggan_engine.core.errors import DragganError
from draggan_engine.core.geometry import distance
from draggan_engine.core.history import DraggedPair, DragRecord, Reason, Revision
from draggan_engine.dragging import DragAtRest, DragEnd, DragLoop, DragStep
from draggan_engine.networks.generate import generate_image, latent_of_seed
from draggan_engine.storage.image_io import write_image
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.trajectory import TrajectoryRecorder


@dataclass(frozen=True)
class DragRecorded:
    """The last event.

    Attributes:
        revision: what the history has gained; none: not a step was made.
        edit: as it stands now.
        problem: what could not be written.
    """

    record: DragRecord
    revision: Revision | None
    edit: Edit
    problem: str | None


def latent_of(model: Model, store: SessionStore, edit: Edit) -> Tensor:
    """ws `[1, num_ws, w_dim]` of an edit's picture.

    Raises:
        EditError: it names a class that the model does not have, or a latent that the session does not have.
    """
    source = edit.source
    if source.drag is not None:
        stored = store.latent(source.drag, source.step)
    elif source.from_file:
        stored = store.file_latent()
    else:
        check_label(source.label, model.info.classes, model.name)
        return latent_of_seed(model.generator, source.seed, source.psi, source.label)
    return torch.from_numpy(stored.copy()).to(model.generator.device)


def picture_of(model: Model, store: SessionStore, edit: Edit) -> NDArray[np.uint8]:
    """Return the edit's image at full resolution, `uint8 [H, W, 3]`; not to be changed."""
    return store.images.get(edit.source, lambda: generate_image(model.generator, latent_of(model, store, edit)))


def write_result(model: Model, store: SessionStore, edit: Edit) -> tuple[Path, ...]:
    """Writes initial.png and final.png of the edit; returns the paths.

    Raises:
        OutputError, StorageError: they cannot be written.
    """
    return store.write_result_images(edit, picture_of(model, store, edit.before_drags), picture_of(model, store, edit))


def prepare_drag(model: Model, store: SessionStore, edit: Edit, live: int | None = None) -> DragLoop:
    """
    Args:
        live: index of the pair that is led by hand.

    Raises:
        EditError: the edit cannot be dragged; the message names the pair, the mask or the setting.
    """
    pairs = edit.check_drag(model.info.size, live)
    mask = None if edit.mask is None else edit.mask.to_array()
    led = None if live is None else list(edit.dragged_pairs(live)).index(live)
    return DragLoop(model.generator, latent_of(model, store, edit), pairs, mask, edit.settings, led)


def record_drag(
    model: Model, store: SessionStore, parent: Revision, number: int, session: DragLoop, live: int | None = None
) -> Iterator[DragStep | DragAtRest | DragRecorded]:
    """Runs the drag on an revision of the history, writing a line for each step and every few seconds its latents; at the
    end these, the pictures and the new revision.

    A write that fails does not end the drag: its result stays in `store`, and `problem` says what is missing.
    """
    began = time.monotonic()
    before = session.start_ws.cpu().numpy()
    steps = TrajectoryRecorder(before, session.optimized_rows, session.start_handles, session.targets)

    def record(event: DragStep | DragEnd, reason: Reason, seconds: float) -> DragRecord:
        pairs = tuple(
            DraggedPair(handle=handle, target=target, final=final, distance=distance(final, target))
            for handle, target, final in zip(session.start_handles, session.targets, event.handles, strict=True)
        )
        edit = parent.edit
        return DragRecord(
            number=number, source=edit.source,
            reason=reason, steps=event.step, seconds=seconds, pairs=pairs, settings=session.settings,
            masked=edit.mask is not None, live=live,
        )  # fmt: skip

    store.merge((parent,), parent.id)
    problem: str | None = None
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(store.drag_directory(number))
        except DragganError as error:
            problem = str(error)
        for event in session.steps():
            if isinstance(event, DragEnd):
                end = event
                break
            if isinstance(event, DragStep):
                steps.record(event.step, event.ws.cpu().numpy(), event.handles, session.targets)
                try:
                    if problem is None:
                        folder.append_event(_line(event))
                    if problem is None and steps.is_due:
                        steps.write(folder.path, parent.id, record(event, "interrupted", time.monotonic() - began))
                except DragganError as error:
                    problem = str(error)
            yield event
    done = record(end, end.reason, end.seconds)
    revision = Revision.of_drag(parent, done) if done.steps else None
    if revision is not None:
        store.add_drag(revision, before, end.ws.cpu().numpy(), steps)
    edit = parent.edit if revision is None else revision.edit
    try:
        folder = store.drag_directory(number)
        store.write_drags()  # first: what is in there is found again whatever happens next
        store.write()
        write_image(folder.path / "final.png", picture_of(model, store, edit), model=store.model, edit=parent.edit)
        write_result(model, store, edit)
    except DragganError as error:
        problem = str(error)
    yield DragRecorded(done, revision, edit, problem)


def _line(event: DragStep) -> dict[str, object]:
    return {
        "step": event.step,
        "loss": event.loss,
        "mean_distance": event.mean_distance,
        "handles": [list(point) for point in event.handles],
    }
