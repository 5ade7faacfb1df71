"""The keys for pairs of points: grabbing, nudging, copying, disabling, and the warning about flat patches."""

from __future__ import annotations

import numpy as np
from textual.pilot import Pilot
from textual.widgets import Static

from draggan_engine.server.messages import DragProgress, Save
from draggan_tui.app import DragganApp
from draggan_tui.editor.modes import Grab
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.status_line import StatusLine
from tests.support.editing import ended, place_pair, ready, status, until


def pairs_text(app: DragganApp) -> list[str]:
    return str(app.screen.query_one("#pair-list", Static).render()).splitlines()


async def test_keys_grab_and_drop_a_handle(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        state, line = app.editor.state, app.editor.query_one(StatusLine)
        pair = state.edit.pairs[0]
        saves = engine.sent.count(engine.last(Save))
        await pilot.press("home", "g")
        assert status(app) == "handle 1 is grabbed: it moves with the cursor"
        assert line.mode.split() == ["GRAB"]
        assert state.cursor == pair.handle
        before = app.editor.panels.overlay().pairs[0].handle
        await pilot.press("6", "j", "2", "h", "L")
        assert app.editor.panels.overlay().pairs[0].handle == (before[0] + 6, before[1] + 6)
        assert pairs_text(app)[0].startswith(f"▸1 {state.cursor[0]:3.0f} {state.cursor[1]:3.0f}")
        assert engine.sent.count(engine.last(Save)) == saves
        await pilot.press("tab")
        assert status(app) == "handle 1 is grabbed: Enter drops it, Esc puts it back"
        await pilot.press("enter")
        assert (state.viewport.pixel(state.edit.pairs[0].handle), line.mode) == ((before[0] + 6, before[1] + 6), "")
        assert engine.edit == state.edit
        await pilot.press("u")
        assert state.edit.pairs == (pair,)


async def test_a_grabbed_target_follows_keys_and_mouse_and_escape_puts_it_back(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("home", "pageup")
        await place_pair(pilot)
        state = app.editor.state
        pair = state.edit.pairs[0]
        await pilot.press("G")
        await pilot.click(Canvas, offset=(app.editor.query_one(Canvas).size.width // 2, 3))
        target = app.editor.panels.overlay().pairs[0].target
        assert target is not None and target[1] // 2 == 3
        await pilot.press("escape")
        assert status(app) == "target 1 is back where it was"
        assert (state.edit.pairs, state.drawn_edit, state.cursor) == ((pair,), state.edit, pair.target)
        await pilot.press("G", "3", "j", "G")
        assert status(app) == "target 1 is dropped"
        assert state.edit.pairs[0].target == state.cursor != pair.target
        await pilot.press("G", "3", "k", "4", "h", "enter")
        assert status(app) == "the target is on its handle: move it elsewhere"
        assert state.mode == Grab(0, "target")


async def test_keys_nudge_a_handle(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("Y")
        assert status(app) == "there is no pair: Enter places a handle"
        await place_pair(pilot)
        state = app.editor.state
        x, y = state.edit.pairs[0].handle
        await pilot.press("Y", "5", "U", "I", "3", "O")
        assert state.edit.pairs[0].handle == (x + 2, y + 4)
        await pilot.press("u", "u", "u", "u", "G", "2", "I", "enter")
        assert state.edit.pairs[0].handle == (x, y)
        assert status(app) == "target 1 is dropped"


async def test_a_key_copies_a_pair(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("enter", "y")
        assert status(app) == "pair 1 has no target yet; Enter sets it"
        await pilot.press("4", "l", "enter", "y")
        first, second = app.editor.panels.overlay().pairs
        assert (second.handle[0] - first.handle[0], second.handle[1] - first.handle[1]) == (3, 3)
        assert (second.number, second.selected) == (2, True)
        await pilot.press("u")
        assert len(app.editor.state.edit.pairs) == 1


async def test_a_key_disables_a_pair(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("e")
        assert status(app) == "pair 1 is disabled: drags leave it out"
        assert pairs_text(app)[0].endswith(" off")
        assert not app.editor.panels.overlay().pairs[0].enabled
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
        await until(lambda: [pair.handle for pair in app.editor.state.drawn_edit.pairs] == [handle, (66, 63)])
        engine.say(ended(app))
        await pilot.pause()
        assert [pair.enabled for pair in app.editor.state.edit.pairs] == [False, True]
        await pilot.press("tab", "e")
        assert status(app) == "pair 1 is enabled"


# Flat patches -----------------------------------------------------------------------------------------


async def half_flat(app: DragganApp, pilot: Pilot[None]) -> None:
    """Return an image with noise on the left and one colour on the right."""
    rgb = np.zeros((42, 42, 3), np.uint8)
    rgb[:, :21] = np.random.RandomState(0).randint(0, 255, (42, 21, 3))
    await ready(app, pilot, rgb=rgb)


async def test_a_handle_on_a_flat_patch_gets_a_warning_and_a_mark(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await half_flat(app, pilot)
        line, state = app.editor.query_one(StatusLine), app.editor.state
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
        assert "~" not in pairs_text(app)[1], "the edit has another image"
        await pilot.press("O")
        assert status(app) == "handle 2 is at 103.6, 68.1", "there is no warning before the image has come"
        assert state.edit.pairs[1].target is not None
