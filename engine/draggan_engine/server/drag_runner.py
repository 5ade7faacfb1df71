"""Run a drag and keep what it does in the session's directory. The engine process and the command line use the same
iterator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from draggan_engine.checkpoints.loader import Model
from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import DragganError
from draggan_engine.core.geometry import distance
from draggan_engine.core.history import DraggedPair, DragRecord, Reason, Revision
from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.dragging.drag_loop import DragAtRest, DragEnd, DragLoop, DragStep
from draggan_engine.storage.image_io import write_image
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.trajectory import TrajectoryRecorder

from .edit_images import image_of, latent_of, write_result


@dataclass(frozen=True)
class DragRecorded:
    """The last event of a recorded drag.

    Attributes:
        revision: the new revision of the history; None if the drag made no step.
        edit: the edit after the drag.
        problem: which file could not be written, in one line; None if all were.
    """

    record: DragRecord
    revision: Revision | None
    edit: Edit
    problem: str | None


def prepare_drag(
    model: Model, store: SessionStore, edit: Edit, live_pair: int | None = None, control: DragControl | None = None
) -> DragLoop:
    """Return the loop that drags an edit.

    Args:
        live_pair: index of the pair whose target moves during the drag; None: the drag is not live.
        control: see `DragLoop`.

    Raises:
        EditError: the edit cannot be dragged; the message names the pair, the mask or the setting.
        InputError: the file of the latent to start from cannot be read.
    """
    pairs = edit.check_drag(model.info.size, live_pair)
    mask = None if edit.mask is None else edit.mask.to_array()
    live_index = None if live_pair is None else list(edit.dragged_pairs(live_pair)).index(live_pair)
    return DragLoop(
        model.generator, latent_of(model, store, edit), pairs, mask, edit.settings, live_index, control=control
    )


def record_drag(
    model: Model, store: SessionStore, parent: Revision, number: int, drag: DragLoop, live_pair: int | None = None
) -> Iterator[DragStep | DragAtRest | DragRecorded]:
    """Run a drag of a revision and yield its events. Write a line for each step and now and then the steps' latents; at the
    end the drag's files, the images and the history.

    A write that fails does not end the drag: its result stays in `store`, and the last event says what is missing.
    """
    store.merge((parent,), parent.id)
    recording = _DragRecording(store, parent, number, drag, live_pair)
    yield from recording.events()
    yield recording.finish(model)


class _DragRecording:
    """One drag while it is recorded."""

    def __init__(
        self, store: SessionStore, parent: Revision, number: int, drag: DragLoop, live_pair: int | None
    ) -> None:
        self._store, self._parent, self._number, self._drag, self._live_pair = store, parent, number, drag, live_pair
        self._start_time = time.monotonic()
        self._start_ws = drag.start_ws.cpu().numpy()
        self._trajectory = TrajectoryRecorder(self._start_ws, drag.optimized_rows, drag.start_handles, drag.targets)
        self._problem: str | None = None
        self._end: DragEnd | None = None

    def events(self) -> Iterator[DragStep | DragAtRest]:
        """Run the drag, record each step, and yield all events but the last."""
        with ExitStack() as stack:
            try:
                directory = stack.enter_context(self._store.drag_directory(self._number))
            except DragganError as error:
                self._problem = str(error)
            for event in self._drag.steps():
                if isinstance(event, DragEnd):
                    self._end = event
                    return
                if isinstance(event, DragStep):
                    self._trajectory.record(event.step, event.ws.cpu().numpy(), event.handles, self._drag.targets)
                    try:
                        if self._problem is None:
                            directory.append_event(_step_fields(event))
                        if self._problem is None and self._trajectory.is_due:
                            record = self._record(event, "interrupted", time.monotonic() - self._start_time)
                            self._trajectory.write(directory.path, self._parent.id, record)
                    except DragganError as error:
                        self._problem = str(error)
                yield event

    def finish(self, model: Model) -> DragRecorded:
        """Add the drag's result to the session and write it."""
        end, store, parent = self._end, self._store, self._parent
        assert end is not None, "all events have been taken"
        record = self._record(end, end.reason, end.seconds)
        revision = Revision.of_drag(parent, record) if record.steps else None
        if revision is not None:
            store.add_drag(revision, self._start_ws, end.ws.cpu().numpy(), self._trajectory)
        edit = parent.edit if revision is None else revision.edit
        try:
            final_image = store.drag_directory(self._number).path / "final.png"
            store.write_drags()  # first, so that whatever happens next, a later engine finds the drag
            store.write()
            write_image(final_image, image_of(model, store, edit), model=store.model, edit=parent.edit)
            write_result(model, store, edit)
        except DragganError as error:
            self._problem = str(error)
        return DragRecorded(record, revision, edit, self._problem)

    def _record(self, event: DragStep | DragEnd, reason: Reason, seconds: float) -> DragRecord:
        drag, edit = self._drag, self._parent.edit
        pairs = tuple(
            DraggedPair(handle=handle, target=target, final=final, distance=distance(final, target))
            for handle, target, final in zip(drag.start_handles, drag.targets, event.handles, strict=True)
        )
        return DragRecord(
            number=self._number, source=edit.source, reason=reason, steps=event.step, seconds=seconds, pairs=pairs,
            settings=drag.settings, masked=edit.mask is not None, live=self._live_pair,
        )  # fmt: skip


def _step_fields(event: DragStep) -> dict[str, object]:
    """Return the fields of a step's line in events.jsonl."""
    return {
        "step": event.step,
        "loss": event.loss,
        "mean_distance": event.mean_distance,
        "handles": [list(point) for point in event.handles],
    }
