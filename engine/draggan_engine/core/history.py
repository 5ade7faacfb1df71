"""The history: every state that the edit has had, as a tree. Undo goes to the parent; what is changed there begins a branch.

A drag that is over is one entry. The states between its steps are not in the tree: `between` makes them from what the
drag's folder keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import Field

from .edit import DragSettings, Edit, FinitePoint
from .errors import EditError
from .frozen_model import FrozenModel
from .geometry import Point
from .latent_ref import LatentRef, WithLatentRef

Reason = Literal["reached", "max_steps", "stopped", "diverged", "interrupted"]


class DraggedPair(FrozenModel):
    """A pair after a drag: where it started, where it should go, where it arrived."""

    handle: FinitePoint
    target: FinitePoint
    final: FinitePoint
    distance: float = Field(description="pixels left between final and target")


class DragRecord(WithLatentRef):
    """One finished drag. `interrupted`: its engine died; it ends at the last step that was on disk."""

    drag_name = "start"
    step_name = "start_step"
    required_names = ("start", "seed", "psi")

    number: int = Field(ge=1)
    source: LatentRef = Field(description="what the drag started from")
    reason: Reason
    steps: int
    seconds: float
    pairs: tuple[DraggedPair, ...]
    settings: DragSettings = Field(description="as the drag used them: `precision` may differ from the edit's")
    masked: bool
    live: int | None = Field(None, ge=0, description="index of the pair whose target followed the hand")


class Trajectory(FrozenModel):
    """What is kept of the way of a drag: the numbers of the steps, 0 first, and where the handles were after each."""

    number: int
    steps: tuple[int, ...]
    handles: tuple[tuple[FinitePoint, ...], ...]


class Revision(FrozenModel):
    """A state of the edit. Those that a person makes count up from 0; that of drag n, which the engine makes, is −n."""

    id: int
    parent: int | None = Field(None, description="none: the first one")
    edit: Edit
    record: DragRecord | None = Field(None, description="the drag that led to it")

    @classmethod
    def of_drag(cls, parent: Revision, record: DragRecord) -> Revision:
        """What drag `record` made of its parent."""
        arrived = [(pair.target, pair.final) for pair in record.pairs]
        edit = parent.edit.after_drag(record.number, arrived, record.live)
        return cls(id=-record.number, parent=parent.id, edit=edit, record=record)


@dataclass(frozen=True)
class History:
    """The tree, and where in it one is. Immutable.

    Attributes:
        revisions: all of them by id, parents before children.
        current: the id of the revision that is being edited.
        last_child: for each revision that has children, the one to which redo goes: the one visited last.
    """

    revisions: Mapping[int, Revision]
    current: int
    last_child: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, edit: Edit) -> History:
        """The history that begins with an edit."""
        return cls({0: Revision(id=0, edit=edit)}, 0)

    @property
    def current_revision(self) -> Revision:
        return self.revisions[self.current]

    @property
    def edit(self) -> Edit:
        return self.current_revision.edit

    def change(self, edit: Edit, parent: int | None = None) -> History:
        """A new present, child of the present one (or of `parent`). The same edit again changes nothing."""
        if parent is None and edit == self.edit:
            return self
        entry = Revision(id=max(self.revisions) + 1, parent=self.current if parent is None else parent, edit=edit)
        return self.merge([entry]).jump_to(entry.id)

    def merge(self, revisions: Iterable[Revision]) -> History:
        """Return the history with those of the revisions that it does not hold yet; the current one stays.

        Raises:
            EditError: a revision has a parent that is not in the history.
        """
        merged, last_child = dict(self.revisions), dict(self.last_child)
        for revision in revisions:
            if revision.id in merged:
                continue
            if revision.parent not in merged:
                raise EditError(f"history: revision {revision.id} has no parent; go on from an earlier one")
            merged[revision.id] = revision
            last_child.setdefault(revision.parent, revision.id)
        return replace(self, revisions=merged, last_child=last_child)

    def jump_to(self, id: int) -> History:
        """To an entry, wherever in the tree; redo then leads along the way that one came.

        Raises:
            EditError: there is no such entry.
        """
        if id not in self.revisions:
            raise EditError(f"history: there is no revision {id}")
        onward = dict(self.last_child)
        child = self.revisions[id]
        while child.parent is not None:
            onward[child.parent] = child.id
            child = self.revisions[child.parent]
        return replace(self, current=id, last_child=onward)

    def undo(self) -> History:
        """To the parent, or the same history at its beginning."""
        parent = self.current_revision.parent
        return self if parent is None else self.jump_to(parent)

    def redo(self) -> History:
        """To the child that one came from last, or the same history at its end."""
        child = self.last_child.get(self.current)
        return self if child is None else self.jump_to(child)

    @property
    def lineage(self) -> tuple[Revision, ...]:
        """From the first entry to the present one."""
        back = [self.current_revision]
        while (parent := back[-1].parent) is not None:
            back.append(self.revisions[parent])
        return tuple(reversed(back))

    @property
    def timeline(self) -> tuple[Revision, ...]:
        """From the first entry over the present one to where redo ends."""
        line = list(self.lineage)
        while (child := self.last_child.get(line[-1].id)) is not None:
            line.append(self.revisions[child])
        return tuple(line)

    @property
    def leaves(self) -> tuple[Revision, ...]:
        """Where the branches end, in the order in which they were made."""
        parents = {entry.parent for entry in self.revisions.values()}
        return tuple(entry for entry in self.revisions.values() if entry.id not in parents)

    @property
    def drag_records(self) -> tuple[DragRecord, ...]:
        """All drags, by number."""
        found = (entry.record for entry in self.revisions.values() if entry.record is not None)
        return tuple(sorted(found, key=lambda record: record.number))

    def missing_from(self, ids: Iterable[int]) -> tuple[Revision, ...]:
        """The entries that are not among those."""
        left_out = set(ids)
        return tuple(entry for id, entry in self.revisions.items() if id not in left_out)


def edit_at_step(parent: Revision, record: DragRecord, path: Trajectory, index: int) -> Edit:
    """The edit after one of the kept steps of a drag on `parent`; `index` counts in the path, 0 is the start."""
    targets = [pair.target for pair in record.pairs]
    arrived: Sequence[tuple[Point, Point]] = list(zip(targets, path.handles[index], strict=True))
    edit = parent.edit.after_drag(path.number, arrived, record.live)
    return edit.with_source(edit.source.after_drag(path.number, path.steps[index]))
