"""The mouse on the picture: what a press, a drag and a release do to the document."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.pilot import Pilot

from draggan_engine.core.edit import Edit
from draggan_engine.core.edit_ops import Brush, paint_brush, paint_stroke
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size
from draggan_engine.server.messages import Save
from draggan_tui.app import DragganApp
from draggan_tui.editor.viewport import Viewport
from draggan_tui.editor.workspace import EditorState
from draggan_tui.screens.help_dialog import HelpDialog
from draggan_tui.screens.pointer import Pointer, point_near
from draggan_tui.widgets.canvas import Canvas
from tests.support.editing import ready, status
from tests.tui.editor.test_workspace import loaded, mask_of, set_pair

VIEW = Viewport(Size(128, 128), Size(32, 32))  # four picture pixels to one of the screen
FINE = Viewport(Size(128, 128), Size(64, 64), 8.0, (256, 256))
Spot = tuple[int, int]


@pytest.fixture
def work() -> EditorState:
    return loaded()


def gesture(work: EditorState, *way: Spot, view: Viewport = VIEW) -> str:
    """Presses at the first pixel of the grid, moves along the others, lets go at the last."""
    pointer = Pointer(work)
    pointer.press(view.point(way[0]), view)
    for pixel in way[1:]:
        pointer.drag(view.point(pixel), view)
    return pointer.release(view.point(way[-1]), view)


# Without a screen -------------------------------------------------------------------------------------


def test_a_click_moves_the_cursor_only(work: EditorState) -> None:
    before = work.history
    assert gesture(work, (3, 4)) == ""
    assert (work.cursor, work.history, work.draft) == (VIEW.point((3, 4)), before, None)
    assert gesture(work, (3, 4), (3, 5)) == "", "the other half of the same cell"
    assert work.history is before


def test_from_handle_to_target_is_a_pair_and_one_change(work: EditorState) -> None:
    assert gesture(work, (3, 4), (9, 5), (20, 9), (12, 7)) == "pair 1 is set"
    (pair,) = work.edit.pairs
    assert (pair.handle, pair.target) == (VIEW.point((3, 4)), VIEW.point((12, 7)))
    assert (len(work.history.lineage) - 1, work.selected, work.cursor) == (1, 0, pair.target)
    gesture(work, (25, 4), (25, 20))
    assert (len(work.edit.pairs), work.selected) == (2, 1)
    work.undo()
    work.undo()
    assert work.edit.pairs == ()


def test_while_the_button_is_down_nothing_is_changed_yet(work: EditorState) -> None:
    pointer = Pointer(work)
    pointer.press(VIEW.point((3, 4)), VIEW)
    pointer.drag(VIEW.point((9, 9)), VIEW)
    assert work.edit.pairs == () and work.revision == 0
    assert work.drawn.pairs[0].target == VIEW.point((9, 9))
    assert [pair.handle for pair in work.drawn.pairs] == [VIEW.point((3, 4))]
    pointer.drop()
    assert work.drawn is work.edit
    pointer.drag(VIEW.point((12, 9)), VIEW)
    assert pointer.release(VIEW.point((12, 9)), VIEW) == ""
    assert work.edit.pairs == ()


def test_points_are_moved_from_within_a_cell_as_far_as_the_mouse(work: EditorState) -> None:
    set_pair(work, (20.3, 30.6), (60.5, 30.25))
    column, row = VIEW.pixel((20.3, 30.6))
    assert gesture(work, (column + 1, row - 2), (column + 4, row - 2)) == "handle 1 is moved"
    assert work.edit.pairs[0].handle == pytest.approx((32.3, 30.6))
    assert work.edit.pairs[0].target == (60.5, 30.25)
    column, row = VIEW.pixel((60.5, 30.25))
    assert gesture(work, (column, row), (column, row + 5), (column - 2, row + 6)) == "target 1 is moved"
    assert work.edit.pairs[0].target == pytest.approx((52.5, 54.25))
    assert work.cursor == work.edit.pairs[0].target
    assert len(work.history.lineage) - 1 == 4
    column, row = VIEW.pixel((32.3, 30.6))
    gesture(work, (column + 1, row), (0, row))
    assert work.edit.pairs[0].handle == pytest.approx((0, 30.6)), "not beyond the picture"


def test_moved_at_eight_to_one_it_goes_by_eighths(work: EditorState) -> None:
    set_pair(work, (34, 34), (37.3, 34))
    column, row = FINE.pixel((34, 34))
    gesture(work, (column, row), (column + 3, row + 1), view=FINE)
    assert work.edit.pairs[0].handle == (34.375, 34.125)


def test_a_press_on_a_point_selects_its_pair(work: EditorState) -> None:
    set_pair(work, (20, 20), (60, 20))
    set_pair(work, (20, 90), (60, 90))
    gesture(work, VIEW.pixel((60, 20)))
    assert (work.selected, len(work.history.lineage) - 1) == (0, 4)
    assert work.cursor is not None


def test_the_nearest_point_is_taken_and_handles_first(work: EditorState) -> None:
    set_pair(work, (20, 20), (28, 20))
    for column, part in ((4, "handle"), (5, "handle"), (6, "handle"), (7, "target"), (8, "target"), (9, None)):
        near = point_near(work, VIEW.point((column, 5)), VIEW)
        assert near == (None if part is None else (0, part))
    for row, found in ((1, False), (2, True), (7, True), (8, False)):
        assert (point_near(work, VIEW.point((5, row)), VIEW) is not None) == found
    set_pair(work, (20, 20), (90, 90))
    assert point_near(work, (20, 20), VIEW) == (1, "handle"), "the selected one"


def test_a_point_cannot_be_dropped_on_its_partner(work: EditorState) -> None:
    set_pair(work, VIEW.point((5, 6)), VIEW.point((12, 6)))
    before = work.history
    with pytest.raises(EditError, match="is on its"):
        gesture(work, (12, 6), (5, 6))
    assert (work.history, work.draft) == (before, None)


def test_a_pair_that_waits_for_its_target_goes_on_waiting(work: EditorState) -> None:
    work.move_to((20, 20))
    assert work.place()
    gesture(work, (20, 20), (25, 20))
    assert [pair.target is None for pair in work.edit.pairs] == [True, False]
    gesture(work, VIEW.pixel((20, 20)), (9, 9))
    assert work.edit.pairs[0].target is None


def test_the_pen_paints_one_stroke_without_gaps(work: EditorState) -> None:
    work.toggle_pen(VIEW.grid)
    before = mask_of(work)
    assert gesture(work, (2, 2), (9, 2), (9, 12)) == ""
    painted = mask_of(work)[2::4, 2::4]
    assert painted[2, 2:10].all() and painted[2:13, 9].all()
    assert painted.sum() == 8 + 10 + before[2::4, 2::4].sum()
    assert len(work.history.lineage) - 1 == 2
    gesture(work, (20, 20))
    assert mask_of(work)[82, 82], "a click is a dab"
    work.undo()
    work.undo()
    assert (mask_of(work) == before).all()


def test_the_pen_paints_over_points(work: EditorState) -> None:
    set_pair(work, (20, 20), (60, 20))
    work.toggle_pen(VIEW.grid)
    gesture(work, VIEW.pixel((20, 20)), (5, 12))
    assert work.edit.pairs[0].handle == (20, 20)
    assert mask_of(work)[50, 21]


def test_a_shape_is_stretched_from_where_the_button_went_down(work: EditorState) -> None:
    work.next_shape()
    before = work.history
    gesture(work, (4, 4))
    assert work.shape is not None and work.shape.start == (65.5, 65.5), "a click stretches it to there"
    gesture(work, (4, 4), (9, 7), (7, 6))
    area = work.shape_area(VIEW.grid)
    assert area is not None
    assert np.argwhere(area).min(axis=0).tolist() == [16, 16]
    assert np.argwhere(area).max(axis=0).tolist() == [27, 31]
    assert work.history is before
    work.finish_shape(True, VIEW.grid)
    assert len(work.history.lineage) - 1 == 1


def test_another_change_ends_a_gesture(work: EditorState) -> None:
    set_pair(work, (20, 20), (60, 20))
    pointer = Pointer(work)
    pointer.press((20, 20), VIEW)
    pointer.drag((40, 40), VIEW)
    work.undo()
    assert work.draft is None
    pointer.drag((44, 40), VIEW)
    assert pointer.release((44, 40), VIEW) == ""
    assert len(work.edit.pairs) == 1 and work.edit.pairs[0].target is None
    assert not pointer.busy


def test_a_running_drag_lets_the_cursor_move_and_nothing_else(work: EditorState) -> None:
    set_pair(work, (20, 20), (60, 20))
    pointer = Pointer(work)
    pointer.press((20, 20), VIEW)
    pointer.drag((40, 40), VIEW)
    work.begin_drag()
    assert work.draft is None
    with pytest.raises(EditError, match="a drag is running"):
        pointer.drag((44, 40), VIEW)
    assert pointer.release((44, 40), VIEW) == ""
    for way in (((20, 20), (9, 9)), ((25, 25), (9, 9))):
        with pytest.raises(EditError, match="a drag is running"):
            gesture(work, *way)
    gesture(work, (9, 9))
    assert work.cursor == VIEW.point((9, 9))
    with pytest.raises(EditError, match="a drag is running"):
        pointer.delete((60, 20), VIEW)


def test_the_right_button_deletes(work: EditorState) -> None:
    set_pair(work, (20, 20), (60, 20))
    set_pair(work, (20, 90), (60, 90))
    pointer = Pointer(work)
    assert pointer.delete((90, 60), VIEW) is None
    assert pointer.delete((60, 20), VIEW) == 0
    assert [pair.handle for pair in work.edit.pairs] == [(20, 90)]
    work.undo()
    assert len(work.edit.pairs) == 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["press", "drag", "release", "drop", "delete", "undo", "redo", "pen", "shape", "place"]),
            st.tuples(st.integers(-3, 40), st.integers(-3, 40)),
        ),
        max_size=30,
    )
)
def test_any_mousing_can_be_undone_and_leaves_no_draft_behind(actions: list[tuple[str, Spot]]) -> None:
    work = loaded()
    first = work.edit
    pointer = Pointer(work)
    for name, pixel in actions:
        point = VIEW.point(pixel)
        keys = {
            "undo": work.undo,
            "redo": work.redo,
            "pen": lambda: work.toggle_pen(VIEW.grid),
            "shape": work.next_shape,
            "place": work.place,
        }
        try:
            if name == "drop":
                pointer.drop()
            elif name in keys:
                keys[name]()
            else:
                getattr(pointer, name)(point, VIEW)
        except EditError:
            pass
        assert work.selected is None or 0 <= work.selected < len(work.drawn.pairs)
        assert pointer.busy or work.draft is None
    pointer.drop()
    while work.history.current_revision.parent is not None:
        work.undo()
    assert work.edit == first


@given(st.lists(st.tuples(st.floats(0, 63), st.floats(0, 63)), min_size=1, max_size=9), st.integers(1, 6))
def test_a_stroke_is_all_its_dabs(points: list[tuple[float, float]], size: int) -> None:
    picture, grid, tool = Size(64, 64), Size(20, 20), Brush(size, round=True)
    one_by_one = Edit(model="toy")
    for point in points:
        one_by_one = paint_brush(one_by_one, point, tool, grid, picture, paint=True)
    assert paint_stroke(Edit(model="toy"), points, tool, grid, picture) == one_by_one


# In the editor ----------------------------------------------------------------------------------------


async def drag(pilot: Pilot[None], *way: Spot) -> None:
    """In cells of the canvas."""
    await pilot.mouse_down(Canvas, offset=way[0])
    for offset in way[1:]:
        await pilot.hover(Canvas, offset=offset)
    await pilot.mouse_up(Canvas, offset=way[-1])
    await pilot.pause()


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_a_pair_by_mouse(app: DragganApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        engine = await ready(app, pilot)
        work = app.editor.state
        await pilot.mouse_down(Canvas, offset=(30, 10))
        await pilot.hover(Canvas, offset=(38, 7))
        await pilot.pause()
        saves = [command for command in engine.sent if isinstance(command, Save)]
        assert saves == [], "nothing is written before the button is let go"
        (mark,) = app.editor._overlay().pairs
        left, top = app.editor.view.corner
        assert (mark.handle, mark.target) == ((30 - left, 20 - top), (38 - left, 14 - top))
        await pilot.mouse_up(Canvas, offset=(40, 7))
        await pilot.pause()
        assert status(app) == "pair 1 is set"
        assert engine.edit.pairs == work.edit.pairs
        await drag(pilot, (40, 7), (41, 9), (40, 9))
        assert status(app) == "target 1 is moved"
        assert work.edit.pairs[0].target == app.editor.view.point((40 - left, 18 - top))
        await pilot.press("u", "u")
        assert work.edit.pairs == ()
        await pilot.press("ctrl+r")
        await pilot.click(Canvas, offset=(30, 10), button=3)
        assert (status(app), work.edit.pairs) == ("pair 1 is deleted", ())
        before = work.history
        await pilot.click(Canvas, offset=(30, 10), button=3)
        await pilot.click(Canvas, offset=(25, 5), button=2)
        await pilot.click(Canvas, offset=(25, 5), control=True)
        assert work.history is before
        assert work.cursor == app.editor.view.point((25 - left, 10 - top))


async def test_half_cells_where_the_terminal_tells_them(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        left, _ = app.editor.view.corner

        async def send(kind: type[events.MouseEvent], x: float, y: float) -> None:
            app.screen._forward_event(kind(None, x, y, 0, 0, 1, False, False, False, x, y))
            await pilot.pause()
            await pilot.pause()

        await send(events.MouseDown, 10.3, 5.7)
        await send(events.MouseMove, 20.1, 5.9)
        await send(events.MouseMove, 20.1, 6.6)
        await send(events.MouseUp, 20.1, 6.6)
        (pair,) = app.editor.state.edit.pairs
        view = app.editor.view
        assert (view.pixel(pair.handle), view.pixel(pair.target)) == ((10 - left, 11), (20 - left, 13))  # type: ignore[arg-type]


async def test_escape_and_other_screens_leave_what_the_button_began(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        work = app.editor.state
        await pilot.mouse_down(Canvas, offset=(10, 10))
        await pilot.hover(Canvas, offset=(18, 7))
        await pilot.press("escape")
        assert work.draft is None
        await pilot.hover(Canvas, offset=(19, 7))
        await pilot.mouse_up(Canvas, offset=(19, 7))
        assert work.edit.pairs == ()
        await pilot.mouse_down(Canvas, offset=(10, 10))
        await pilot.hover(Canvas, offset=(18, 7))
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpDialog)
        assert (work.draft, app.mouse_captured) == (None, None)
        await pilot.press("escape")
        await pilot.hover(Canvas, offset=(22, 7))
        await pilot.mouse_up(Canvas, offset=(22, 7))
        assert work.edit.pairs == ()


async def test_what_cannot_be_is_said_and_goes_from_the_screen(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        shown: list[int] = []
        canvas = app.editor.query_one(Canvas)
        await drag(pilot, (10, 10), (18, 10))
        await pilot.mouse_down(Canvas, offset=(18, 10))
        for column in (14, 10):
            await pilot.hover(Canvas, offset=(column, 10))
            await pilot.pause()
            target = canvas._overlay.pairs[0].target
            assert target is not None
            shown.append(target[0] + app.editor.view.corner[0])
        assert shown == [14, 18], "it could not be on its handle, so it is where it was"
        assert status(app) == "the target is on its handle: move it elsewhere"
        await pilot.mouse_up(Canvas, offset=(10, 10))
        assert len(app.editor.state.history.lineage) - 1 == 1


async def test_painting_by_mouse_and_beyond_the_canvas(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        work = app.editor.state
        await pilot.press("m")
        await pilot.mouse_down(Canvas, offset=(30, 10))
        await pilot.hover(Canvas, offset=(36, 10))
        saves = len([command for command in engine.sent if isinstance(command, Save)])
        assert app.editor._overlay().mask is not None
        await pilot.hover("#facts", offset=(9, 3))
        await pilot.mouse_up("#facts", offset=(9, 3))
        await pilot.pause()
        assert len([command for command in engine.sent if isinstance(command, Save)]) == saves + 1
        shown = app.editor._overlay().mask
        assert shown is not None
        assert shown[:, -1].any(), "up to the border"
        assert len(work.history.lineage) - 1 == 2
        await pilot.press("u", "u")
        assert work.edit.mask is None


async def test_dragging_out_of_a_zoomed_window_pans(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("9", "9", "plus")
        before, width = app.editor.view.origin, app.editor.view.window.width
        await pilot.mouse_down(Canvas, offset=(10, 10))
        await pilot.hover(Canvas, offset=(width - 1, 10))
        await pilot.pause()
        assert app.editor.view.origin == before, "what is in view stays where it is under the mouse"
        await pilot.hover("#facts", offset=(9, 9))
        await pilot.pause()
        assert app.editor.view.origin[0] > before[0]
        await pilot.press("3", "minus")
        assert app.editor.view.ratio == "3:1", "and the keys go on working"
        await pilot.mouse_up(Canvas, offset=(20, 5))
        await pilot.pause()
        (pair,) = app.editor.state.edit.pairs
        assert pair.target == app.editor.state.cursor


async def test_the_help_names_the_mouse_and_the_view(app: DragganApp) -> None:
    async with app.run_test(size=(100, 110)) as pilot:
        await ready(app, pilot)
        await pilot.press("question_mark")
        shown = app.export_screenshot()
        for word in ("View", "the&#160;whole&#160;image", "Mouse", "deletes&#160;the&#160;point&#x27;s&#160;pair"):
            assert word in shown
