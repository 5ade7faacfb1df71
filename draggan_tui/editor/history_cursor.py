"""A place in the history: a revision, or a step within the drag that led to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from draggan_engine.core.edit import Edit
from draggan_engine.core.history import DragRecord, History, Revision, Trajectory, edit_at_step

Trajectories = Mapping[int, Trajectory]
"""By drag number; only those that have been read."""


@dataclass(frozen=True)
class HistoryCursor:
    """The history's current revision; or, if `step_index` is given, that kept step of the drag that led to it
    (0 < step_index < the last)."""

    history: History
    step_index: int | None = None

    def edit(self, trajectories: Trajectories) -> Edit:
        """Return the edit at this place."""
        revision = self.history.current_revision
        drag_record = drag_leading_to(self.history, revision)
        if self.step_index is None or drag_record is None or revision.parent is None:
            return revision.edit
        parent_revision = self.history.revisions[revision.parent]
        return edit_at_step(parent_revision, drag_record, trajectories[drag_record.number], self.step_index)

    def history_from_here(self, trajectories: Trajectories) -> History:
        """Return the history with this place as its current revision: within a drag, a branch begins here."""
        if self.step_index is None:
            return self.history
        return self.history.change(self.edit(trajectories), parent=self.history.current_revision.parent)

    def forward(self, trajectories: Trajectories) -> HistoryCursor:
        """Return the next step, or the next revision if there are no steps between; the same place at the end."""
        last_index = last_step_index(self.history, trajectories)
        if self.step_index is not None:
            return HistoryCursor(self.history, self.step_index + 1 if self.step_index + 1 < last_index else None)
        history = self.history.redo()
        has_moved = history.current != self.history.current
        return HistoryCursor(history, 1 if has_moved and last_step_index(history, trajectories) > 1 else None)

    def back(self, trajectories: Trajectories) -> HistoryCursor:
        """Return the previous step, or the previous revision if there are no steps between; the same place at the
        beginning."""
        step_index = last_step_index(self.history, trajectories) if self.step_index is None else self.step_index
        return HistoryCursor(self.history, step_index - 1) if step_index > 1 else HistoryCursor(self.history.undo())


def drag_leading_to(history: History, revision: Revision) -> DragRecord | None:
    """Return the drag whose steps led to a revision: all of its steps, or the first ones if a branch began within it."""
    image_source = revision.edit.source
    if revision.record is not None or revision.parent is None or image_source.drag is None or image_source.step is None:
        return revision.record
    if history.revisions[revision.parent].edit.source == image_source:
        return None
    end_of_drag = history.drag_result(image_source.drag)
    return None if end_of_drag is None else end_of_drag.record


def last_step_index(history: History, trajectories: Trajectories) -> int:
    """Return the index of the last kept step on the way to the current revision; 0 if no drag led to it, or if the drag's
    steps were not kept."""
    revision = history.current_revision
    drag_record = drag_leading_to(history, revision)
    if drag_record is None or drag_record.number not in trajectories:
        return 0
    kept_steps = trajectories[drag_record.number].steps
    if revision.record is None and revision.edit.source.step in kept_steps:
        return kept_steps.index(revision.edit.source.step)
    return max(len(kept_steps) - 1, 0)


def unread_drags(history: History, trajectories: Trajectories) -> tuple[int, ...]:
    """Return the numbers of the drags on the timeline whose trajectories have not been read."""
    drag_records = (drag_leading_to(history, revision) for revision in history.timeline)
    drag_numbers = dict.fromkeys(drag_record.number for drag_record in drag_records if drag_record is not None)
    return tuple(drag_number for drag_number in drag_numbers if drag_number not in trajectories)


def next_drag_end(history_cursor: HistoryCursor, direction: int) -> HistoryCursor:
    """Return the next (1) or previous (-1) place on the timeline where a drag begins or ends; the same place if there is
    none."""
    history = history_cursor.history
    if history_cursor.step_index is not None and direction > 0:
        return HistoryCursor(history)
    end_ids = {revision.id for revision in history.timeline if drag_leading_to(history, revision) is not None}
    stop_ids = end_ids | {history.revisions[id].parent for id in end_ids}
    move = History.redo if direction > 0 else History.undo
    while (moved_history := move(history)).current != history.current:
        history = moved_history
        if history.current in stop_ids:
            return HistoryCursor(history)
    return history_cursor
