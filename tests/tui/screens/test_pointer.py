"""The mouse on the canvas of the editor."""

from __future__ import annotations

import pytest
from textual import events
from textual.pilot import Pilot

from draggan_engine.server.messages import Save
from draggan_tui.app import DragganApp
from draggan_tui.screens.help_dialog import HelpDialog
from draggan_tui.widgets.canvas import Canvas
from tests.support.editing import ready, status, until, until_screen_shows


async def drag(pilot: Pilot[None], *cells: tuple[int, int]) -> None:
    """Drag the mouse between cells of the canvas."""
    await pilot.mouse_down(Canvas, offset=cells[0])
    for offset in cells[1:]:
        await pilot.hover(Canvas, offset=offset)
    await pilot.mouse_up(Canvas, offset=cells[-1])
    await pilot.pause()


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_a_pair_is_drawn_moved_and_deleted_with_the_mouse(app: DragganApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        engine = await ready(app, pilot)
        state = app.editor.state
        await pilot.mouse_down(Canvas, offset=(30, 10))
        await pilot.hover(Canvas, offset=(38, 7))
        await pilot.pause()
        saves = [command for command in engine.sent if isinstance(command, Save)]
        assert saves == [], "nothing is written before the button is released"
        (mark,) = app.editor.panels.overlay().pairs
        left, top = app.editor.state.viewport.corner
        assert (mark.handle, mark.target) == ((30 - left, 20 - top), (38 - left, 14 - top))
        await pilot.mouse_up(Canvas, offset=(40, 7))
        await until(lambda: status(app) == "pair 1 is set")
        assert engine.edit.pairs == state.edit.pairs
        await drag(pilot, (40, 7), (41, 9), (40, 9))
        assert status(app) == "target 1 is moved"
        assert state.edit.pairs[0].target == app.editor.state.viewport.point((40 - left, 18 - top))
        await pilot.press("u", "u")
        assert state.edit.pairs == ()
        await pilot.press("ctrl+r")
        await pilot.click(Canvas, offset=(30, 10), button=3)
        assert (status(app), state.edit.pairs) == ("pair 1 is deleted", ())
        before = state.history
        await pilot.click(Canvas, offset=(30, 10), button=3)
        await pilot.click(Canvas, offset=(25, 5), button=2)
        await pilot.click(Canvas, offset=(25, 5), control=True)
        assert state.history is before
        assert state.cursor == app.editor.state.viewport.point((25 - left, 10 - top))


async def test_the_mouse_points_at_half_cells_if_the_terminal_reports_pixels(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        left, _ = app.editor.state.viewport.corner

        async def send(kind: type[events.MouseEvent], x: float, y: float) -> None:
            app.screen._forward_event(kind(None, x, y, 0, 0, 1, False, False, False, x, y))
            await pilot.pause()
            await pilot.pause()

        await send(events.MouseDown, 10.3, 5.7)
        await send(events.MouseMove, 20.1, 5.9)
        await send(events.MouseMove, 20.1, 6.6)
        await send(events.MouseUp, 20.1, 6.6)
        (pair,) = app.editor.state.edit.pairs
        view = app.editor.state.viewport
        assert (view.pixel(pair.handle), view.pixel(pair.target)) == ((10 - left, 11), (20 - left, 13))  # type: ignore[arg-type]


async def test_escape_and_other_screens_end_a_gesture(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        state = app.editor.state
        await pilot.mouse_down(Canvas, offset=(10, 10))
        await pilot.hover(Canvas, offset=(18, 7))
        await pilot.press("escape")
        assert state.gesture is None
        await pilot.hover(Canvas, offset=(19, 7))
        await pilot.mouse_up(Canvas, offset=(19, 7))
        assert state.edit.pairs == ()
        await pilot.mouse_down(Canvas, offset=(10, 10))
        await pilot.hover(Canvas, offset=(18, 7))
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpDialog)
        assert (state.gesture, app.mouse_captured) == (None, None)
        await pilot.press("escape")
        await pilot.hover(Canvas, offset=(22, 7))
        await pilot.mouse_up(Canvas, offset=(22, 7))
        assert state.edit.pairs == ()


async def test_an_impossible_gesture_is_reported_and_its_draft_removed(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        shown: list[int] = []
        await drag(pilot, (10, 10), (18, 10))
        await pilot.mouse_down(Canvas, offset=(18, 10))
        for column in (14, 10):
            await pilot.hover(Canvas, offset=(column, 10))
            await pilot.pause()
            target = app.editor.panels.overlay().pairs[0].target
            assert target is not None
            shown.append(target[0] + app.editor.state.viewport.corner[0])
        assert shown == [14, 18], "the target cannot be on its handle, so it stays where it was"
        assert status(app) == "the target is on its handle: move it elsewhere"
        await pilot.mouse_up(Canvas, offset=(10, 10))
        assert len(app.editor.state.history.lineage) - 1 == 1


async def test_the_mouse_paints_even_beyond_the_canvas(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        state = app.editor.state
        await pilot.press("m")
        await pilot.mouse_down(Canvas, offset=(30, 10))
        await pilot.hover(Canvas, offset=(36, 10))
        saves = len([command for command in engine.sent if isinstance(command, Save)])
        assert app.editor.panels.overlay().mask is not None
        await pilot.hover("#facts", offset=(9, 3))
        await pilot.mouse_up("#facts", offset=(9, 3))
        await pilot.pause()
        assert len([command for command in engine.sent if isinstance(command, Save)]) == saves + 1
        shown = app.editor.panels.overlay().mask
        assert shown is not None
        assert shown[:, -1].any(), "up to the border"
        assert len(state.history.lineage) - 1 == 2
        await pilot.press("u", "u")
        assert state.edit.mask is None


async def test_dragging_out_of_a_zoomed_window_pans(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("9", "9", "plus")
        before, width = app.editor.state.viewport.origin, app.editor.state.viewport.window.width
        await pilot.mouse_down(Canvas, offset=(10, 10))
        await pilot.hover(Canvas, offset=(width - 1, 10))
        await pilot.pause()
        assert app.editor.state.viewport.origin == before, "what is in view stays where it is under the mouse"
        await pilot.hover("#facts", offset=(9, 9))
        await until(lambda: app.editor.state.viewport.origin[0] > before[0])
        await pilot.press("3", "minus")
        assert app.editor.state.viewport.ratio == "3:1", "and the keys go on working"
        await pilot.mouse_up(Canvas, offset=(20, 5))
        await pilot.pause()
        (pair,) = app.editor.state.edit.pairs
        assert pair.target == app.editor.state.cursor


async def test_the_help_names_the_mouse_and_the_view(app: DragganApp) -> None:
    async with app.run_test(size=(100, 120)) as pilot:
        await ready(app, pilot)
        await pilot.press("question_mark")
        await until_screen_shows(app, "View", "the whole image", "Mouse", "deletes the point&#x27;s pair")
