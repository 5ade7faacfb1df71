"""What a press, a movement and a release of the mouse do to the edit, without a screen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from draggan_engine.core.edit import Edit
from draggan_engine.core.edit_ops import Brush, paint_brush, paint_stroke
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size
from draggan_tui.editor.commands import drag, history, mask, mouse, points
from draggan_tui.editor.commands.context import CommandContext
from draggan_tui.editor.commands.mouse import point_near
from draggan_tui.editor.modes import ShapeMode
from draggan_tui.editor.viewport import Viewport
from tests.support.editor_commands import RecordingInterface, loaded_context, mask_of, place_pair_at

VIEW = Viewport(Size(128, 128), Size(32, 32))  # four image pixels to a screen pixel
ZOOMED_VIEW = Viewport(Size(128, 128), Size(64, 64), 8.0, (256, 256))
Pixel = tuple[int, int]


@pytest.fixture
def context() -> CommandContext:
    return loaded_context()


def drag_mouse(context: CommandContext, *pixels: Pixel) -> str:
    """Press the button at the first pixel of the grid, move along the others and release it at the last; return what was
    reported."""
    assert isinstance(context.ui, RecordingInterface)
    messages, view = context.ui.messages, context.state.viewport
    messages.clear()
    mouse.press(context, view.point(pixels[0]))
    for pixel in pixels[1:]:
        mouse.move(context, view.point(pixel))
    mouse.release(context, view.point(pixels[-1]))
    return "".join(messages)


def test_a_click_only_moves_the_cursor(context: CommandContext) -> None:
    before = context.state.history
    assert drag_mouse(context, (3, 4)) == ""
    assert (context.state.cursor, context.state.history, context.state.gesture) == (VIEW.point((3, 4)), before, None)
    assert drag_mouse(context, (3, 4), (3, 5)) == "", "the other half of the same cell"
    assert context.state.history is before


def test_a_mouse_drag_draws_a_pair_as_one_change(context: CommandContext) -> None:
    assert drag_mouse(context, (3, 4), (9, 5), (20, 9), (12, 7)) == "pair 1 is set"
    (pair,) = context.state.edit.pairs
    assert (pair.handle, pair.target) == (VIEW.point((3, 4)), VIEW.point((12, 7)))
    assert (len(context.state.history.lineage) - 1, context.state.selected_pair, context.state.cursor) == (
        1,
        0,
        pair.target,
    )
    drag_mouse(context, (25, 4), (25, 20))
    assert (len(context.state.edit.pairs), context.state.selected_pair) == (2, 1)
    history.undo(context)
    history.undo(context)
    assert context.state.edit.pairs == ()


def test_nothing_changes_while_the_button_is_down(context: CommandContext) -> None:
    mouse.press(context, VIEW.point((3, 4)))
    mouse.move(context, VIEW.point((9, 9)))
    assert context.state.edit.pairs == () and context.state.change_count == 0
    assert context.state.drawn_edit.pairs[0].target == VIEW.point((9, 9))
    assert [pair.handle for pair in context.state.drawn_edit.pairs] == [VIEW.point((3, 4))]
    mouse.abandon(context)
    assert context.state.drawn_edit is context.state.edit
    mouse.move(context, VIEW.point((12, 9)))
    mouse.release(context, VIEW.point((12, 9)))
    assert context.state.edit.pairs == ()


def test_a_point_moves_as_far_as_the_mouse(context: CommandContext) -> None:
    place_pair_at(context, (20.3, 30.6), (60.5, 30.25))
    column, row = VIEW.pixel((20.3, 30.6))
    assert drag_mouse(context, (column + 1, row - 2), (column + 4, row - 2)) == "handle 1 is moved"
    assert context.state.edit.pairs[0].handle == pytest.approx((32.3, 30.6))
    assert context.state.edit.pairs[0].target == (60.5, 30.25)
    column, row = VIEW.pixel((60.5, 30.25))
    assert drag_mouse(context, (column, row), (column, row + 5), (column - 2, row + 6)) == "target 1 is moved"
    assert context.state.edit.pairs[0].target == pytest.approx((52.5, 54.25))
    assert context.state.cursor == context.state.edit.pairs[0].target
    assert len(context.state.history.lineage) - 1 == 4
    column, row = VIEW.pixel((32.3, 30.6))
    drag_mouse(context, (column + 1, row), (0, row))
    assert context.state.edit.pairs[0].handle == pytest.approx((0, 30.6)), "not beyond the image"


def test_a_point_moves_by_eighths_of_a_pixel_at_eight_to_one(context: CommandContext) -> None:
    place_pair_at(context, (34, 34), (37.3, 34))
    column, row = ZOOMED_VIEW.pixel((34, 34))
    context.state.viewport = ZOOMED_VIEW
    drag_mouse(context, (column, row), (column + 3, row + 1))
    assert context.state.edit.pairs[0].handle == (34.375, 34.125)


def test_a_press_on_a_point_selects_its_pair(context: CommandContext) -> None:
    place_pair_at(context, (20, 20), (60, 20))
    place_pair_at(context, (20, 90), (60, 90))
    drag_mouse(context, VIEW.pixel((60, 20)))
    assert (context.state.selected_pair, len(context.state.history.lineage) - 1) == (0, 4)
    assert context.state.cursor is not None


def test_the_nearest_point_is_moved_and_handles_before_targets(context: CommandContext) -> None:
    place_pair_at(context, (20, 20), (28, 20))
    for column, part in ((4, "handle"), (5, "handle"), (6, "handle"), (7, "target"), (8, "target"), (9, None)):
        near = point_near(context.state, VIEW.point((column, 5)))
        assert near == (None if part is None else (0, part))
    for row, found in ((1, False), (2, True), (7, True), (8, False)):
        assert (point_near(context.state, VIEW.point((5, row))) is not None) == found
    place_pair_at(context, (20, 20), (90, 90))
    assert point_near(context.state, (20, 20)) == (1, "handle"), "the selected one"


def test_the_mouse_cannot_drop_a_point_on_the_other_point_of_its_pair(context: CommandContext) -> None:
    place_pair_at(context, VIEW.point((5, 6)), VIEW.point((12, 6)))
    before = context.state.history
    with pytest.raises(EditError, match="is on its"):
        drag_mouse(context, (12, 6), (5, 6))
    assert (context.state.history, context.state.gesture) == (before, None)


def test_a_pair_that_waits_for_its_target_keeps_waiting(context: CommandContext) -> None:
    context.state.place_cursor((20, 20))
    points.place(context)
    drag_mouse(context, (20, 20), (25, 20))
    assert [pair.target is None for pair in context.state.edit.pairs] == [True, False]
    drag_mouse(context, VIEW.pixel((20, 20)), (9, 9))
    assert context.state.edit.pairs[0].target is None


def test_the_pen_paints_one_stroke_without_gaps(context: CommandContext) -> None:
    mask.toggle_pen(context)
    before = mask_of(context)
    assert drag_mouse(context, (2, 2), (9, 2), (9, 12)) == ""
    painted = mask_of(context)[2::4, 2::4]
    assert painted[2, 2:10].all() and painted[2:13, 9].all()
    assert painted.sum() == 8 + 10 + before[2::4, 2::4].sum()
    assert len(context.state.history.lineage) - 1 == 2
    drag_mouse(context, (20, 20))
    assert mask_of(context)[82, 82], "a click is a dab"
    history.undo(context)
    history.undo(context)
    assert (mask_of(context) == before).all()


def test_the_pen_paints_over_points(context: CommandContext) -> None:
    place_pair_at(context, (20, 20), (60, 20))
    mask.toggle_pen(context)
    drag_mouse(context, VIEW.pixel((20, 20)), (5, 12))
    assert context.state.edit.pairs[0].handle == (20, 20)
    assert mask_of(context)[50, 21]


def test_a_shape_is_stretched_from_where_the_button_went_down(context: CommandContext) -> None:
    mask.next_shape(context)
    before = context.state.history
    drag_mouse(context, (4, 4))
    assert context.state.mode == ShapeMode("rectangle", (65.5, 65.5)), "a click stretches it to there"
    drag_mouse(context, (4, 4), (9, 7), (7, 6))
    area = context.state.shape_area
    assert area is not None
    assert np.argwhere(area).min(axis=0).tolist() == [16, 16]
    assert np.argwhere(area).max(axis=0).tolist() == [27, 31]
    assert context.state.history is before
    mask.finish_shape(context, paint=True)
    assert len(context.state.history.lineage) - 1 == 1


def test_another_change_ends_the_gesture(context: CommandContext) -> None:
    place_pair_at(context, (20, 20), (60, 20))
    mouse.press(context, (20, 20))
    mouse.move(context, (40, 40))
    history.undo(context)
    assert context.state.gesture is None
    mouse.move(context, (44, 40))
    mouse.release(context, (44, 40))
    assert len(context.state.edit.pairs) == 1 and context.state.edit.pairs[0].target is None
    assert context.state.gesture is None


def test_only_the_cursor_moves_during_a_drag(context: CommandContext) -> None:
    place_pair_at(context, (20, 20), (60, 20))
    mouse.press(context, (20, 20))
    mouse.move(context, (40, 40))
    drag.toggle_drag(context)
    assert context.state.gesture is None
    mouse.move(context, (44, 40))
    mouse.release(context, (44, 40))
    for way in (((20, 20), (9, 9)), ((25, 25), (9, 9))):
        with pytest.raises(EditError, match="a drag is running"):
            drag_mouse(context, *way)
    drag_mouse(context, (9, 9))
    assert context.state.cursor == VIEW.point((9, 9))
    with pytest.raises(EditError, match="a drag is running"):
        mouse.delete_at(context, (60, 20))


def test_the_right_button_deletes_a_pair(context: CommandContext) -> None:
    place_pair_at(context, (20, 20), (60, 20))
    place_pair_at(context, (20, 90), (60, 90))
    mouse.delete_at(context, (90, 60))
    assert len(context.state.edit.pairs) == 2, "there is no point"
    mouse.delete_at(context, (60, 20))
    assert [pair.handle for pair in context.state.edit.pairs] == [(20, 90)]
    history.undo(context)
    assert len(context.state.edit.pairs) == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["press", "drag", "release", "drop", "delete", "undo", "redo", "pen", "shape", "place"]),
            st.tuples(st.integers(-3, 40), st.integers(-3, 40)),
        ),
        max_size=30,
    )
)
def test_any_mouse_input_can_be_undone_and_leaves_no_gesture(actions: list[tuple[str, Pixel]]) -> None:
    context = loaded_context()
    first = context.state.edit
    for name, pixel in actions:
        point = context.state.viewport.point(pixel)
        commands = {
            "press": lambda point=point: mouse.press(context, point),
            "drag": lambda point=point: mouse.move(context, point),
            "release": lambda point=point: mouse.release(context, point),
            "drop": lambda: mouse.abandon(context),
            "delete": lambda point=point: mouse.delete_at(context, point),
            "undo": lambda: history.undo(context),
            "redo": lambda: history.redo(context),
            "pen": lambda: mask.toggle_pen(context),
            "shape": lambda: mask.next_shape(context),
            "place": lambda: points.place(context),
        }
        context.ui.attempt(commands[name])
        state = context.state
        assert state.selected_pair is None or 0 <= state.selected_pair < len(state.drawn_edit.pairs)
    mouse.abandon(context)
    while context.state.history.current_revision.parent is not None:
        history.undo(context)
    assert context.state.edit == first


@given(st.lists(st.tuples(st.floats(0, 63), st.floats(0, 63)), min_size=1, max_size=9), st.integers(1, 6))
def test_a_stroke_covers_the_brush_at_each_of_its_points(points: list[tuple[float, float]], size: int) -> None:
    image_size, grid, tool = Size(64, 64), Size(20, 20), Brush(size, round=True)
    one_by_one = Edit(model="toy")
    for point in points:
        one_by_one = paint_brush(one_by_one, point, tool, grid, image_size, paint=True)
    assert paint_stroke(Edit(model="toy"), points, tool, grid, image_size) == one_by_one
