"""Going through the history: from state to state, and within a drag from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from draggan_engine.core.edit import Edit
from draggan_engine.core.history import DragRecord, History, Revision, Trajectory, edit_at_step

Trajectories = Mapping[int, Trajectory]
"""By the number of the drag; only those that have been read."""


@dataclass(frozen=True)
class HistoryCursor:
    """Where one is in the history: at its present entry, or within the drag that led there, `step_index` kept steps on its
    way (0 < step_index < the last)."""

    history: History
    step_index: int | None = None

    def edit(self, paths: Trajectories) -> Edit:
        """What is seen there."""
        present = self.history.current_revision
        record = drag_leading_to(self.history, present)
        if self.step_index is None or record is None or present.parent is None:
            return present.edit
        return edit_at_step(self.history.revisions[present.parent], record, paths[record.number], self.step_index)

    def landed(self, paths: Trajectories) -> History:
        """The history with this place as its present entry: within a drag, a branch begins there."""
        if self.step_index is None:
            return self.history
        return self.history.change(self.edit(paths), parent=self.history.current_revision.parent)

    def forward(self, paths: Trajectories) -> HistoryCursor:
        """One step, or one entry where there are no steps; the same place at the end."""
        last = last_step(self.history, paths)
        if self.step_index is not None:
            return HistoryCursor(self.history, self.step_index + 1 if self.step_index + 1 < last else None)
        history = self.history.redo()
        moved = history.current != self.history.current
        return HistoryCursor(history, 1 if moved and last_step(history, paths) > 1 else None)

    def back(self, paths: Trajectories) -> HistoryCursor:
        """One step, or one entry where there are no steps; the same place at the beginning."""
        step_index = last_step(self.history, paths) if self.step_index is None else self.step_index
        return HistoryCursor(self.history, step_index - 1) if step_index > 1 else HistoryCursor(self.history.undo())


def drag_leading_to(history: History, entry: Revision) -> DragRecord | None:
    """The drag whose steps led to an entry: all of them, or where a branch began within it, the first of them."""
    source = entry.edit.source
    if entry.record is not None or entry.parent is None or source.drag is None or source.step is None:
        return entry.record
    if history.revisions[entry.parent].edit.source == source:
        return None
    drag = history.drag_result(source.drag)
    return None if drag is None else drag.record


def last_step(history: History, paths: Trajectories) -> int:
    """The index of the last kept step on the way to the present entry; 0 for what is no drag, or one whose steps were not
    kept."""
    present = history.current_revision
    record = drag_leading_to(history, present)
    if record is None or record.number not in paths:
        return 0
    steps = paths[record.number].steps
    if present.record is None and present.edit.source.step in steps:
        return steps.index(present.edit.source.step)
    return max(len(steps) - 1, 0)


def unread(history: History, paths: Trajectories) -> tuple[int, ...]:
    """The drags on the present line whose ways have not been read."""
    numbers = dict.fromkeys(
        record.number for entry in history.timeline if (record := drag_leading_to(history, entry)) is not None
    )
    return tuple(number for number in numbers if number not in paths)


def nearest_drag(place: HistoryCursor, direction: int) -> HistoryCursor:
    """The next place on the line (1), or the one before (-1), where a drag begins or ends; the same if there is none."""
    history = place.history
    if place.step_index is not None and direction > 0:
        return HistoryCursor(history)
    ends = {entry.id for entry in history.timeline if drag_leading_to(history, entry) is not None}
    stops = ends | {history.revisions[id].parent for id in ends}
    move = History.redo if direction > 0 else History.undo
    while (further := move(history)).current != history.current:
        history = further
        if history.current in stops:
            return HistoryCursor(history)
    return place
