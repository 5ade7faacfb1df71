"""The history: every state that the edit has had, as a tree. Undo goes to the parent; what is changed there begins a branch.

A drag that is over is one entry. The states between its steps are not in the tree: `between` makes them from what the
drag's folder keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import Field

from .edit import Document, DragSettings, Edit, FinitePoint
from .errors import EditError
from .geometry import Point

Reason = Literal["reached", "max_steps", "stopped", "diverged", "interrupted"]


class DraggedPair(Document):
    """A pair after a drag: where it started, where it should go, where it arrived."""

    handle: FinitePoint
    target: FinitePoint
    final: FinitePoint
    distance: float = Field(description="pixels left between final and target")


class DragRecord(Document):
    """One finished drag. `interrupted`: its engine died; it ends at the last step that was on disk."""

    number: int = Field(ge=1, description="also the id of the latent it ended with")
    start: int = Field(ge=0, description="id of the latent it started from")
    start_step: int | None = Field(None, description="of the drag that made that: after this step, not its end")
    seed: int
    psi: float
    label: int = 0
    given: bool = False
    reason: Reason
    steps: int
    seconds: float
    pairs: tuple[DraggedPair, ...]
    settings: DragSettings = Field(description="as the drag used them: `precision` may differ from the edit's")
    masked: bool
    live: int | None = Field(None, ge=0, description="index of the pair whose target followed the hand")


class DragPath(Document):
    """What is kept of the way of a drag: the numbers of the steps, 0 first, and where the handles were after each."""

    number: int
    steps: tuple[int, ...]
    handles: tuple[tuple[FinitePoint, ...], ...]


class Entry(Document):
    """A state of the edit. Those that a person makes count up from 0; that of drag n, which the engine makes, is −n."""

    id: int
    parent: int | None = Field(None, description="none: the first one")
    edit: Edit
    record: DragRecord | None = Field(None, description="the drag that led to it")

    @classmethod
    def of_drag(cls, parent: Entry, record: DragRecord) -> Entry:
        """What drag `record` made of its parent."""
        arrived = [(pair.target, pair.final) for pair in record.pairs]
        edit = parent.edit.after_drag(record.number, arrived, record.live)
        return cls(id=-record.number, parent=parent.id, edit=edit, record=record)


@dataclass(frozen=True)
class History:
    """The tree, and where in it one is. Immutable.

    Attributes:
        entries: by id, parents before children.
        at: id of the present one.
        onward: entry → the child to which redo goes: the one that was stood on last.
    """

    entries: Mapping[int, Entry]
    at: int
    onward: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, edit: Edit) -> History:
        """The history that begins with an edit."""
        return cls({0: Entry(id=0, edit=edit)}, 0)

    @property
    def present(self) -> Entry:
        return self.entries[self.at]

    @property
    def edit(self) -> Edit:
        return self.present.edit

    def change(self, edit: Edit, parent: int | None = None) -> History:
        """A new present, child of the present one (or of `parent`). The same edit again changes nothing."""
        if parent is None and edit == self.edit:
            return self
        entry = Entry(id=max(self.entries) + 1, parent=self.at if parent is None else parent, edit=edit)
        return self.adopt([entry]).go(entry.id)

    def adopt(self, entries: Iterable[Entry]) -> History:
        """With those of the entries that were not there; one stays where one is.

        Raises:
            EditError: one of them has a parent that is not there.
        """
        known, onward = dict(self.entries), dict(self.onward)
        for entry in entries:
            if entry.id in known:
                continue
            if entry.parent not in known:
                raise EditError(f"history: entry {entry.id} has no parent; go on from an earlier one")
            known[entry.id] = entry
            onward.setdefault(entry.parent, entry.id)
        return replace(self, entries=known, onward=onward)

    def go(self, id: int) -> History:
        """To an entry, wherever in the tree; redo then leads along the way that one came.

        Raises:
            EditError: there is no such entry.
        """
        if id not in self.entries:
            raise EditError(f"history: there is no entry {id}")
        onward = dict(self.onward)
        child = self.entries[id]
        while child.parent is not None:
            onward[child.parent] = child.id
            child = self.entries[child.parent]
        return replace(self, at=id, onward=onward)

    def undo(self) -> History:
        """To the parent, or the same history at its beginning."""
        parent = self.present.parent
        return self if parent is None else self.go(parent)

    def redo(self) -> History:
        """To the child that one came from last, or the same history at its end."""
        child = self.onward.get(self.at)
        return self if child is None else self.go(child)

    @property
    def behind(self) -> tuple[Entry, ...]:
        """From the first entry to the present one."""
        back = [self.present]
        while (parent := back[-1].parent) is not None:
            back.append(self.entries[parent])
        return tuple(reversed(back))

    @property
    def line(self) -> tuple[Entry, ...]:
        """From the first entry over the present one to where redo ends."""
        line = list(self.behind)
        while (child := self.onward.get(line[-1].id)) is not None:
            line.append(self.entries[child])
        return tuple(line)

    @property
    def tips(self) -> tuple[Entry, ...]:
        """Where the branches end, in the order in which they were made."""
        parents = {entry.parent for entry in self.entries.values()}
        return tuple(entry for entry in self.entries.values() if entry.id not in parents)

    @property
    def records(self) -> tuple[DragRecord, ...]:
        """All drags, by number."""
        found = (entry.record for entry in self.entries.values() if entry.record is not None)
        return tuple(sorted(found, key=lambda record: record.number))

    def since(self, known: Iterable[int]) -> tuple[Entry, ...]:
        """The entries that are not among those."""
        left_out = set(known)
        return tuple(entry for id, entry in self.entries.items() if id not in left_out)


def between(parent: Entry, record: DragRecord, path: DragPath, index: int) -> Edit:
    """The edit after one of the kept steps of a drag on `parent`; `index` counts in the path, 0 is the start."""
    targets = [pair.target for pair in record.pairs]
    arrived: Sequence[tuple[Point, Point]] = list(zip(targets, path.handles[index], strict=True))
    edit = parent.edit.after_drag(path.number, arrived, record.live)
    return edit.model_copy(update={"step": path.steps[index]})
