"""The history of an edit: every state that it has had, as a tree of revisions.

Undo goes to the parent of a revision. A change that is made there begins a new branch. A finished drag is one revision; the
states between its steps are not in the tree: `edit_at_step` makes them from the drag's trajectory.
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
from .revision_id import DragRevisionId, RevisionId, StoredRevisionId

Reason = Literal["reached", "settled", "max_steps", "stopped", "diverged", "interrupted"]


class DraggedPair(FrozenModel):
    """A pair after a drag: where its handle started, its target, and where the handle ended."""

    handle: FinitePoint
    target: FinitePoint
    final: FinitePoint
    distance: float = Field(description="pixels left between final and target")


class DragRecord(WithLatentRef):
    """A finished drag. A `settled` one ended because its handles came no nearer to their targets, and an `interrupted` one
    at the last step that was on the disk when its engine was killed."""

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
    live: int | None = Field(None, ge=0, description="index of the pair whose target followed the pointer")


class Trajectory(FrozenModel):
    """The kept steps of a drag, 0 first, and where the handles were after each."""

    number: int
    steps: tuple[int, ...]
    handles: tuple[tuple[FinitePoint, ...], ...]


class Revision(FrozenModel):
    """A state of the edit."""

    id: StoredRevisionId
    parent: StoredRevisionId | None = Field(None, description="none: the first revision")
    edit: Edit
    record: DragRecord | None = Field(None, description="the drag that led to it")

    @classmethod
    def of_drag(cls, parent: Revision, record: DragRecord) -> Revision:
        """Return the result of a drag on `parent`."""
        end_points = [(pair.target, pair.final) for pair in record.pairs]
        edit = parent.edit.after_drag(record.number, end_points, record.live)
        return cls(id=DragRevisionId(record.number), parent=parent.id, edit=edit, record=record)


@dataclass(frozen=True)
class History:
    """The tree of revisions, and the current one.

    Attributes:
        revisions: all of them by id, parents before children.
        current: the id of the revision that is being edited.
        last_child: for each revision that has children, the one to which redo goes: the one visited last.
    """

    revisions: Mapping[RevisionId, Revision]
    current: RevisionId
    last_child: Mapping[RevisionId, RevisionId] = field(default_factory=dict)

    @classmethod
    def of(cls, edit: Edit) -> History:
        """Return a history that begins with an edit."""
        return cls({0: Revision(id=0, edit=edit)}, 0)

    @property
    def current_revision(self) -> Revision:
        return self.revisions[self.current]

    @property
    def edit(self) -> Edit:
        return self.current_revision.edit

    def change(self, edit: Edit, parent: RevisionId | None = None) -> History:
        """Add an edit as a new revision and make it the current one.

        Args:
            parent: the id of its parent; None: the current revision, and then an equal edit changes nothing.
        """
        if parent is None and edit == self.edit:
            return self
        new_id = 1 + max(id for id in self.revisions if not isinstance(id, DragRevisionId))
        revision = Revision(id=new_id, parent=self.current if parent is None else parent, edit=edit)
        return self.merge([revision]).jump_to(revision.id)

    def merge(self, revisions: Iterable[Revision]) -> History:
        """Add those of the revisions that are missing; the current one stays.

        Raises:
            EditError: a revision has a parent that is not in the history.
        """
        merged_revisions, last_child = dict(self.revisions), dict(self.last_child)
        for revision in revisions:
            if revision.id in merged_revisions:
                continue
            if revision.parent not in merged_revisions:
                raise EditError(f"history: revision {revision.id} has no parent; continue from an earlier one")
            merged_revisions[revision.id] = revision
            last_child.setdefault(revision.parent, revision.id)
        return replace(self, revisions=merged_revisions, last_child=last_child)

    def jump_to(self, id: RevisionId) -> History:
        """Make any revision the current one; redo then leads to it from each of its ancestors.

        Raises:
            EditError: there is no such revision.
        """
        if id not in self.revisions:
            raise EditError(f"history: there is no revision {id}")
        last_child = dict(self.last_child)
        revision = self.revisions[id]
        while revision.parent is not None:
            last_child[revision.parent] = revision.id
            revision = self.revisions[revision.parent]
        return replace(self, current=id, last_child=last_child)

    def undo(self) -> History:
        """Go to the parent; at the first revision return the same history."""
        parent = self.current_revision.parent
        return self if parent is None else self.jump_to(parent)

    def redo(self) -> History:
        """Go to the child that was visited last; at the end of a branch return the same history."""
        child_id = self.last_child.get(self.current)
        return self if child_id is None else self.jump_to(child_id)

    @property
    def lineage(self) -> tuple[Revision, ...]:
        """The revisions from the first to the current one."""
        reversed_lineage = [self.current_revision]
        while (parent := reversed_lineage[-1].parent) is not None:
            reversed_lineage.append(self.revisions[parent])
        return tuple(reversed(reversed_lineage))

    @property
    def timeline(self) -> tuple[Revision, ...]:
        """The revisions from the first through the current one to where redo ends."""
        branch_revisions = list(self.lineage)
        while (child_id := self.last_child.get(branch_revisions[-1].id)) is not None:
            branch_revisions.append(self.revisions[child_id])
        return tuple(branch_revisions)

    @property
    def leaves(self) -> tuple[Revision, ...]:
        """The ends of the branches, in the order in which they were made."""
        parent_ids = {revision.parent for revision in self.revisions.values()}
        return tuple(revision for revision in self.revisions.values() if revision.id not in parent_ids)

    @property
    def drag_records(self) -> tuple[DragRecord, ...]:
        """The records of all drags, by number."""
        drag_records = (revision.record for revision in self.revisions.values() if revision.record is not None)
        return tuple(sorted(drag_records, key=lambda record: record.number))

    def drag_result(self, number: int) -> Revision | None:
        """Return the result of a drag; None if the history does not have it."""
        return self.revisions.get(DragRevisionId(number))

    def missing_from(self, revision_ids: Iterable[RevisionId]) -> tuple[Revision, ...]:
        """Return the revisions whose ids are not among `revision_ids`."""
        excluded_ids = set(revision_ids)
        return tuple(revision for id, revision in self.revisions.items() if id not in excluded_ids)


def edit_at_step(parent: Revision, record: DragRecord, trajectory: Trajectory, step_index: int) -> Edit:
    """Return the edit after a kept step of a drag on `parent`.

    Args:
        step_index: of the step in the trajectory; 0 is the start of the drag.
    """
    targets = [pair.target for pair in record.pairs]
    end_points: Sequence[tuple[Point, Point]] = list(zip(targets, trajectory.handles[step_index], strict=True))
    edit = parent.edit.after_drag(trajectory.number, end_points, record.live)
    return edit.with_source(edit.source.after_drag(trajectory.number, trajectory.steps[step_index]))
