"""Going through the history: from state to state, and within a drag from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from draggan_engine.core.edit import Edit
from draggan_engine.core.history import DragPath, DragRecord, Entry, History, between

Paths = Mapping[int, DragPath]
"""By the number of the drag; only those that have been read."""


@dataclass(frozen=True)
class Place:
    """Where one is in the history: at its present entry, or within the drag that led there, `inner` kept steps on its
    way (0 < inner < the last)."""

    history: History
    inner: int | None = None

    def edit(self, paths: Paths) -> Edit:
        """What is seen there."""
        present = self.history.present
        record = way(self.history, present)
        if self.inner is None or record is None or present.parent is None:
            return present.edit
        return between(self.history.entries[present.parent], record, paths[record.number], self.inner)

    def landed(self, paths: Paths) -> History:
        """The history with this place as its present entry: within a drag, a branch begins there."""
        if self.inner is None:
            return self.history
        return self.history.change(self.edit(paths), parent=self.history.present.parent)

    def forward(self, paths: Paths) -> Place:
        """One step, or one entry where there are no steps; the same place at the end."""
        last = last_step(self.history, paths)
        if self.inner is not None:
            return Place(self.history, self.inner + 1 if self.inner + 1 < last else None)
        history = self.history.redo()
        moved = history.at != self.history.at
        return Place(history, 1 if moved and last_step(history, paths) > 1 else None)

    def back(self, paths: Paths) -> Place:
        """One step, or one entry where there are no steps; the same place at the beginning."""
        inner = last_step(self.history, paths) if self.inner is None else self.inner
        return Place(self.history, inner - 1) if inner > 1 else Place(self.history.undo())


def way(history: History, entry: Entry) -> DragRecord | None:
    """The drag whose steps led to an entry: all of them, or where a branch began within it, the first of them."""
    if entry.record is not None or entry.parent is None or entry.edit.step is None:
        return entry.record
    if history.entries[entry.parent].edit.source == entry.edit.source:
        return None
    drag = history.entries.get(-entry.edit.latent)
    return None if drag is None else drag.record


def last_step(history: History, paths: Paths) -> int:
    """The index of the last kept step on the way to the present entry; 0 for what is no drag, or one whose steps were not
    kept."""
    present = history.present
    record = way(history, present)
    if record is None or record.number not in paths:
        return 0
    steps = paths[record.number].steps
    if present.record is None and present.edit.step in steps:
        return steps.index(present.edit.step)
    return max(len(steps) - 1, 0)


def unread(history: History, paths: Paths) -> tuple[int, ...]:
    """The drags on the present line whose ways have not been read."""
    numbers = dict.fromkeys(record.number for entry in history.line if (record := way(history, entry)) is not None)
    return tuple(number for number in numbers if number not in paths)


def nearest_drag(place: Place, direction: int) -> Place:
    """The next place on the line (1), or the one before (-1), where a drag begins or ends; the same if there is none."""
    history = place.history
    if place.inner is not None and direction > 0:
        return Place(history)
    ends = {entry.id for entry in history.line if way(history, entry) is not None}
    stops = ends | {history.entries[id].parent for id in ends}
    move = History.redo if direction > 0 else History.undo
    while (further := move(history)).at != history.at:
        history = further
        if history.at in stops:
            return Place(history)
    return place
