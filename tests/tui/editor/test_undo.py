"""The history without a terminal: any sequence of changes can be undone to the start and redone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from draggan_engine.core.edit import DragSettings, Edit, Mask
from draggan_engine.core.edit_ops import PairPoint
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size, clamp, contains
from draggan_engine.core.history import DraggedPair, DragRecord, Revision, Trajectory
from draggan_engine.core.model_info import ModelInfo
from draggan_engine.core.revision_id import DragRevisionId
from draggan_engine.server.messages import MaskLoaded
from draggan_tui.editor.commands import drag, history, mask, mouse, points, session, view
from draggan_tui.editor.commands.context import CommandContext
from draggan_tui.editor.history_cursor import drag_leading_to, unread_drags
from draggan_tui.editor.modes import Idle, LiveDrag
from draggan_tui.editor.state import EditorState
from tests.support.editor_commands import RecordingEngine, context_of, counting, loaded_context

IMAGE_SIZE = Size(64, 48)
INFO = ModelInfo(
    name="toy", sha256="00", family="StyleGAN2", format="a test's", width=IMAGE_SIZE.width, height=IMAGE_SIZE.height, num_ws=12, z_dim=8,
    w_dim=8, mapping_layers=2, blocks=("b4", "b8"), rows=("b4.conv1",), parameters=1, psi=0.7, classes=3,
    settings=DragSettings(r1=4, feature_block="b8"),
)  # fmt: skip
ROOMS = st.sampled_from([Size(16, 12), Size(21, 16), Size(64, 48), Size(256, 192)])
"""Of the screen, in its pixels: each shows the image at another scale."""
POINTS = st.tuples(st.integers(0, 63), st.integers(0, 47)).map(lambda point: (float(point[0]), float(point[1])))
SIGNS = st.sampled_from([-1, 1])
COUNTS = st.integers(1, 4)


def loaded() -> CommandContext:
    return loaded_context(info=INFO, room=Size(16, 12))


def drag_of(
    context: CommandContext, steps: tuple[int, ...], live: int | None = None, move: tuple[float, float] = (1, 0)
) -> tuple[Revision, Trajectory]:
    """What a drag on the present entry ends with, and its way: at each of the steps the handles are that much further on."""
    parent = context.state.history.current_revision
    pairs = parent.edit.dragged_pairs(live)
    number = 1 + len(context.state.history.drag_records)
    positions = [
        tuple(clamp((x + i * move[0], y + i * move[1]), IMAGE_SIZE) for (x, y), _ in pairs.values())
        for i in range(len(steps))
    ]
    led = None if live is None else list(pairs).index(live)
    cursor = context.state.cursor
    assert cursor is not None
    dragged = tuple(
        DraggedPair(handle=handle, target=cursor if i == led else target, final=final, distance=1)
        for i, ((handle, target), final) in enumerate(zip(pairs.values(), positions[-1], strict=True))
    )
    record = DragRecord(
        number=number, source=parent.edit.source, reason="stopped",
        steps=steps[-1], seconds=1, pairs=dragged, settings=parent.edit.settings, masked=False, live=live,
    )  # fmt: skip
    return Revision.of_drag(parent, record), Trajectory(number=number, steps=steps, handles=tuple(positions))


def with_a_drag() -> CommandContext:
    """A pair, a drag of eight steps of which 0, 2, 4 and 8 were kept, and a mask."""
    context = loaded()
    for point in ((10.0, 10.0), (20.0, 10.0)):
        context.state.place_cursor(point)
        points.place(context)
    drag.toggle_drag(context)
    entry, path = drag_of(context, (0, 2, 4, 8))
    context.drag.end(entry)
    context.state.trajectories[1] = path
    context.state.place_cursor((32.0, 24.0))
    mask.toggle_cell(context)
    return context


class Editing(RuleBasedStateMachine):
    """A person at the keys. What cannot be done must change nothing."""

    @initialize(create=st.sampled_from([loaded, with_a_drag]))
    def begin(self, create: Callable[[], CommandContext]) -> None:
        self.context = create()
        self.made: dict[int, Revision] = dict(self.context.state.history.revisions)

    def attempt(self, change: Callable[[], object]) -> bool:
        before = self.context.state.history_cursor
        try:
            change()
        except EditError as error:
            assert self.context.state.history_cursor is before, str(error)
            return False
        return True

    def scrub(self, count: int, direction: int) -> None:
        """Scrub over the trajectories that have been read; the engine is gone, so that no others can be."""
        engine = RecordingEngine(alive=False)
        history.scrub(replace(self.context, engine=engine, count=count), direction)

    # Points ---------------------------------------------------------------------------------------------

    @rule(room=ROOMS)
    def resizes_the_screen(self, room: Size) -> None:
        self.context.state.resize_view(room)

    @rule(point=POINTS)
    def goes_to(self, point: tuple[float, float]) -> None:
        self.context.state.place_cursor(point)

    @rule(dx=st.integers(-8, 8), dy=st.integers(-8, 8), count=COUNTS)
    def moves(self, dx: int, dy: int, count: int) -> None:
        self.attempt(lambda: view.move_cursor(counting(self.context, count), dx, dy))

    @rule(point=POINTS)
    def places(self, point: tuple[float, float]) -> None:
        self.context.state.place_cursor(point)
        self.attempt(lambda: points.place(self.context))

    @rule(handle=POINTS, to=POINTS)
    def places_a_pair(self, handle: tuple[float, float], to: tuple[float, float]) -> None:
        self.places(handle)
        self.places(to)

    @rule()
    def retargets(self) -> None:
        self.attempt(lambda: points.move_target(self.context))

    @rule(part=st.sampled_from(["handle", "target"]), point=POINTS, drops=st.booleans())
    def grabs(self, part: PairPoint, point: tuple[float, float], drops: bool) -> None:
        if not self.attempt(lambda: points.toggle_grab(self.context, part)):
            return
        held = self.context.state.history_cursor
        for action in (
            lambda: history.undo(self.context),
            lambda: self.scrub(1, 1),
            lambda: history.go_to_revision(self.context, 0),
            lambda: points.move_target(self.context),
        ):
            assert not self.attempt(action), "with something in the hand nothing else changes"
        self.context.state.place_cursor(point)
        if not (drops and self.attempt(lambda: points.drop(self.context))):
            points.cancel(self.context)
            assert self.context.state.history_cursor is held
        assert self.context.state.mode == Idle()

    @rule(dx=st.integers(-3, 3), dy=st.integers(-3, 3), count=COUNTS)
    def nudges(self, dx: int, dy: int, count: int) -> None:
        self.attempt(lambda: points.nudge(counting(self.context, count), dx, dy))

    @rule()
    def duplicates(self) -> None:
        self.attempt(lambda: points.duplicate(self.context))

    @rule(step=SIGNS)
    def selects_and_disables(self, step: int) -> None:
        self.attempt(lambda: points.select(self.context, step))
        self.attempt(lambda: points.toggle_enabled(self.context))

    @rule(count=st.integers(1, 2))
    def deletes(self, count: int) -> None:
        self.attempt(lambda: points.delete(counting(self.context, count)))

    @rule()
    def cancels(self) -> None:
        points.cancel(self.context)

    @rule(start=POINTS, end=POINTS, releases=st.booleans())
    def draws_with_the_mouse(self, start: tuple[float, float], end: tuple[float, float], releases: bool) -> None:
        if not self.attempt(lambda: mouse.press(self.context, start)):
            return
        before = self.context.state.history_cursor
        self.attempt(lambda: mouse.move(self.context, end))
        assert self.context.state.history_cursor is before, "nothing changes before the button is released"
        if releases:
            self.attempt(lambda: mouse.release(self.context, end))
        else:
            mouse.abandon(self.context)
        assert self.context.state.gesture is None

    # Mask -----------------------------------------------------------------------------------------------

    @rule()
    def lowers_or_lifts_the_pen(self) -> None:
        self.attempt(lambda: mask.toggle_pen(self.context))

    @rule(size=st.integers(1, 9), round=st.booleans())
    def paints(self, size: int, round: bool) -> None:
        mask.resize_brush(self.context, size - self.context.state.brush.size)
        if self.context.state.brush.round != round:
            mask.toggle_brush_shape(self.context)
        self.attempt(lambda: mask.toggle_cell(self.context))

    @rule(corner=POINTS, other=POINTS, ellipse=st.booleans(), value=st.booleans())
    def stretches_a_shape(
        self, corner: tuple[float, float], other: tuple[float, float], ellipse: bool, value: bool
    ) -> None:
        self.context.state.place_cursor(corner)
        self.attempt(lambda: mask.next_shape(self.context))
        if ellipse:
            self.attempt(lambda: mask.next_shape(self.context))
        self.context.state.place_cursor(other)
        if not self.attempt(lambda: mask.finish_shape(self.context, paint=value)):
            points.cancel(self.context)

    @rule(step=SIGNS, count=COUNTS)
    def grows_or_shrinks(self, step: int, count: int) -> None:
        self.attempt(lambda: mask.grow(counting(self.context, count), step))

    @rule()
    def inverts(self) -> None:
        self.attempt(lambda: mask.invert(self.context))

    @rule()
    def clears(self) -> None:
        self.attempt(lambda: mask.clear(self.context))

    @rule(seed=st.integers(0, 3))
    def loads_a_mask(self, seed: int) -> None:
        loaded_mask = Mask.from_array((np.random.default_rng(seed).random(IMAGE_SIZE[::-1]) > 0.5).astype(np.uint8))
        self.attempt(lambda: mask.use_loaded(self.context, MaskLoaded(path="", mask=loaded_mask, resized=False)))

    # Image and numbers ----------------------------------------------------------------------------------

    @rule(r1=st.integers(1, 9), psi=st.sampled_from([0.5, 0.7]))
    def sets_numbers(self, r1: int, psi: float) -> None:
        numbers = self.context.state.edit.settings.model_copy(update={"r1": r1})
        source = self.context.state.edit.source.model_copy(update={"psi": psi})
        edit = self.context.state.edit.model_copy(update={"settings": numbers, "source": source})
        self.attempt(lambda: self.context.state.change(edit))

    @rule()
    def toggles_the_space(self) -> None:
        self.attempt(lambda: drag.switch_space(self.context))

    @rule(step=SIGNS, count=COUNTS)
    def looks_through_seeds(self, step: int, count: int) -> None:
        self.attempt(lambda: session.browse_seeds(counting(self.context, count), step))

    @rule(step=SIGNS)
    def looks_through_classes(self, step: int) -> None:
        self.attempt(lambda: session.browse_classes(self.context, step))

    @rule()
    def saves(self) -> None:
        self.attempt(lambda: session.save(self.context))

    # Drags ----------------------------------------------------------------------------------------------

    @rule(
        steps=st.sets(st.integers(1, 9), max_size=6).map(lambda steps: tuple(sorted({0, *steps}))),
        live=st.booleans(),
        point=POINTS,
        read=st.sampled_from(["read", "read", "not kept", "not read"]),
    )
    def drags(self, steps: tuple[int, ...], live: bool, point: tuple[float, float], read: str) -> None:
        """To its end; one without a step leaves nothing."""
        context, seen = self.context, self.context.state.edit
        if not self.attempt(lambda: drag.toggle_live_drag(context) if live else drag.toggle_drag(context)):
            return
        assert context.state.edit == seen, "a drag begins with what is seen"
        assert not self.attempt(lambda: history.undo(context)), "while a drag runs nothing changes"
        live_pair = None
        if live:
            context.state.place_cursor(point)
            mode = context.state.mode
            assert isinstance(mode, LiveDrag)
            live_pair = mode.live_pair
            assert context.state.drawn_edit.pairs[live_pair].target == point
        entry, path = drag_of(context, steps, live_pair)
        context.drag.take_step(path.handles[-1], 1.5)
        self.is_valid()
        parent = context.state.history.current
        if live:
            drag.release_live_target(context)
            context.state.place_cursor((0, 0))
        if steps[-1] == 0:
            context.drag.end(None)
            assert (context.state.history.current, context.state.edit) == (parent, seen)
            return
        context.drag.end(entry)
        assert (context.state.history.current_revision, entry.parent) == (entry, parent)
        if read != "not read":
            context.state.trajectories[path.number] = (
                path if read == "read" else Trajectory(number=path.number, steps=(), handles=())
            )

    # Going through it -----------------------------------------------------------------------------------

    @rule(count=COUNTS)
    def undoes(self, count: int) -> None:
        behind = self.context.state.history.lineage
        if self.attempt(lambda: history.undo(counting(self.context, count))):
            assert self.context.state.history.current == behind[max(len(behind) - 1 - count, 0)].id
            assert self.context.state.history_cursor.step_index is None

    @rule(count=COUNTS)
    def redoes(self, count: int) -> None:
        line, here = self.context.state.history.timeline, len(self.context.state.history.lineage) - 1
        inside = self.context.state.history_cursor.step_index is not None
        if self.attempt(lambda: history.redo(counting(self.context, count))):
            assert self.context.state.history.current == line[min(here + count - inside, len(line) - 1)].id
        else:
            assert line[-1].id == self.context.state.history.current

    @rule(direction=SIGNS, count=COUNTS)
    def scrubs(self, direction: int, count: int) -> None:
        line = self.context.state.history.timeline
        self.attempt(lambda: self.scrub(count, direction))
        assert self.context.state.history.timeline == line

    @precondition(lambda self: any(path.steps for path in self.context.state.trajectories.values()))
    @rule(which=st.integers(0, 9), count=COUNTS)
    def goes_into_a_drag(self, which: int, count: int) -> None:
        read = [number for number, path in self.context.state.trajectories.items() if path.steps]
        history.go_to_revision(self.context, DragRevisionId(read[which % len(read)]))
        self.attempt(lambda: self.scrub(count, -1))

    @rule(direction=SIGNS)
    def scrubs_on_and_back(self, direction: int) -> None:
        before = self.context.state.history_cursor
        if self.attempt(lambda: self.scrub(1, direction)):
            self.scrub(1, -direction)
            assert (
                self.context.state.history_cursor.history.current,
                self.context.state.history_cursor.step_index,
            ) == (
                before.history.current,
                before.step_index,
            )

    @rule(direction=SIGNS)
    def skips(self, direction: int) -> None:
        if self.attempt(lambda: history.skip(self.context, direction)):
            tree = self.context.state.history
            drags = [entry for entry in tree.timeline if drag_leading_to(tree, entry) is not None]
            assert tree.current in {id for entry in drags for id in (entry.id, entry.parent)}

    @rule(which=st.floats(0, 1, exclude_max=True))
    def goes_to_an_entry(self, which: float) -> None:
        ids = list(self.context.state.history.revisions)
        id = ids[int(which * len(ids))]
        assert self.attempt(lambda: history.go_to_revision(self.context, id))
        assert self.context.state.edit == self.context.state.history.revisions[id].edit

    @precondition(lambda self: self.context.state.history.current != 0)
    @rule()
    def undoes_all_and_redoes_all(self) -> None:
        context = self.context
        if context.state.history_cursor.step_index is not None:
            self.attempt(lambda: history.redo(context))
        entries, line, at, seen = (
            context.state.history.revisions,
            context.state.history.timeline,
            context.state.history.current,
            [context.state.edit],
        )
        while context.state.history.current != 0:
            history.undo(context)
            seen.append(context.state.edit)
        assert context.state.edit == loaded().state.edit
        with pytest.raises(EditError, match="there is nothing to undo"):
            history.undo(context)
        for edit in reversed(seen[:-1]):
            history.redo(context)
            assert context.state.edit == edit
        assert context.state.history.current == at
        while context.state.history.current != line[-1].id:
            history.redo(context)
        with pytest.raises(EditError, match="there is nothing to redo"):
            history.redo(context)
        assert (context.state.history.revisions, context.state.history.timeline) == (entries, line)
        history.go_to_revision(context, at)

    # What always holds ----------------------------------------------------------------------------------

    @invariant()
    def nothing_vanishes(self) -> None:
        entries = self.context.state.history.revisions
        assert all(entries[id] == entry for id, entry in self.made.items())
        self.made = dict(entries)

    @invariant()
    def the_line_is_connected(self) -> None:
        tree = self.context.state.history
        line = tree.timeline
        assert (line[0].id, line[0].parent) == (0, None)
        assert all(after.parent == before.id for before, after in pairwise(line))
        assert line[: len(tree.lineage)] == tree.lineage
        assert tree.lineage[-1] == tree.current_revision
        assert line[-1] in tree.leaves
        parents = {entry.parent for entry in tree.revisions.values()}
        assert {tip.id for tip in tree.leaves} == set(tree.revisions) - parents

    @invariant()
    def is_valid(self) -> None:
        for edit in (self.context.state.edit, self.context.state.drawn_edit):
            assert Edit.model_validate(edit.model_dump()) == edit
            for pair in edit.pairs:
                assert contains(pair.handle, IMAGE_SIZE)
                assert pair.target is None or contains(pair.target, IMAGE_SIZE)
            if edit.mask is not None:
                array = edit.mask.to_array()
                assert (array.shape, array.any()) == (IMAGE_SIZE[::-1], np.True_)
        count = len(self.context.state.edit.pairs)
        assert (
            self.context.state.selected_pair is None
            if count == 0
            else self.context.state.selected_pair is None or self.context.state.selected_pair < count
        )


TestEditing = Editing.TestCase
TestEditing.settings = settings(max_examples=150, stateful_step_count=50)


# Within a drag ------------------------------------------------------------------------------------------


@pytest.fixture
def context() -> CommandContext:
    return with_a_drag()


def place(context: CommandContext) -> tuple[int, int | None]:
    return context.state.history.current, context.state.history_cursor.step_index


def test_scrubbing_goes_through_the_steps_of_a_drag(context: CommandContext) -> None:
    places = [place(context)]
    with pytest.raises(EditError, match="the end of the history"):
        history.scrub(context, 1)
    for _ in range(6):
        history.scrub(context, -1)
        places.append(place(context))
    assert places == [
        (3, None),
        (DragRevisionId(1), None),
        (DragRevisionId(1), 2),
        (DragRevisionId(1), 1),
        (2, None),
        (1, None),
        (0, None),
    ]
    with pytest.raises(EditError, match="where the history begins"):
        history.scrub(context, -1)
    for expected in reversed(places[:-1]):
        history.scrub(context, 1)
        assert place(context) == expected
    history.scrub(counting(context, 3), -1)
    assert place(context) == (DragRevisionId(1), 1)
    edit = context.state.edit
    assert (edit.source.drag, edit.source.step, edit.pairs[0].handle, edit.pairs[0].target, edit.mask) == (
        1,
        2,
        (11, 10),
        (20, 10),
        None,
    )
    history.scrub(counting(context, 9), 1)
    assert place(context) == (3, None)


def test_a_change_within_a_drag_begins_a_branch_there(context: CommandContext) -> None:
    history.scrub(counting(context, 2), -1)
    displayed_edit = context.state.edit
    drag.switch_space(context)
    landed = context.state.history.revisions[4]
    assert (landed.parent, landed.edit, landed.record) == (2, displayed_edit, None)
    assert place(context) == (5, None)
    assert (context.state.edit.source.step, context.state.edit.source.drag, context.state.edit.settings.space) == (
        4,
        1,
        "w",
    )
    assert [tip.id for tip in context.state.history.leaves] == [3, 5]
    history.undo(context)
    assert context.state.edit == displayed_edit
    history.undo(context)
    assert place(context) == (2, None)
    history.redo(counting(context, 9))
    assert place(context) == (5, None), "redo goes along the branch that one came from"
    history.go_to_revision(context, 3)
    history.undo(counting(context, 9))
    history.redo(counting(context, 9))
    assert place(context) == (3, None)


def test_a_drag_from_within_a_drag_begins_at_the_shown_step(context: CommandContext) -> None:
    history.scrub(context, -1)
    history.scrub(context, -1)
    displayed_edit = context.state.edit
    drag.toggle_drag(context)
    assert (context.state.history.edit, context.state.history.current) == (displayed_edit, 4)
    entry, _ = drag_of(context, (0, 1))
    context.drag.end(entry)
    assert entry.record is not None
    assert (
        entry.record.source.drag,
        entry.record.source.step,
        context.state.edit.source.drag,
        context.state.edit.source.step,
    ) == (
        1,
        4,
        2,
        None,
    )


def test_undo_and_redo_from_within_a_drag(context: CommandContext) -> None:
    def inside() -> None:
        history.go_to_revision(context, DragRevisionId(1))
        history.scrub(context, -1)

    inside()
    history.undo(context)
    assert place(context) == (2, None), "its start"
    inside()
    history.redo(context)
    assert place(context) == (DragRevisionId(1), None), "its end"
    inside()
    history.redo(counting(context, 2))
    assert place(context) == (3, None)


def test_skipping_goes_from_drag_to_drag(context: CommandContext) -> None:
    drag.toggle_drag(context)
    entry, path = drag_of(context, (0, 1, 2))
    context.drag.end(entry)
    drag.switch_space(context)
    walk = []
    for direction in (-1, -1, -1, 1, 1):
        history.skip(context, direction)
        walk.append(context.state.history.current)
    assert walk == [DragRevisionId(2), 3, DragRevisionId(1), 3, DragRevisionId(2)]
    with pytest.raises(EditError, match="no drag further on"):
        history.skip(context, 1)
    history.skip(counting(context, 2), -1)
    assert context.state.history.current == DragRevisionId(1)
    history.scrub(replace(context, engine=RecordingEngine(alive=False)), -1)  # the second drag has not been read
    history.skip(context, 1)
    assert place(context) == (DragRevisionId(1), None), "from within a drag, its end is the next"
    history.go_to_revision(context, 0)
    with pytest.raises(EditError, match="no drag further back"):
        history.skip(context, -1)
    assert unread_drags(context.state.history, context.state.trajectories) == (2,)
    context.state.trajectories[2] = path
    assert unread_drags(context.state.history, context.state.trajectories) == ()


def test_comparisons_show_the_image_before_the_drags_or_a_chosen_revision(context: CommandContext) -> None:
    assert (context.state.before_edit.source.drag, context.state.before_edit.source.seed) == (None, 5)
    history.compare_with(context, DragRevisionId(1))
    assert context.state.before_edit == context.state.history.revisions[DragRevisionId(1)].edit
    history.compare_with(context, None)
    assert context.state.before_edit == context.state.edit.before_drags


def test_a_merged_drag_is_a_branch_and_the_place_stays(context: CommandContext) -> None:
    history.undo(context)
    history.scrub(context, -1)
    displayed_edit, at = context.state.edit, place(context)
    resumed_state = EditorState.resuming(context.state.edit)
    resumed_state.receive_history(context.state.history.jump_to(3))
    resumed_state.use_model(INFO)
    entry, _ = drag_of(context_of(resumed_state), (0, 5))
    context.state.merge_revisions([entry])
    assert (context.state.edit, place(context)) == (displayed_edit, at)
    assert entry in context.state.history.leaves
