"""Pairs that are grabbed, nudged, copied and disabled."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.edit_ops import SAME_POINT_DISTANCE, PairPoint, duplicate_pair, move_point, toggle_pair
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size, clamp, distance
from draggan_tui.editor.commands import drag, history, mask, points, session, view
from draggan_tui.editor.commands.context import CommandContext
from draggan_tui.editor.modes import Grab, Idle
from tests.support.editor_commands import counting, last_message, loaded_context, place_pair_at

PAIR = PointPair(handle=(40, 50), target=(60, 50))


@pytest.fixture
def context() -> CommandContext:
    context = loaded_context()
    place_pair_at(context, (40.0, 50.0), (60.0, 50.0))
    return context


# The document -----------------------------------------------------------------------------------------


@st.composite
def edits(draw: st.DrawFn) -> tuple[Edit, int, Size]:
    """Draw an edit whose pairs are at quarters of pixels with their points apart, the index of a pair, and the image size."""
    image_size = Size(draw(st.integers(8, 200)), draw(st.integers(8, 200)))
    place = st.tuples(*(st.integers(0, 4 * (side - 1)).map(lambda quarters: quarters / 4) for side in image_size))
    points = st.tuples(place, place).filter(lambda pair: pair[0] != pair[1])
    pairs = tuple(PointPair(handle=a, target=b) for a, b in draw(st.lists(points, min_size=1, max_size=4)))
    return Edit(model="toy", pairs=pairs), draw(st.integers(0, len(pairs) - 1)), image_size


def inside_and_apart(edit: Edit, image_size: Size) -> bool:
    edit.check_drag(image_size)
    inside = all(0 <= x <= image_size.width - 1 and 0 <= y <= image_size.height - 1 for x, y in points_of(edit))
    return inside and all(pair.handle != pair.target for pair in edit.pairs)


def points_of(edit: Edit) -> list[Point]:
    return [point for pair in edit.pairs for point in (pair.handle, pair.target) if point is not None]


@given(edits(), st.sampled_from(["handle", "target"]), st.tuples(*[st.floats(-300, 300)] * 2))
def test_a_moved_point_stays_inside_and_off_the_other_point(
    case: tuple[Edit, int, Size], part: PairPoint, to: Point
) -> None:
    edit, index, image_size = case
    try:
        moved = move_point(edit, index, part, to, image_size)
    except EditError:
        other = edit.pairs[index].target if part == "handle" else edit.pairs[index].handle
        assert other is not None
        assert distance(other, clamp(to, image_size)) < SAME_POINT_DISTANCE
        return
    assert inside_and_apart(moved, image_size)
    assert [p for i, p in enumerate(moved.pairs) if i != index] == [p for i, p in enumerate(edit.pairs) if i != index]


@given(edits(), st.floats(1, 400))
def test_a_copy_is_inside_the_image_and_beside_its_original(case: tuple[Edit, int, Size], step: float) -> None:
    edit, index, image_size = case
    copied = duplicate_pair(edit, index, step, image_size)
    assert inside_and_apart(copied, image_size)
    assert copied.pairs[:-1] == edit.pairs
    assert copied.pairs[-1].handle != edit.pairs[index].handle or copied.pairs[-1].target != edit.pairs[index].target


@given(edits())
def test_disabling_and_enabling_again_changes_nothing(case: tuple[Edit, int, Size]) -> None:
    edit, index, _ = case
    disabled = toggle_pair(edit, index)
    assert index not in disabled.active_pairs
    assert len(disabled.active_pairs) == len(edit.pairs) - 1
    assert toggle_pair(disabled, index) == edit


def test_a_copy_goes_to_the_right_and_down_or_back_where_there_is_no_room() -> None:
    image_size = Size(100, 100)
    copied = duplicate_pair(
        Edit(model="toy", pairs=(PointPair(handle=(10, 20), target=(30, 40), enabled=False),)), 0, 5, image_size
    )
    assert copied.pairs[1] == PointPair(handle=(15, 25), target=(35, 45), enabled=False)
    copied = duplicate_pair(Edit(model="toy", pairs=(PointPair(handle=(90, 20), target=(97, 99)),)), 0, 5, image_size)
    assert copied.pairs[1] == PointPair(handle=(85, 15), target=(92, 94))
    copied = duplicate_pair(Edit(model="toy", pairs=(PointPair(handle=(0, 50), target=(99, 50)),)), 0, 5, image_size)
    assert copied.pairs[1] == PointPair(handle=(5, 55), target=(99, 55))
    with pytest.raises(EditError, match="pair 1 has no target yet"):
        duplicate_pair(Edit(model="toy", pairs=(PointPair(handle=(1, 1)),)), 0, 5, image_size)


def test_a_drag_moves_the_enabled_pairs_with_a_target() -> None:
    edit = toggle_pair(Edit(model="toy", pairs=(PAIR, PointPair(handle=(1, 2)), PAIR)), 0)
    assert edit.active_pairs == {2: ((40, 50), (60, 50))}


# The commands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["handle", "target"])
def test_a_grabbed_point_follows_the_cursor_and_is_one_revision(context: CommandContext, part: PairPoint) -> None:
    before = context.state.history
    points.toggle_grab(context, part)
    assert context.state.mode == Grab(0, part)
    assert context.state.cursor == ((40, 50) if part == "handle" else (60, 50))
    view.move_cursor(context, -3, 0)
    view.move_to_edge(context, 0, -1)
    assert (context.state.history, context.state.edit.pairs) == (before, (PAIR,))
    moved = getattr(context.state.drawn_edit.pairs[0], part)
    assert moved == context.state.cursor
    assert context.state.drawn_edit.pairs[0].handle == (moved if part == "handle" else (40, 50))
    points.drop(context)
    assert last_message(context) == f"{part} 1 is dropped"
    assert context.state.edit.pairs == (PAIR.model_copy(update={part: moved}),)
    assert len(context.state.history.lineage) == len(before.lineage) + 1
    history.undo(context)
    assert context.state.edit.pairs == (PAIR,)


def test_escape_puts_a_grabbed_point_back_and_dropping_it_in_place_changes_nothing(context: CommandContext) -> None:
    before = context.state.history
    points.toggle_grab(context, "handle")
    view.move_cursor(context, 0, 5)
    points.cancel(context)
    assert (context.state.mode, context.state.cursor, context.state.history) == (Idle(), (40, 50), before)
    points.toggle_grab(context, "target")
    points.drop(context)
    assert context.state.history is before


@pytest.mark.parametrize(
    ("part", "onto", "says"),
    [("handle", (60.0, 50.0), "the handle is on its target"), ("target", (40.0, 50.0), "the target is on its handle")],
)
def test_one_point_is_never_dropped_on_the_other(
    context: CommandContext, part: PairPoint, onto: Point, says: str
) -> None:
    points.toggle_grab(context, part)
    context.state.place_cursor(onto)
    with pytest.raises(EditError, match=says):
        points.drop(context)
    assert context.state.mode == Grab(0, part)
    view.move_cursor(context, 1, 1)
    points.drop(context)
    assert context.state.mode == Idle()


def test_nothing_else_can_be_edited_while_a_point_is_grabbed(context: CommandContext) -> None:
    mask.toggle_cell(context)
    points.toggle_grab(context, "handle")
    before = context.state.history
    actions: list[Callable[[], object]] = [
        lambda: points.move_target(context), lambda: points.delete(context), lambda: points.select(context, 1), lambda: history.undo(context), lambda: session.browse_seeds(context, 1), lambda: mask.invert(context),
        lambda: mask.toggle_pen(context), lambda: mask.next_shape(context), lambda: drag.toggle_drag(context), lambda: context.state.start_loading("other"),
        lambda: points.duplicate(context), lambda: points.toggle_enabled(context), lambda: session.save(context),
    ]  # fmt: skip
    for action in actions:
        with pytest.raises(EditError, match=r"handle 1 is grabbed: \{place\} drops it, \{cancel\} puts it back"):
            action()
    assert (context.state.history, context.state.mode) == (before, Grab(0, "handle"))


def test_only_points_that_exist_can_be_grabbed(context: CommandContext) -> None:
    points.delete(context)
    with pytest.raises(EditError, match="there is no pair"):
        points.toggle_grab(context, "handle")
    with pytest.raises(EditError, match="nothing is grabbed"):
        points.drop(context)
    points.place(context)
    with pytest.raises(EditError, match="pair 1 has no target yet"):
        points.toggle_grab(context, "target")
    points.toggle_grab(context, "handle")
    view.move_cursor(context, 2, 0)
    points.drop(context)
    assert context.state.edit.pairs[0].handle == context.state.cursor


def test_grabbing_lifts_the_pen_and_leaves_the_shape(context: CommandContext) -> None:
    mask.toggle_pen(context)
    points.toggle_grab(context, "handle")
    assert context.state.mode == Grab(0, "handle")
    points.cancel(context)
    mask.next_shape(context)
    points.toggle_grab(context, "handle")
    assert context.state.mode == Grab(0, "handle")


def test_nudging_moves_the_handle_by_image_pixels(context: CommandContext) -> None:
    context.state.place_cursor((5, 5))
    points.nudge(context, 1, 0)
    points.nudge(counting(context, 3), 0, -1)
    assert (context.state.edit.pairs[0].handle, context.state.cursor, len(context.state.history.lineage)) == (
        (41, 47),
        (41, 47),
        5,
    )
    points.nudge(counting(context, 99), -1, 0)
    assert context.state.edit.pairs[0].handle == (0, 47)
    history.undo(context)
    assert context.state.edit.pairs[0].handle == (41, 47)


def test_nudging_moves_a_grabbed_point(context: CommandContext) -> None:
    before = context.state.history
    points.toggle_grab(context, "target")
    points.nudge(context, 0, 1)
    assert (context.state.cursor, context.state.history) == ((60, 51), before)
    points.drop(context)
    assert context.state.edit.pairs[0].target == (60, 51)


def test_a_handle_is_not_nudged_onto_its_target(context: CommandContext) -> None:
    with pytest.raises(EditError, match="the handle is on its target"):
        points.nudge(counting(context, 20), 1, 0)
    assert context.state.edit.pairs == (PAIR,)


def test_a_copy_is_selected_and_is_one_revision(context: CommandContext) -> None:
    points.duplicate(context)  # its preview pixels are four pixels of the image
    copy = PointPair(handle=(52, 62), target=(72, 62))
    assert (context.state.edit.pairs, context.state.selected_pair, context.state.cursor) == ((PAIR, copy), 1, (52, 62))
    view.zoom(counting(context, 99), 1)
    points.duplicate(context)  # zoomed in: never by less than three pixels of the image
    assert context.state.edit.pairs[2].handle == (55, 65)
    history.undo(context)
    history.undo(context)
    assert (context.state.edit.pairs, context.state.selected_pair) == ((PAIR,), 0)


def test_a_disabled_pair_stays_where_it_is_in_a_drag(context: CommandContext) -> None:
    place_pair_at(context, (10, 10), (30, 10))
    points.toggle_enabled(context)
    assert last_message(context).endswith("is disabled: drags leave it out")
    drag.toggle_drag(context)
    context.drag.take_step(((45.0, 50.0),), 1.5)
    assert [pair.handle for pair in context.state.drawn_edit.pairs] == [(45, 50), (10, 10)]
    context.drag.end(None)
    points.toggle_enabled(context)
    assert last_message(context).endswith("is enabled")
    assert context.state.edit.active_pairs.keys() == {0, 1}


def test_with_every_pair_disabled_a_drag_says_what_to_do(context: CommandContext) -> None:
    points.toggle_enabled(context)
    with pytest.raises(EditError, match=r"every pair that has a target is disabled; enable one"):
        drag.toggle_drag(context)
    assert not context.state.is_dragging
