"""Pairs that are grabbed, nudged, copied and disabled: the document, the workspace, and the keys."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import Static

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.edit_ops import SAME_POINT_DISTANCE, PairPoint, duplicate_pair, move_point, toggle_pair
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point, Size, clamp, distance
from draggan_engine.server.messages import DragProgress, Save
from draggan_tui.app import DragganApp
from draggan_tui.editor.grab import Grab
from draggan_tui.editor.workspace import EditorState
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.status_line import StatusLine
from tests.support.editing import ended, place_pair, ready, status
from tests.tui.editor.test_workspace import GRID, loaded, set_pair

PAIR = PointPair(handle=(40, 50), target=(60, 50))


@pytest.fixture
def work() -> EditorState:
    workspace = loaded()
    set_pair(workspace, (40.0, 50.0), (60.0, 50.0))
    return workspace


def pairs_text(app: DragganApp) -> list[str]:
    return str(app.screen.query_one("#pair-list", Static).render()).splitlines()


# The document -----------------------------------------------------------------------------------------


@st.composite
def edits(draw: st.DrawFn) -> tuple[Edit, int, Size]:
    """A picture, pairs on it (quarters of pixels, their two points apart), and one of them."""
    picture = Size(draw(st.integers(8, 200)), draw(st.integers(8, 200)))
    place = st.tuples(*(st.integers(0, 4 * (side - 1)).map(lambda quarters: quarters / 4) for side in picture))
    points = st.tuples(place, place).filter(lambda pair: pair[0] != pair[1])
    pairs = tuple(PointPair(handle=a, target=b) for a, b in draw(st.lists(points, min_size=1, max_size=4)))
    return Edit(model="toy", pairs=pairs), draw(st.integers(0, len(pairs) - 1)), picture


def inside_and_apart(edit: Edit, picture: Size) -> bool:
    edit.check_drag(picture)
    inside = all(0 <= x <= picture.width - 1 and 0 <= y <= picture.height - 1 for x, y in points_of(edit))
    return inside and all(pair.handle != pair.target for pair in edit.pairs)


def points_of(edit: Edit) -> list[Point]:
    return [point for pair in edit.pairs for point in (pair.handle, pair.target) if point is not None]


@given(edits(), st.sampled_from(["handle", "target"]), st.tuples(*[st.floats(-300, 300)] * 2))
def test_a_moved_point_stays_inside_and_off_its_other(case: tuple[Edit, int, Size], part: PairPoint, to: Point) -> None:
    edit, index, picture = case
    try:
        moved = move_point(edit, index, part, to, picture)
    except EditError:
        other = edit.pairs[index].target if part == "handle" else edit.pairs[index].handle
        assert other is not None
        assert distance(other, clamp(to, picture)) < SAME_POINT_DISTANCE
        return
    assert inside_and_apart(moved, picture)
    assert [p for i, p in enumerate(moved.pairs) if i != index] == [p for i, p in enumerate(edit.pairs) if i != index]


@given(edits(), st.floats(1, 400))
def test_a_copy_is_inside_and_beside(case: tuple[Edit, int, Size], step: float) -> None:
    edit, index, picture = case
    copied = duplicate_pair(edit, index, step, picture)
    assert inside_and_apart(copied, picture)
    assert copied.pairs[:-1] == edit.pairs
    assert copied.pairs[-1].handle != edit.pairs[index].handle or copied.pairs[-1].target != edit.pairs[index].target


@given(edits())
def test_disabling_twice_is_nothing(case: tuple[Edit, int, Size]) -> None:
    edit, index, _ = case
    disabled = toggle_pair(edit, index)
    assert index not in disabled.active_pairs
    assert len(disabled.active_pairs) == len(edit.pairs) - 1
    assert toggle_pair(disabled, index) == edit


def test_a_copy_goes_to_the_right_and_down_or_back_where_there_is_no_room() -> None:
    picture = Size(100, 100)
    copied = duplicate_pair(
        Edit(model="toy", pairs=(PointPair(handle=(10, 20), target=(30, 40), enabled=False),)), 0, 5, picture
    )
    assert copied.pairs[1] == PointPair(handle=(15, 25), target=(35, 45), enabled=False)
    copied = duplicate_pair(Edit(model="toy", pairs=(PointPair(handle=(90, 20), target=(97, 99)),)), 0, 5, picture)
    assert copied.pairs[1] == PointPair(handle=(85, 15), target=(92, 94))
    copied = duplicate_pair(Edit(model="toy", pairs=(PointPair(handle=(0, 50), target=(99, 50)),)), 0, 5, picture)
    assert copied.pairs[1] == PointPair(handle=(5, 55), target=(99, 55))
    with pytest.raises(EditError, match="pair 1 has no target yet"):
        duplicate_pair(Edit(model="toy", pairs=(PointPair(handle=(1, 1)),)), 0, 5, picture)


def test_what_a_drag_moves() -> None:
    edit = toggle_pair(Edit(model="toy", pairs=(PAIR, PointPair(handle=(1, 2)), PAIR)), 0)
    assert edit.active_pairs == {2: ((40, 50), (60, 50))}


# The workspace ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["handle", "target"])
def test_what_is_grabbed_goes_where_the_cursor_goes_and_is_one_entry(work: EditorState, part: PairPoint) -> None:
    before = work.history
    work.take(part)
    assert work.grab == Grab(0, part)
    assert work.cursor == ((40, 50) if part == "handle" else (60, 50))
    work.move(-3, 0, GRID)
    work.to_edge(0, -1, GRID)
    assert (work.history, work.edit.pairs) == (before, (PAIR,))
    moved = getattr(work.drawn.pairs[0], part)
    assert moved == work.cursor
    assert work.drawn.pairs[0].handle == (moved if part == "handle" else (40, 50))
    assert str(work.drop()) == f"{part} 1"
    assert work.edit.pairs == (PAIR.model_copy(update={part: moved}),)
    assert len(work.history.lineage) == len(before.lineage) + 1
    work.undo()
    assert work.edit.pairs == (PAIR,)


def test_escape_puts_it_back_and_dropping_it_where_it_was_changes_nothing(work: EditorState) -> None:
    before = work.history
    work.take("handle")
    work.move(0, 5, GRID)
    work.cancel()
    assert (work.grab, work.cursor, work.history) == (None, (40, 50), before)
    work.take("target")
    work.drop()
    assert work.history is before


@pytest.mark.parametrize(
    ("part", "onto", "says"),
    [("handle", (60.0, 50.0), "the handle is on its target"), ("target", (40.0, 50.0), "the target is on its handle")],
)
def test_one_point_is_never_dropped_on_the_other(work: EditorState, part: PairPoint, onto: Point, says: str) -> None:
    work.take(part)
    work.move_to(onto)
    with pytest.raises(EditError, match=says):
        work.drop()
    assert work.grab == Grab(0, part)
    work.move(1, 1, GRID)
    work.drop()
    assert work.grab is None


def test_with_something_in_the_hand_nothing_else_can_be_done(work: EditorState) -> None:
    work.paint(True, GRID)
    work.take("handle")
    before = work.history
    actions: list[Callable[[], object]] = [
        work.place, work.retarget, work.delete, lambda: work.select(1), work.undo, lambda: work.reseed(1), work.invert_mask,
        lambda: work.toggle_pen(GRID), work.next_shape, lambda: work.begin_drag(), lambda: work.begin_loading("other"),
        lambda: work.duplicate(GRID), work.toggle_pair, lambda: work.take("target"), work.keep,
    ]  # fmt: skip
    for action in actions:
        with pytest.raises(EditError, match=r"handle 1 is grabbed: \{place\} drops it, \{cancel\} puts it back"):
            action()
    assert (work.history, work.pen, work.shape, work.dragging) == (before, False, None, False)


def test_what_cannot_be_grabbed(work: EditorState) -> None:
    work.delete()
    with pytest.raises(EditError, match="there is no pair"):
        work.take("handle")
    with pytest.raises(EditError, match="nothing is grabbed"):
        work.drop()
    work.place()
    with pytest.raises(EditError, match="pair 1 has no target yet"):
        work.take("target")
    work.take("handle")
    work.move(2, 0, GRID)
    work.drop()
    assert work.edit.pairs[0].handle == work.cursor


def test_grabbing_lifts_the_pen_and_leaves_the_shape(work: EditorState) -> None:
    work.toggle_pen(GRID)
    work.take("handle")
    assert not work.pen
    work.cancel()
    work.next_shape()
    work.take("handle")
    assert work.shape is None


def test_nudging_moves_the_handle_by_picture_pixels(work: EditorState) -> None:
    work.move_to((5, 5))
    work.nudge(1, 0)
    work.type_digit(3)
    work.nudge(0, -1)
    assert (work.edit.pairs[0].handle, work.cursor, len(work.history.lineage)) == ((41, 47), (41, 47), 5)
    work.type_digit(9)
    work.type_digit(9)
    work.nudge(-1, 0)
    assert work.edit.pairs[0].handle == (0, 47)
    work.undo()
    assert work.edit.pairs[0].handle == (41, 47)


def test_nudging_what_is_grabbed(work: EditorState) -> None:
    before = work.history
    work.take("target")
    work.nudge(0, 1)
    assert (work.cursor, work.history) == ((60, 51), before)
    work.drop()
    assert work.edit.pairs[0].target == (60, 51)


def test_a_handle_is_not_nudged_onto_its_target(work: EditorState) -> None:
    work.type_digit(2)
    work.type_digit(0)
    with pytest.raises(EditError, match="the handle is on its target"):
        work.nudge(1, 0)
    assert work.edit.pairs == (PAIR,)


def test_a_copy_is_selected_and_one_entry(work: EditorState) -> None:
    work.duplicate(GRID)  # its preview pixels are four pixels of the picture
    copy = PointPair(handle=(52, 62), target=(72, 62))
    assert (work.edit.pairs, work.selected, work.cursor) == ((PAIR, copy), 1, (52, 62))
    work.duplicate(Size(1024, 1024))  # zoomed in: never by less than three pixels of the picture
    assert work.edit.pairs[2].handle == (55, 65)
    work.undo()
    work.undo()
    assert (work.edit.pairs, work.selected) == ((PAIR,), 0)


def test_a_disabled_pair_stays_where_it_is_in_a_drag(work: EditorState) -> None:
    set_pair(work, (10, 10), (30, 10))
    assert not work.toggle_pair()
    work.begin_drag()
    work.moved = ((45.0, 50.0),)
    assert [pair.handle for pair in work.drawn.pairs] == [(45, 50), (10, 10)]
    work.end_drag(None)
    assert work.toggle_pair()
    assert work.edit.active_pairs.keys() == {0, 1}


def test_with_every_pair_disabled_a_drag_says_what_to_do(work: EditorState) -> None:
    work.toggle_pair()
    with pytest.raises(EditError, match=r"every pair that has a target is disabled; enable one"):
        work.begin_drag()
    assert not work.dragging


# The keys ---------------------------------------------------------------------------------------------


async def test_grabbing_a_handle_by_key(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        work, line = app.editor.state, app.editor.query_one(StatusLine)
        pair = work.edit.pairs[0]
        saves = engine.sent.count(engine.last(Save))
        await pilot.press("home", "g")
        assert status(app) == "handle 1 is grabbed: it moves with the cursor"
        assert line.mode.split() == ["GRAB"]
        assert work.cursor == pair.handle
        before = app.editor._overlay().pairs[0].handle
        await pilot.press("6", "j", "2", "h", "L")
        grid = app.editor.grid()
        assert app.editor._overlay().pairs[0].handle == (before[0] + 6, before[1] + 6)
        assert pairs_text(app)[0].startswith(f"▸1 {work.cursor[0]:3.0f} {work.cursor[1]:3.0f}")
        assert engine.sent.count(engine.last(Save)) == saves
        await pilot.press("tab")
        assert status(app) == "handle 1 is grabbed: Enter drops it, Esc puts it back"
        await pilot.press("enter")
        assert (work.pixel(work.edit.pairs[0].handle, grid), line.mode) == ((before[0] + 6, before[1] + 6), "")
        assert engine.edit == work.edit
        await pilot.press("u")
        assert work.edit.pairs == (pair,)


async def test_a_target_by_key_and_mouse_and_escape(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("home", "pageup")
        await place_pair(pilot)
        work = app.editor.state
        pair = work.edit.pairs[0]
        await pilot.press("G")
        await pilot.click(Canvas, offset=(app.editor.query_one(Canvas).size.width // 2, 3))
        target = app.editor._overlay().pairs[0].target
        assert target is not None and target[1] // 2 == 3
        await pilot.press("escape")
        assert status(app) == "target 1 is back where it was"
        assert (work.edit.pairs, work.drawn, work.cursor) == ((pair,), work.edit, pair.target)
        await pilot.press("G", "3", "j", "G")
        assert status(app) == "target 1 is dropped"
        assert work.edit.pairs[0].target == work.cursor != pair.target
        await pilot.press("G", "3", "k", "4", "h", "enter")
        assert status(app) == "the target is on its handle: move it elsewhere"
        assert work.grab == Grab(0, "target")


async def test_nudging_by_key(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("Y")
        assert status(app) == "there is no pair: Enter places a handle"
        await place_pair(pilot)
        work = app.editor.state
        x, y = work.edit.pairs[0].handle
        await pilot.press("Y", "5", "U", "I", "3", "O")
        assert work.edit.pairs[0].handle == (x + 2, y + 4)
        await pilot.press("u", "u", "u", "u", "G", "2", "I", "enter")
        assert work.edit.pairs[0].handle == (x, y)
        assert status(app) == "target 1 is dropped"


async def test_a_copy_by_key(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("enter", "y")
        assert status(app) == "pair 1 has no target yet; Enter sets it"
        await pilot.press("4", "l", "enter", "y")
        first, second = app.editor._overlay().pairs
        assert (second.handle[0] - first.handle[0], second.handle[1] - first.handle[1]) == (3, 3)
        assert (second.number, second.selected) == (2, True)
        await pilot.press("u")
        assert len(app.editor.state.edit.pairs) == 1


async def test_disabling_by_key(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("e")
        assert status(app) == "pair 1 is disabled: drags leave it out"
        assert pairs_text(app)[0].endswith(" off")
        assert not app.editor._overlay().pairs[0].enabled
        await pilot.press("d")
        assert status(app) == "nothing to drag: every pair that has a target is disabled; enable one"
        await pilot.press("y", "e")
        assert status(app) == "pair 2 is enabled"
        await pilot.press("d")
        assert engine.edit.active_pairs.keys() == {1}
        handle = app.editor.state.edit.pairs[0].handle
        engine.say(
            DragProgress(
                step=1, max_steps=9, loss=0.5, mean_distance=9.0, handles=((66.0, 63.0),), steps_per_second=4.0
            )
        )
        await pilot.pause()
        assert [pair.handle for pair in app.editor.state.drawn.pairs] == [handle, (66, 63)]
        engine.say(ended(app))
        await pilot.pause()
        assert [pair.enabled for pair in app.editor.state.edit.pairs] == [False, True]
        await pilot.press("tab", "e")
        assert status(app) == "pair 1 is enabled"


# Flat patches -----------------------------------------------------------------------------------------


async def half_flat(app: DragganApp, pilot: Pilot[None]) -> None:
    """The picture: noise on the left, nothing on the right."""
    rgb = np.zeros((42, 42, 3), np.uint8)
    rgb[:, :21] = np.random.RandomState(0).randint(0, 255, (42, 21, 3))
    await ready(app, pilot, rgb=rgb)


async def test_a_handle_on_a_flat_patch_gets_a_warning_and_a_mark(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await half_flat(app, pilot)
        line, work = app.editor.query_one(StatusLine), app.editor.state
        await pilot.press("1", "0", "h", "enter")
        assert status(app) == "handle 1 is set: move to its target"
        await pilot.press("2", "j", "enter", "end", "1", "0", "h", "enter")
        assert status(app) == "handle 2 is on a flat patch and may drift"
        assert line.has_class("warning")
        assert ["~" in text for text in pairs_text(app)] == [False, True]
        await pilot.press("5", "j", "enter")
        assert not line.has_class("warning")
        await pilot.press("g", "2", "l")
        assert "~" not in pairs_text(app)[1]
        await pilot.press("enter")
        assert status(app) == "handle 2 is on a flat patch and may drift"
        assert "~" in pairs_text(app)[1]
        await pilot.press("g", "home", "enter")
        assert status(app) == "handle 2 is dropped"
        assert "~" not in pairs_text(app)[1]
        await pilot.press("u")
        assert "~" in pairs_text(app)[1], "it is where it was judged"
        await pilot.press("O")
        assert status(app) == "handle 2 is on a flat patch and may drift"
        await pilot.press("n")
        assert "~" not in pairs_text(app)[1], "another picture"
        await pilot.press("O")
        assert status(app) == "handle 2 is at 103.6, 68.1", "nothing is known of a picture that is not there yet"
        assert work.edit.pairs[1].target is not None
