"""The history of the document, without a terminal: any sequence of changes, undone to the start and redone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import cast

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from draggan_engine.core.edit import DragSettings, Edit, Mask
from draggan_engine.core.edit_ops import PairPoint
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size, clamp, contains
from draggan_engine.core.history import DraggedPair, DragRecord, History, Revision, Trajectory
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.core.model_info import ModelInfo
from draggan_tui.editor.history_cursor import drag_leading_to
from draggan_tui.editor.workspace import EditorState

PICTURE = Size(64, 48)
INFO = ModelInfo(
    name="toy", sha256="00", family="StyleGAN2", format="a test's", width=PICTURE.width, height=PICTURE.height, num_ws=12, z_dim=8,
    w_dim=8, mapping_layers=2, blocks=("b4", "b8"), rows=("b4.conv1",), parameters=1, psi=0.7, classes=3,
    settings=DragSettings(r1=4, feature_block="b8"),
)  # fmt: skip
GRIDS = st.sampled_from([Size(16, 12), Size(21, 16), Size(64, 48), Size(256, 192)])
POINTS = st.tuples(st.integers(0, 63), st.integers(0, 47)).map(lambda point: (float(point[0]), float(point[1])))
SIGNS = st.sampled_from([-1, 1])
COUNTS = st.integers(1, 4)


def loaded() -> EditorState:
    work = EditorState(History.of(Edit(model="/some/toy.pkl", source=LatentRef(seed=5))), None)
    work.model_loaded(INFO)
    return work


def drag_of(
    work: EditorState, steps: tuple[int, ...], live: int | None = None, move: tuple[float, float] = (1, 0)
) -> tuple[Revision, Trajectory]:
    """What a drag on the present entry ends with, and its way: at each of the steps the handles are that much further on."""
    parent = work.history.current_revision
    pairs = parent.edit.dragged_pairs(live)
    number = 1 + len(work.history.drag_records)
    drag_leading_to = [
        tuple(clamp((x + i * move[0], y + i * move[1]), PICTURE) for (x, y), _ in pairs.values())
        for i in range(len(steps))
    ]
    led = None if live is None else list(pairs).index(live)
    cursor = work.cursor
    assert cursor is not None
    dragged = tuple(
        DraggedPair(handle=handle, target=cursor if i == led else target, final=final, distance=1)
        for i, ((handle, target), final) in enumerate(zip(pairs.values(), drag_leading_to[-1], strict=True))
    )
    record = DragRecord(
        number=number, source=parent.edit.source, reason="stopped",
        steps=steps[-1], seconds=1, pairs=dragged, settings=parent.edit.settings, masked=False, live=live,
    )  # fmt: skip
    return Revision.of_drag(parent, record), Trajectory(number=number, steps=steps, handles=tuple(drag_leading_to))


def with_a_drag() -> EditorState:
    """A pair, a drag of eight steps of which 0, 2, 4 and 8 were kept, and a mask."""
    work = loaded()
    for point in ((10.0, 10.0), (20.0, 10.0)):
        work.move_to(point)
        work.place()
    work.begin_drag()
    entry, path = drag_of(work, (0, 2, 4, 8))
    work.end_drag(entry)
    work.trajectories[1] = path
    work.paint(True, Size(16, 12))
    return work


class Editing(RuleBasedStateMachine):
    """A person at the keys. What cannot be done must change nothing."""

    @initialize(work=st.sampled_from([loaded, with_a_drag]))
    def begin(self, work: Callable[[], EditorState]) -> None:
        self.work = work()
        self.made: dict[int, Revision] = dict(self.work.history.revisions)

    def attempt(self, change: Callable[[], object]) -> bool:
        before = self.work.history_cursor
        try:
            change()
        except EditError as error:
            assert self.work.history_cursor is before, str(error)
            return False
        finally:
            self.work.count = 0
        return True

    # Points ---------------------------------------------------------------------------------------------

    @rule(point=POINTS)
    def goes_to(self, point: tuple[float, float]) -> None:
        self.work.move_to(point)

    @rule(dx=st.integers(-8, 8), dy=st.integers(-8, 8), count=COUNTS, grid=GRIDS)
    def moves(self, dx: int, dy: int, count: int, grid: Size) -> None:
        self.work.type_digit(count)
        self.attempt(lambda: self.work.move(dx, dy, grid))

    @rule(point=POINTS)
    def places(self, point: tuple[float, float]) -> None:
        self.work.move_to(point)
        self.attempt(self.work.place)

    @rule(handle=POINTS, to=POINTS)
    def places_a_pair(self, handle: tuple[float, float], to: tuple[float, float]) -> None:
        self.places(handle)
        self.places(to)

    @rule()
    def retargets(self) -> None:
        self.attempt(self.work.retarget)

    @rule(part=st.sampled_from(["handle", "target"]), point=POINTS, drops=st.booleans())
    def grabs(self, part: PairPoint, point: tuple[float, float], drops: bool) -> None:
        if not self.attempt(lambda: self.work.take(part)):
            return
        held = self.work.history_cursor
        for action in (self.work.undo, lambda: self.work.scrub(1), lambda: self.work.go(0), self.work.place):
            assert not self.attempt(action), "with something in the hand nothing else changes"
        self.work.move_to(point)
        if not (drops and self.attempt(self.work.drop)):
            self.work.cancel()
            assert self.work.history_cursor is held
        assert self.work.grab is None

    @rule(dx=st.integers(-3, 3), dy=st.integers(-3, 3), count=COUNTS)
    def nudges(self, dx: int, dy: int, count: int) -> None:
        self.work.type_digit(count)
        self.attempt(lambda: self.work.nudge(dx, dy))

    @rule(grid=GRIDS)
    def duplicates(self, grid: Size) -> None:
        self.attempt(lambda: self.work.duplicate(grid))

    @rule(step=SIGNS)
    def selects_and_disables(self, step: int) -> None:
        self.attempt(lambda: self.work.select(step))
        self.attempt(self.work.toggle_pair)

    @rule(count=st.integers(1, 2))
    def deletes(self, count: int) -> None:
        self.work.type_digit(count)
        self.attempt(self.work.delete)

    @rule()
    def cancels(self) -> None:
        self.work.cancel()

    @rule(point=POINTS, settles=st.booleans())
    def draws_with_the_mouse(self, point: tuple[float, float], settles: bool) -> None:
        work = self.work
        if self.attempt(lambda: work.sketch(work.edit.model_copy(update={"pairs": ()}))):
            assert work.drawn.pairs == ()
            work.move_to(point)
            if not settles:
                work.draft = None
            work.settle()

    # Mask -----------------------------------------------------------------------------------------------

    @rule(grid=GRIDS)
    def lowers_or_lifts_the_pen(self, grid: Size) -> None:
        self.attempt(lambda: self.work.toggle_pen(grid))

    @rule(value=st.sampled_from([None, True, False]), grid=GRIDS, size=st.integers(1, 9), round=st.booleans())
    def paints(self, value: bool | None, grid: Size, size: int, round: bool) -> None:
        self.work.resize_brush(size - self.work.brush.size)
        if self.work.brush.round != round:
            self.work.reshape_brush()
        self.attempt(lambda: self.work.paint(value, grid))

    @rule(corner=POINTS, other=POINTS, ellipse=st.booleans(), value=st.booleans(), grid=GRIDS)
    def stretches_a_shape(
        self, corner: tuple[float, float], other: tuple[float, float], ellipse: bool, value: bool, grid: Size
    ) -> None:
        self.work.move_to(corner)
        self.attempt(self.work.next_shape)
        if ellipse:
            self.attempt(self.work.next_shape)
        self.work.move_to(other)
        if not self.attempt(lambda: self.work.finish_shape(value, grid)):
            self.work.cancel()

    @rule(step=SIGNS, count=COUNTS, grid=GRIDS)
    def grows_or_shrinks(self, step: int, count: int, grid: Size) -> None:
        self.work.type_digit(count)
        self.attempt(lambda: self.work.grow_mask(step, grid))

    @rule()
    def inverts(self) -> None:
        self.attempt(self.work.invert_mask)

    @rule()
    def clears(self) -> None:
        self.attempt(self.work.clear_mask)

    @rule(seed=st.integers(0, 3))
    def loads_a_mask(self, seed: int) -> None:
        mask = Mask.from_array((np.random.default_rng(seed).random(PICTURE[::-1]) > 0.5).astype(np.uint8))
        self.attempt(lambda: self.work.use_mask(mask))

    # Picture and numbers --------------------------------------------------------------------------------

    @rule(r1=st.integers(1, 9), psi=st.sampled_from([0.5, 0.7]))
    def sets_numbers(self, r1: int, psi: float) -> None:
        numbers = self.work.edit.settings.model_copy(update={"r1": r1})
        source = self.work.edit.source.model_copy(update={"psi": psi})
        edit = self.work.edit.model_copy(update={"settings": numbers, "source": source})
        self.attempt(lambda: self.work.change(edit))

    @rule()
    def toggles_the_space(self) -> None:
        self.attempt(self.work.toggle_space)

    @rule(step=SIGNS, count=COUNTS)
    def looks_through_seeds(self, step: int, count: int) -> None:
        self.work.type_digit(count)
        self.attempt(lambda: self.work.reseed(step))

    @rule(step=SIGNS)
    def looks_through_classes(self, step: int) -> None:
        self.attempt(lambda: self.work.reclass(step))

    @rule()
    def saves(self) -> None:
        self.attempt(self.work.keep)

    # Drags ----------------------------------------------------------------------------------------------

    @rule(
        steps=st.sets(st.integers(1, 9), max_size=6).map(lambda steps: tuple(sorted({0, *steps}))),
        live=st.booleans(),
        point=POINTS,
        read=st.sampled_from(["read", "read", "not kept", "not read"]),
    )
    def drags(self, steps: tuple[int, ...], live: bool, point: tuple[float, float], read: str) -> None:
        """To its end; one without a step leaves nothing."""
        work = self.work
        seen = work.edit
        if not self.attempt(work.begin_leading if live else work.begin_drag):
            return
        assert work.edit == seen, "a drag begins with what is seen"
        assert not self.attempt(work.undo), "while a drag runs nothing changes"
        if live:
            work.move_to(point)
            assert (work.lead, work.drawn.pairs[cast(int, work.led)].target) == (point, point)
        entry, path = drag_of(work, steps, work.led)
        work.moved = path.handles[-1]
        self.is_valid()
        parent = work.history.current
        if live:
            work.let_go()
            work.move_to((0, 0))
        if steps[-1] == 0:
            work.end_drag(None)
            assert (work.history.current, work.edit) == (parent, seen)
            return
        work.end_drag(entry)
        assert (work.history.current_revision, entry.parent) == (entry, parent)
        if read != "not read":
            work.trajectories[path.number] = (
                path if read == "read" else Trajectory(number=path.number, steps=(), handles=())
            )

    # Going through it -----------------------------------------------------------------------------------

    @rule(count=COUNTS)
    def undoes(self, count: int) -> None:
        self.work.type_digit(count)
        behind = self.work.history.lineage
        if self.attempt(self.work.undo):
            assert self.work.history.current == behind[max(len(behind) - 1 - count, 0)].id
            assert self.work.history_cursor.step_index is None

    @rule(count=COUNTS)
    def redoes(self, count: int) -> None:
        line, here = self.work.history.timeline, len(self.work.history.lineage) - 1
        inside = self.work.history_cursor.step_index is not None
        self.work.type_digit(count)
        if self.attempt(self.work.redo):
            assert self.work.history.current == line[min(here + count - inside, len(line) - 1)].id
        else:
            assert line[-1].id == self.work.history.current

    @rule(direction=SIGNS, count=COUNTS)
    def scrubs(self, direction: int, count: int) -> None:
        line = self.work.history.timeline
        self.work.type_digit(count)
        self.attempt(lambda: self.work.scrub(direction))
        assert self.work.history.timeline == line

    @precondition(lambda self: any(path.steps for path in self.work.trajectories.values()))
    @rule(which=st.integers(0, 9), count=COUNTS)
    def goes_into_a_drag(self, which: int, count: int) -> None:
        read = [number for number, path in self.work.trajectories.items() if path.steps]
        self.work.go(-read[which % len(read)])
        self.work.type_digit(count)
        self.work.scrub(-1)

    @rule(direction=SIGNS)
    def scrubs_on_and_back(self, direction: int) -> None:
        before = self.work.history_cursor
        if self.attempt(lambda: self.work.scrub(direction)):
            self.work.scrub(-direction)
            assert (self.work.history_cursor.history.current, self.work.history_cursor.step_index) == (
                before.history.current,
                before.step_index,
            )

    @rule(direction=SIGNS)
    def skips(self, direction: int) -> None:
        if self.attempt(lambda: self.work.skip(direction)):
            history = self.work.history
            drags = [entry for entry in history.timeline if drag_leading_to(history, entry) is not None]
            assert history.current in {id for entry in drags for id in (entry.id, entry.parent)}

    @rule(which=st.floats(0, 1, exclude_max=True))
    def goes_to_an_entry(self, which: float) -> None:
        ids = list(self.work.history.revisions)
        id = ids[int(which * len(ids))]
        assert self.attempt(lambda: self.work.go(id))
        assert self.work.edit == self.work.history.revisions[id].edit

    @precondition(lambda self: self.work.history.current != 0)
    @rule()
    def undoes_all_and_redoes_all(self) -> None:
        work = self.work
        self.attempt(work.redo) if work.history_cursor.step_index is not None else None
        entries, line, at, seen = work.history.revisions, work.history.timeline, work.history.current, [work.edit]
        while work.history.current != 0:
            work.undo()
            seen.append(work.edit)
        assert work.edit == loaded().edit
        with pytest.raises(EditError, match="there is nothing to undo"):
            work.undo()
        for edit in reversed(seen[:-1]):
            work.redo()
            assert work.edit == edit
        assert work.history.current == at
        while work.history.current != line[-1].id:
            work.redo()
        with pytest.raises(EditError, match="there is nothing to redo"):
            work.redo()
        assert (work.history.revisions, work.history.timeline) == (entries, line)
        work.go(at)

    # What always holds ----------------------------------------------------------------------------------

    @invariant()
    def nothing_vanishes(self) -> None:
        entries = self.work.history.revisions
        assert all(entries[id] == entry for id, entry in self.made.items())
        self.made = dict(entries)

    @invariant()
    def the_line_is_connected(self) -> None:
        history = self.work.history
        line = history.timeline
        assert (line[0].id, line[0].parent) == (0, None)
        assert all(after.parent == before.id for before, after in pairwise(line))
        assert line[: len(history.lineage)] == history.lineage
        assert history.lineage[-1] == history.current_revision
        assert line[-1] in history.leaves
        parents = {entry.parent for entry in history.revisions.values()}
        assert {tip.id for tip in history.leaves} == set(history.revisions) - parents

    @invariant()
    def is_valid(self) -> None:
        for edit in (self.work.edit, self.work.drawn):
            assert Edit.model_validate(edit.model_dump()) == edit
            for pair in edit.pairs:
                assert contains(pair.handle, PICTURE)
                assert pair.target is None or contains(pair.target, PICTURE)
            if edit.mask is not None:
                array = edit.mask.to_array()
                assert (array.shape, array.any()) == (PICTURE[::-1], np.True_)
        count = len(self.work.edit.pairs)
        assert self.work.selected is None if count == 0 else self.work.selected is None or self.work.selected < count


TestEditing = Editing.TestCase
TestEditing.settings = settings(max_examples=150, stateful_step_count=50)


# Within a drag ------------------------------------------------------------------------------------------


@pytest.fixture
def dragged() -> EditorState:
    return with_a_drag()


def place(work: EditorState) -> tuple[int, int | None]:
    return work.history.current, work.history_cursor.step_index


def test_scrubbing_goes_through_the_steps_of_a_drag(dragged: EditorState) -> None:
    places = [place(dragged)]
    with pytest.raises(EditError, match="the end of the history"):
        dragged.scrub(1)
    for _ in range(6):
        dragged.scrub(-1)
        places.append(place(dragged))
    assert places == [(3, None), (-1, None), (-1, 2), (-1, 1), (2, None), (1, None), (0, None)]
    with pytest.raises(EditError, match="where the history begins"):
        dragged.scrub(-1)
    for expected in reversed(places[:-1]):
        dragged.scrub(1)
        assert place(dragged) == expected
    dragged.type_digit(3)
    dragged.scrub(-1)
    assert place(dragged) == (-1, 1)
    edit = dragged.edit
    assert (edit.source.drag, edit.source.step, edit.pairs[0].handle, edit.pairs[0].target, edit.mask) == (
        1,
        2,
        (11, 10),
        (20, 10),
        None,
    )
    dragged.type_digit(9)
    dragged.scrub(1)
    assert place(dragged) == (3, None)


def test_a_change_within_a_drag_begins_a_branch_there(dragged: EditorState) -> None:
    dragged.type_digit(2)
    dragged.scrub(-1)
    seen = dragged.edit
    dragged.toggle_space()
    landed = dragged.history.revisions[4]
    assert (landed.parent, landed.edit, landed.record) == (2, seen, None)
    assert place(dragged) == (5, None)
    assert (dragged.edit.source.step, dragged.edit.source.drag, dragged.edit.settings.space) == (4, 1, "w")
    assert [tip.id for tip in dragged.history.leaves] == [3, 5]
    dragged.undo()
    assert dragged.edit == seen
    dragged.undo()
    assert place(dragged) == (2, None)
    dragged.type_digit(9)
    dragged.redo()
    assert place(dragged) == (5, None), "redo goes along the branch that one came from"
    dragged.go(3)
    dragged.type_digit(9)
    dragged.undo()
    dragged.type_digit(9)
    dragged.redo()
    assert place(dragged) == (3, None)


def test_a_drag_from_within_a_drag_begins_where_that_is_seen(dragged: EditorState) -> None:
    dragged.scrub(-1)
    dragged.scrub(-1)
    seen = dragged.edit
    dragged.begin_drag()
    assert (dragged.history.edit, dragged.history.current) == (seen, 4)
    entry, _ = drag_of(dragged, (0, 1))
    dragged.end_drag(entry)
    assert entry.record is not None
    assert (entry.record.source.drag, entry.record.source.step, dragged.edit.source.drag, dragged.edit.source.step) == (
        1,
        4,
        2,
        None,
    )


def test_undo_and_redo_from_within_a_drag(dragged: EditorState) -> None:
    def inside() -> None:
        dragged.go(-1)
        dragged.scrub(-1)

    inside()
    dragged.undo()
    assert place(dragged) == (2, None), "its start"
    inside()
    dragged.redo()
    assert place(dragged) == (-1, None), "its end"
    inside()
    dragged.type_digit(2)
    dragged.redo()
    assert place(dragged) == (3, None)


def test_from_drag_to_drag(dragged: EditorState) -> None:
    dragged.begin_drag()
    entry, path = drag_of(dragged, (0, 1, 2))
    dragged.end_drag(entry)
    dragged.toggle_space()
    walk = []
    for direction in (-1, -1, -1, 1, 1):
        dragged.skip(direction)
        walk.append(dragged.history.current)
    assert walk == [-2, 3, -1, 3, -2]
    with pytest.raises(EditError, match="no drag further on"):
        dragged.skip(1)
    dragged.type_digit(2)
    dragged.skip(-1)
    assert dragged.history.current == -1
    dragged.scrub(-1)
    dragged.skip(1)
    assert place(dragged) == (-1, None), "from within a drag, its end is the next"
    dragged.go(0)
    with pytest.raises(EditError, match="no drag further back"):
        dragged.skip(-1)
    assert dragged.unread() == (2,)
    dragged.trajectories[2] = path
    assert dragged.unread() == ()


def test_what_before_is(dragged: EditorState) -> None:
    assert (dragged.before.source.drag, dragged.before.source.seed) == (None, 5)
    dragged.compare_with(-1)
    assert dragged.before == dragged.history.revisions[-1].edit
    dragged.compare_with(None)
    assert dragged.before == dragged.edit.before_drags


def test_drags_that_the_engine_kept_come_as_branches(dragged: EditorState) -> None:
    dragged.undo()
    dragged.scrub(-1)
    seen, at = dragged.edit, place(dragged)
    kept = EditorState(dragged.history.jump_to(3), None, taken_up=True)
    kept.model_loaded(INFO)
    entry, _ = drag_of(kept, (0, 5))
    dragged.adopt([entry])
    assert (dragged.edit, place(dragged)) == (seen, at)
    assert entry in dragged.history.leaves
