"""The key that shows letters at points of the image, and the letters."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.server.messages import LandmarksLocated
from draggan_tui.app import DragganApp
from draggan_tui.editor.modes import Idle, Labels
from draggan_tui.rendering.key_line import KeyHint
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.key_line import KeyLine
from draggan_tui.widgets.status_line import StatusLine
from tests.support.editing import ROUGH, place_pair, ready, status


async def labelled(app: DragganApp, pilot: Pilot[None]) -> Labels:
    await pilot.press("apostrophe")
    mode = app.editor.state.mode
    assert isinstance(mode, Labels), status(app)
    return mode


async def test_a_letter_moves_the_cursor_to_its_point_and_changes_nothing_else(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot, rgb=ROUGH)
        state = app.editor.state
        edit, history = state.edit, state.history
        points = (await labelled(app, pilot)).points
        assert list(points) == list("abcdefghijklmnopqrstuvwxyz")[: len(points)]
        assert len(points) > 10
        assert app.editor.query_one(StatusLine).mode.split() == ["LETTERS"]
        assert app.editor.query_one(KeyLine).hints[0] == KeyHint("Esc", "leave", "run('cancel')")
        assert app.editor.panels.overlay().labels == {
            letter: state.viewport.pixel(point) for letter, point in points.items()
        }
        await pilot.press("d")
        assert (state.cursor, state.mode) == (points["d"], Idle())
        assert (state.edit, state.history) == (edit, history)
        assert app.editor.panels.overlay().labels == {}
        await pilot.press("enter")
        assert state.edit.pairs[0].handle == points["d"]


async def test_landmarks_get_the_first_letters(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot, rgb=ROUGH)
        state = app.editor.state
        nose, eye = (30.25, 40.5), (10.0, 20.0)
        engine.say(LandmarksLocated(source=state.edit.source, points=(nose, eye)))
        engine.say(LandmarksLocated(source=LatentRef(seed=7), points=((1, 1),)))
        await pilot.pause()
        points = (await labelled(app, pilot)).points
        assert (points["a"], points["b"]) == (nose, eye)
        assert len(points) > 10
        await pilot.press("a")
        assert state.cursor == nose


async def test_escape_removes_the_letters_only(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot, rgb=ROUGH)
        state = app.editor.state
        await pilot.press("enter")
        cursor, pairs = state.cursor, state.edit.pairs
        await labelled(app, pilot)
        await pilot.press("escape")
        assert (state.mode, state.cursor, state.edit.pairs) == (Idle(), cursor, pairs)


async def test_every_other_key_and_the_mouse_do_what_they_do_and_remove_the_letters(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot, rgb=ROUGH)
        state = app.editor.state
        await place_pair(pilot)
        await labelled(app, pilot)
        await pilot.press("G")
        assert status(app) == "target 1 is grabbed: it moves with the cursor"
        await pilot.press("escape")
        await labelled(app, pilot)
        await pilot.press("plus")
        assert (state.mode, state.viewport.scale is None) == (Idle(), False)
        zoomed_points = (await labelled(app, pilot)).points
        assert all(state.viewport.nearest_shown(point) == point for point in zoomed_points.values())
        await pilot.click(Canvas, offset=(20, 3))
        assert state.mode == Idle()


async def test_a_letter_without_a_point_says_so(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot, rgb=ROUGH)
        points = (await labelled(app, pilot)).points
        app.editor.state.mode = Labels({"a": points["a"]})
        await pilot.press("x")
        assert status(app) == "no point has the letter x: Esc removes the letters"
        assert isinstance(app.editor.state.mode, Labels)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["m"], "the pen is down: m lifts it"),
        (["v"], "the rectangle is not painted yet: Enter paints it, Esc leaves it"),
    ],
)
async def test_pen_and_shape_come_first(app: DragganApp, keys: list[str], message: str) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot, rgb=ROUGH)
        await pilot.press(*keys)
        mode = app.editor.state.mode
        await pilot.press("apostrophe")
        assert (status(app), app.editor.state.mode) == (message, mode)
