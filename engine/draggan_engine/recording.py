"""A drag that leaves its traces: runs the session and keeps what it does in the session's folder.

The engine process and the headless commands drain the same iterator.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .checkpoints.catalogue import Model
from .drag import DragEnd, DragSession, DragStep
from .files import DragFolder, SessionStore
from .images import write_picture
from .networks.pictures import latent_of_seed, picture
from .protocol.edit import Edit, check_label
from .protocol.errors import DragganError
from .protocol.geometry import distance
from .protocol.messages import DraggedPair, DragRecord


@dataclass(frozen=True)
class DragRecorded:
    """The last event: what the history keeps, the edit as it stands now, and what could not be written."""

    record: DragRecord
    edit: Edit
    problem: str | None


def latent_of(model: Model, store: SessionStore, edit: Edit) -> Tensor:
    """ws `[1, num_ws, w_dim]` of an edit's picture.

    Raises:
        EditError: it names a class that the model does not have, or a latent that the session does not have.
    """
    if edit.latent == 0 and not edit.given:
        check_label(edit.label, model.info.classes, model.name)
        return latent_of_seed(model.generator, edit.seed, edit.psi, edit.label)
    stored = store.latent(edit.latent) if edit.latent else store.given_latent()
    return torch.from_numpy(stored.copy()).to(model.generator.device)


def picture_of(model: Model, store: SessionStore, edit: Edit) -> NDArray[np.uint8]:
    """The edit's picture at full resolution, `uint8 [H, W, 3]`."""
    return picture(model.generator, latent_of(model, store, edit))


def write_result(model: Model, store: SessionStore, edit: Edit) -> tuple[Path, ...]:
    """Writes initial.png and final.png of the edit; returns the paths.

    Raises:
        OutputError, StorageError: they cannot be written.
    """
    initial = picture_of(model, store, edit.model_copy(update={"latent": 0}))
    return store.write_result(edit, initial, initial if edit.latent == 0 else picture_of(model, store, edit))


def prepare_drag(model: Model, store: SessionStore, edit: Edit) -> DragSession:
    """
    Raises:
        EditError: the edit cannot be dragged; the message names the pair, the mask or the setting.
    """
    pairs = edit.check_drag(model.info.size)
    mask = None if edit.mask is None else edit.mask.to_array()
    return DragSession(model.generator, latent_of(model, store, edit), pairs, mask, edit.settings)


def record_drag(
    model: Model, store: SessionStore, edit: Edit, number: int, session: DragSession
) -> Iterator[DragStep | DragRecorded]:
    """Runs the drag, writing a line for each step, and at the end its latents, pictures and record.

    A write that fails does not end the drag: its result stays in `store`, and `problem` says what is missing.
    """
    before = session.start.cpu().numpy()
    problem: str | None = None
    with ExitStack() as stack:
        folder: DragFolder | None = None
        try:
            folder = stack.enter_context(store.drag_folder(number, edit))
        except DragganError as error:
            problem = str(error)
        for event in session.steps():
            if isinstance(event, DragEnd):
                end = event
                break
            if folder is not None and problem is None:
                try:
                    folder.line(_line(event))
                except DragganError as error:
                    problem = str(error)
            yield event
    record = _record(edit, number, session, end)
    after = edit.after_drag(number, end.handles)
    store.keep_drag(record, before, end.ws.cpu().numpy())
    try:
        store.save(after)
        store.write_drags(after)
        write_picture(
            store.drag_folder(number, edit).path / "final.png",
            picture(model.generator, end.ws),
            model=store.model,
            edit=edit,
        )
        write_result(model, store, after)
    except DragganError as error:
        problem = str(error)
    yield DragRecorded(record, after, problem)


def _line(event: DragStep) -> dict[str, object]:
    return {
        "step": event.step,
        "loss": event.loss,
        "mean_distance": event.mean_distance,
        "handles": [list(point) for point in event.handles],
    }


def _record(edit: Edit, number: int, session: DragSession, end: DragEnd) -> DragRecord:
    pairs = edit.check_drag(session.picture)
    return DragRecord(
        number=number,
        start=edit.latent,
        seed=edit.seed,
        psi=edit.psi,
        label=edit.label,
        given=edit.given,
        reason=end.reason,
        steps=end.steps,
        seconds=end.seconds,
        pairs=tuple(
            DraggedPair(handle=handle, target=target, final=final, distance=distance(final, target))
            for (handle, target), final in zip(pairs, end.handles, strict=True)
        ),
        settings=edit.settings,
        masked=edit.mask is not None,
    )
