"""The tree of states, and the states between the steps of a drag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draggan_engine.core.edit import DragSettings, Edit, PointPair
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point
from draggan_engine.core.history import DraggedPair, DragRecord, History, Revision, Trajectory, edit_at_step
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.revision_id import DragRevisionId

PAIR = PointPair(handle=(10, 10), target=(20, 10))
DISABLED = PointPair(handle=(1, 1), target=(2, 2), enabled=False)
INCOMPLETE = PointPair(handle=(5, 5))
START = Edit(model="toy", source=LatentRef(seed=1))


def seed(number: int) -> Edit:
    return Edit(model="toy", source=LatentRef(seed=number))


def record(number: int, pairs: list[tuple[Point, Point, Point]], live: int | None = None) -> DragRecord:
    """Return the record of a drag of pairs (handle, target, final)."""
    dragged = tuple(DraggedPair(handle=h, target=t, final=f, distance=0) for h, t, f in pairs)
    return DragRecord(
        number=number, source=LatentRef(seed=1, psi=1), reason="reached", steps=4, seconds=1, pairs=dragged, settings=DragSettings(), masked=False,
        live=live,
    )  # fmt: skip


@pytest.fixture
def tree() -> History:
    """0 ─ 1 ─ 2 ─ 3, and from 1 also 4 ─ 5; 5 is the current revision."""
    history = History.of(seed(0))
    for number in (1, 2, 3):
        history = history.change(seed(number))
    for number in (4, 5):
        history = (history.jump_to(1) if number == 4 else history).change(seed(number))
    return history


def ids(revisions: tuple[Revision, ...]) -> list[int]:
    return [revision.id for revision in revisions]


def test_a_history_begins_with_one_revision() -> None:
    history = History.of(START)
    assert (history.edit, history.current, ids(history.timeline), ids(history.leaves)) == (START, 0, [0], [0])
    assert history.undo() is history
    assert history.redo() is history


def test_an_equal_edit_changes_nothing() -> None:
    history = History.of(START).change(seed(2))
    assert history.change(seed(2)) is history
    assert history.change(START).current == 2, "restoring an earlier edit is a change"


def test_a_change_after_undo_begins_a_branch(tree: History) -> None:
    assert (ids(tree.lineage), ids(tree.timeline), ids(tree.leaves)) == ([0, 1, 4, 5], [0, 1, 4, 5], [3, 5])
    assert tree.edit == seed(5)


def test_redo_follows_the_branch_that_was_visited_last(tree: History) -> None:
    at_1 = tree.jump_to(1)
    assert ids(at_1.timeline) == [0, 1, 4, 5]
    assert at_1.redo().current == 4
    after_visiting_2 = tree.jump_to(2).jump_to(0)
    assert ids(after_visiting_2.timeline) == [0, 1, 2, 3]
    assert after_visiting_2.redo().redo().redo().current == 3
    after_visiting_3 = tree.jump_to(3).undo().undo().undo()
    assert (after_visiting_3.current, ids(after_visiting_3.timeline)) == (0, [0, 1, 2, 3])


def test_a_change_can_have_another_parent(tree: History) -> None:
    history = tree.change(seed(5), parent=2)
    assert (history.current, history.current_revision.parent, history.edit) == (6, 2, seed(5))
    assert ids(history.leaves) == [3, 5, 6]
    assert ids(history.timeline) == [0, 1, 2, 6]


def test_a_history_is_immutable(tree: History) -> None:
    revisions, last_children = dict(tree.revisions), dict(tree.last_child)
    tree.jump_to(3).change(seed(9)).undo()
    tree.merge([Revision(id=9, parent=3, edit=START)])
    assert (tree.revisions, tree.last_child, tree.current) == (revisions, last_children, 5)


def test_merging_keeps_the_current_revision_and_the_redo_path(tree: History) -> None:
    new_revisions = [
        Revision(id=DragRevisionId(1), parent=1, edit=seed(7)),
        Revision(id=7, parent=DragRevisionId(1), edit=seed(8)),
        tree.current_revision,
    ]
    history = tree.merge(new_revisions)
    assert (history.current, ids(history.timeline)) == (5, [0, 1, 4, 5])
    assert ids(history.leaves) == [3, 5, 7]
    assert ids(history.jump_to(7).timeline) == [0, 1, DragRevisionId(1), 7]
    assert ids(tree.jump_to(1).merge(new_revisions).timeline) == [0, 1, 4, 5], "redo leads where it led before"
    with_later_revision = tree.merge([Revision(id=8, parent=5, edit=START)])
    assert ids(with_later_revision.timeline) == [0, 1, 4, 5, 8], (
        "at the end of a branch, redo leads to the new revision"
    )
    changed = tree.current_revision.model_copy(update={"edit": START})
    assert tree.merge([changed]).edit == seed(5), "a revision that exists is not replaced"


@pytest.mark.parametrize("parent", [77, None])
def test_a_revision_without_parent_is_refused(tree: History, parent: int | None) -> None:
    good = Revision(id=8, parent=5, edit=START)
    with pytest.raises(EditError, match="revision 9 has no parent"):
        tree.merge([good, Revision(id=9, parent=parent, edit=START)])
    assert 8 not in tree.revisions


def test_jumping_to_a_missing_revision_is_refused(tree: History) -> None:
    with pytest.raises(EditError, match="there is no revision 12"):
        tree.jump_to(12)


def test_missing_revisions_are_returned(tree: History) -> None:
    assert ids(tree.missing_from([0, 1, 2])) == [3, 4, 5]
    assert tree.missing_from(tree.revisions) == ()


def test_drag_records_are_in_the_order_of_their_numbers() -> None:
    history = History.of(Edit(model="toy", pairs=(PAIR,)))
    second = Revision.of_drag(history.current_revision, record(2, [((10, 10), (20, 10), (20, 10))]))
    first = Revision.of_drag(history.current_revision, record(1, [((10, 10), (20, 10), (15, 10))]))
    history = history.merge([second, first])
    assert [drag_record.number for drag_record in history.drag_records] == [1, 2]
    assert (second.id, second.parent, first.id) == (DragRevisionId(2), 0, DragRevisionId(1))
    assert history.jump_to(DragRevisionId(2)).change(START).current == 1, "the ids of drags do not count"


def test_the_result_of_a_drag_follows_from_its_parent() -> None:
    parent = Revision(
        id=3, parent=0, edit=Edit(model="toy", pairs=(DISABLED, PAIR, INCOMPLETE), source=LatentRef(drag=1, step=4))
    )
    revision = Revision.of_drag(parent, record(2, [((10, 10), (20, 10), (19, 10))]))
    arrived = PAIR.model_copy(update={"handle": (19.0, 10.0)})
    assert (revision.id, revision.parent) == (DragRevisionId(2), 3)
    assert revision.edit == parent.edit.model_copy(
        update={"source": parent.edit.source.after_drag(2), "pairs": (DISABLED, arrived, INCOMPLETE)}
    )


@pytest.mark.parametrize("live", [0, 2])
def test_a_live_drag_moves_the_target_of_its_pair(live: int) -> None:
    """This includes a pair that is disabled or had no target."""
    parent = Revision(id=0, edit=Edit(model="toy", pairs=(DISABLED, PAIR, INCOMPLETE)))
    live_points = (parent.edit.pairs[live].handle, (30.0, 30.0), (29.0, 30.0))
    other_points = [((10.0, 10.0), (20.0, 10.0), (19.0, 10.0))]
    edit = Revision.of_drag(
        parent, record(1, [live_points, *other_points] if live == 0 else [*other_points, live_points], live)
    ).edit
    assert (edit.pairs[live].handle, edit.pairs[live].target) == ((29, 30), (30, 30))
    assert edit.pairs[live].enabled == parent.edit.pairs[live].enabled
    assert edit.pairs[1].handle == (19, 10)
    assert edit.pairs[2 - live] == parent.edit.pairs[2 - live]


def test_the_edit_at_a_step_of_a_drag() -> None:
    parent = Revision(id=0, edit=Edit(model="toy", pairs=(DISABLED, PAIR)))
    drag_record = record(3, [((10, 10), (20, 10), (18, 10))])
    trajectory = Trajectory(number=3, steps=(0, 2, 4), handles=(((10, 10),), ((14, 11),), ((18, 10),)))
    middle = edit_at_step(parent, drag_record, trajectory, 1)
    assert (middle.source.drag, middle.source.step) == (3, 2)
    assert middle.pairs == (DISABLED, PAIR.model_copy(update={"handle": (14.0, 11.0)}))
    end = edit_at_step(parent, drag_record, trajectory, 2)
    assert end.with_source(end.source.after_drag(3)) == Revision.of_drag(parent, drag_record).edit
    assert middle.before_drags.source == parent.edit.source
    assert Edit.model_validate(middle.model_dump()) == middle


@given(st.lists(st.one_of(st.sampled_from(["undo", "redo"]), st.integers(0, 40)), max_size=40))
def test_any_sequence_of_commands_leaves_a_tree(commands: list[str | int]) -> None:
    """A number jumps to the revision with that id, or makes a change if there is none."""
    history = History.of(seed(0))
    for step in commands:
        before = history
        if step == "undo":
            history = history.undo()
            assert history.redo() == before or before.current == 0
        elif step == "redo":
            history = history.redo()
            assert history.undo().current == before.current or history.current == before.current
        elif isinstance(step, int):
            history = history.jump_to(step) if step in history.revisions else history.change(seed(step))
        assert set(before.revisions) <= set(history.revisions)
        assert history.timeline[: len(history.lineage)] == history.lineage
        assert history.timeline[-1] in history.leaves
        for revision in history.revisions.values():
            assert history.jump_to(revision.id).lineage[0].id == 0
