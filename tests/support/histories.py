"""Histories to show and to describe: drags and changes on an edit with one pair."""

from __future__ import annotations

from draggan_engine.core.edit import DragSettings, Edit, PointPair
from draggan_engine.core.geometry import Point
from draggan_engine.core.history import DraggedPair, DragRecord, History, Revision, Trajectory
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.revision_id import DragRevisionId

PAIR = PointPair(handle=(10, 10), target=(20, 10))
START = Edit(model="toy", source=LatentRef(seed=42), pairs=(PAIR,))


def with_drag(history: History, steps: int, live: int | None = None) -> History:
    """Return the history with a drag of `steps` steps on the present revision."""
    parent = history.current_revision
    points: tuple[Point, Point] = (20, 10), (19, 10)
    pairs = (DraggedPair(handle=parent.edit.pairs[0].handle, target=points[0], final=points[1], distance=1),)
    record = DragRecord(
        number=len(history.drag_records) + 1, source=LatentRef(drag=parent.edit.source.drag, seed=42, psi=1), reason="reached", steps=steps, seconds=1, pairs=pairs,
        settings=DragSettings(), masked=False, live=live,
    )  # fmt: skip
    return history.merge([Revision.of_drag(parent, record)]).jump_to(DragRevisionId(record.number))


def with_change(history: History, **fields: object) -> History:
    """Return the history after a change of fields of the edit, or of its source."""
    source_fields = {name: value for name, value in fields.items() if name in LatentRef.model_fields}
    edit_fields = {name: value for name, value in fields.items() if name not in source_fields}
    edit = history.edit.with_source(history.edit.source.model_copy(update=source_fields))
    return history.change(edit.model_copy(update=edit_fields))


def trajectory(number: int, *steps: int) -> Trajectory:
    return Trajectory(number=number, steps=steps, handles=tuple(((10.0 + i, 10.0),) for i in range(len(steps))))
