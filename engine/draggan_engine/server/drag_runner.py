"""Run a drag and record it in the session's directory. The engine process and the command line use the same iterator."""

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
from draggan_engine.storage.trajectory import DEFAULT_WRITE_PACE, TrajectoryRecorder, WritePace

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
    mask_array = None if edit.mask is None else edit.mask.to_array()
    live_index = None if live_pair is None else list(edit.dragged_pairs(live_pair)).index(live_pair)
    return DragLoop(
        model.generator_of(edit.source),
        latent_of(model, store, edit),
        pairs,
        mask_array,
        edit.settings,
        live_index,
        control=control,
        original_ws=latent_of(model, store, edit.before_drags),
    )


def record_drag(
    model: Model,
    store: SessionStore,
    parent: Revision,
    drag_number: int,
    drag: DragLoop,
    live_pair: int | None = None,
    write_pace: WritePace = DEFAULT_WRITE_PACE,
) -> Iterator[DragStep | DragAtRest | DragRecorded]:
    """Run a drag of a revision and yield its events. Write a line for each step and, from time to time, the steps' latents; at
    the end, write the drag's files, the images and the history.

    A write that fails does not end the drag: its result stays in `store`, and the last event says what is missing.
    """
    store.merge((parent,), parent.id)
    recording = _DragRecording(store, parent, drag_number, drag, live_pair, write_pace)
    yield from recording.events()
    yield recording.finish(model)


class _DragRecording:
    """One drag while it is recorded."""

    def __init__(
        self,
        store: SessionStore,
        parent: Revision,
        drag_number: int,
        drag: DragLoop,
        live_pair: int | None,
        write_pace: WritePace,
    ) -> None:
        self._session_store, self._parent_revision, self._drag_number = store, parent, drag_number
        self._drag_loop, self._live_pair = drag, live_pair
        self._start_time = time.monotonic()
        self._start_ws = drag.start_ws.cpu().numpy()
        self._trajectory_recorder = TrajectoryRecorder(
            self._start_ws, drag.optimized_rows, drag.start_handles, drag.targets, write_pace
        )
        self._write_problem: str | None = None
        self._drag_end: DragEnd | None = None

    def events(self) -> Iterator[DragStep | DragAtRest]:
        """Run the drag, record each step, and yield all events but the last."""
        with ExitStack() as exit_stack:
            try:
                drag_directory = exit_stack.enter_context(self._session_store.drag_directory(self._drag_number))
            except DragganError as write_error:
                self._write_problem = str(write_error)
            for drag_event in self._drag_loop.steps():
                if isinstance(drag_event, DragEnd):
                    self._drag_end = drag_event
                    return
                if isinstance(drag_event, DragStep):
                    self._trajectory_recorder.record(
                        drag_event.step, drag_event.ws.cpu().numpy(), drag_event.handles, self._drag_loop.targets
                    )
                    try:
                        if self._write_problem is None:
                            drag_directory.append_event(_step_fields(drag_event))
                        if self._write_problem is None and self._trajectory_recorder.is_due:
                            drag_record = self._record(drag_event, "interrupted", time.monotonic() - self._start_time)
                            self._trajectory_recorder.write(drag_directory.path, self._parent_revision.id, drag_record)
                    except DragganError as write_error:
                        self._write_problem = str(write_error)
                yield drag_event

    def finish(self, model: Model) -> DragRecorded:
        """Add the drag's result to the session and write it."""
        drag_end, store, parent = self._drag_end, self._session_store, self._parent_revision
        assert drag_end is not None, "all events have been taken"
        drag_record = self._record(drag_end, drag_end.reason, drag_end.seconds)
        revision = Revision.of_drag(parent, drag_record) if drag_record.steps else None
        if revision is not None:
            store.add_drag(revision, self._start_ws, drag_end.ws.cpu().numpy(), self._trajectory_recorder)
        edit = parent.edit if revision is None else revision.edit
        try:
            final_image = store.drag_directory(self._drag_number).path / "final.png"
            store.write_drags()  # first, so that whatever happens next, a later engine finds the drag
            store.write()
            write_image(final_image, image_of(model, store, edit), model=store.model, edit=parent.edit)
            write_result(model, store, edit)
        except DragganError as write_error:
            self._write_problem = str(write_error)
        return DragRecorded(drag_record, revision, edit, self._write_problem)

    def _record(self, last_event: DragStep | DragEnd, end_reason: Reason, drag_seconds: float) -> DragRecord:
        drag, edit = self._drag_loop, self._parent_revision.edit
        pairs = tuple(
            DraggedPair(handle=handle, target=target, final=final, distance=distance(final, target))
            for handle, target, final in zip(drag.start_handles, drag.targets, last_event.handles, strict=True)
        )
        return DragRecord(
            number=self._drag_number, source=edit.source, reason=end_reason, steps=last_event.step,
            seconds=drag_seconds, pairs=pairs, settings=drag.settings, masked=edit.mask is not None, live=self._live_pair,
        )  # fmt: skip


def _step_fields(drag_step: DragStep) -> dict[str, object]:
    """Return the fields of a step's line in events.jsonl."""
    return {
        "step": drag_step.step,
        "loss": drag_step.loss,
        "mean_distance": drag_step.mean_distance,
        "handles": [list(point) for point in drag_step.handles],
        "sigma": drag_step.sigma,
        "is_fallback": drag_step.is_fallback,
    }
