"""Live drags with the key `D`."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from draggan_engine.core.geometry import Point
from draggan_engine.core.history import DraggedPair, Revision
from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import (
    DragEnded,
    DragPreview,
    DragProgress,
    DragStarted,
    Failed,
    MoveLiveTarget,
    ReleaseLiveTarget,
    Save,
    SetPreviewSize,
    StartDrag,
    StopDrag,
)
from draggan_tui.app import DragganApp
from draggan_tui.editor.modes import Idle, LiveDrag
from draggan_tui.screens.question import Question
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.status_line import StatusLine
from tests.support.editing import FakeEngine, ended, place_pair, ready, shown, status, until

SIZE = (80, 24)


def mode(app: DragganApp) -> str:
    return app.editor.query_one(StatusLine).mode


def live_targets(engine: FakeEngine) -> list[Point | None]:
    """Return the targets that the live drag was sent, and None where it was released."""
    return [
        command.target if isinstance(command, MoveLiveTarget) else None
        for command in engine.sent
        if isinstance(command, MoveLiveTarget | ReleaseLiveTarget)
    ]


def cursor(app: DragganApp) -> Point:
    position = app.editor.state.cursor
    assert position is not None
    return position


async def live_drag(app: DragganApp, pilot: Pilot[None]) -> FakeEngine:
    """Start a live drag of the first pair."""
    engine = await ready(app, pilot)
    await place_pair(pilot)
    await pilot.press("D")
    engine.say(DragStarted(drag_number=1))
    await pilot.pause()
    return engine


async def say_progress(engine: FakeEngine, pilot: Pilot[None], handle: Point, step: int = 1) -> None:
    engine.say(
        DragProgress(step=step, max_steps=None, loss=0.5, mean_distance=2, handles=(handle,), steps_per_second=4)
    )
    await pilot.pause()


def live_end(app: DragganApp, target: Point, final: Point, steps: int = 12) -> DragEnded:
    """Return the end of a live drag in which the first pair was dragged to `target`."""
    parent, event = app.editor.state.history.current_revision, ended(app)
    handle = parent.edit.pairs[0].handle
    pair = DraggedPair(handle=handle, target=target, final=final, distance=1)
    record = event.record.model_copy(update={"live": 0, "steps": steps, "pairs": (pair,)})
    return DragEnded(record=record, revision=Revision.of_drag(parent, record))


async def test_the_handle_follows_the_cursor_until_it_is_released(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await live_drag(app, pilot)
        state = app.editor.state
        before = state.edit
        handle = before.pairs[0].handle
        assert [type(command) for command in engine.sent[-3:]] == [Save, StartDrag, MoveLiveTarget]
        start = engine.last(StartDrag)
        assert (start.live_pair, start.max_steps, start.preview_size.width) == (0, None, 42)
        assert live_targets(engine) == [handle], "the cursor is on the live handle"
        assert (cursor(app), mode(app)) == (handle, "LIVE")
        assert status(app) == "move the cursor: the image follows it"

        await pilot.press("l", "1", "2", "l", "j")
        assert len(live_targets(engine)) == 4, "one for each key, not for each cell"
        assert live_targets(engine)[-1] == cursor(app) == state.drawn_edit.pairs[0].target
        await say_progress(engine, pilot, (70.0, 64.0))
        assert state.drawn_edit.pairs[0].handle == (70, 64)
        lines = str(app.screen.query_one("#drag", Static).render()).splitlines()
        assert [line.split() for line in lines[:3]] == [["drag", "1", "·", "live", "1"], [30 * "─"], ["4.0", "steps/s"]]
        target = cursor(app)
        await pilot.press("enter")
        assert live_targets(engine)[-2:] == [target, None]
        assert mode(app) == "DRAG"
        assert status(app) == "let go: the drag ends when the handle is at rest"
        await pilot.press("9", "h")
        assert live_targets(engine)[-1] is None, "the target does not follow the cursor any more"
        assert state.drawn_edit.pairs[0].target == target

        engine.say(live_end(app, target, (80, 66)))
        await until(lambda: (mode(app), state.mode) == ("", Idle()))
        assert status(app).startswith("drag 1 reached its target: 12 steps")
        pair = state.edit.pairs[0]
        assert (pair.handle, pair.target, state.edit.source.drag) == ((80, 66), target, 1)
        entries = len(state.history.revisions)
        await pilot.press("u")
        assert state.edit == before
        await pilot.press("ctrl+r")
        assert (state.edit.source.drag, len(state.history.revisions)) == (1, entries)


@pytest.mark.parametrize("key", ["enter", "D", "escape"])
async def test_each_of_these_keys_releases_the_handle(app: DragganApp, key: str) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await live_drag(app, pilot)
        await pilot.press("5", "k", key)
        assert live_targets(engine)[-2:] == [cursor(app), None]
        assert (mode(app), app.editor.state.is_dragging) == ("DRAG", True)
        assert len(app.editor.state.edit.pairs) == 1
        await pilot.press("D")
        assert status(app) == "a drag is running: d stops it"
        assert len([command for command in engine.sent if isinstance(command, StartDrag)]) == 1


async def test_d_stops_a_live_drag_at_once(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await live_drag(app, pilot)
        await pilot.press("l", "d")
        assert isinstance(engine.sent[-1], StopDrag)
        engine.say(live_end(app, cursor(app), (66, 64)))
        await until(lambda: (mode(app), app.editor.state.edit.source.drag) == ("", 1))


async def test_a_live_drag_without_movement_changes_nothing(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await live_drag(app, pilot)
        before = app.editor.state.history
        await pilot.press("D")
        record = live_end(app, cursor(app), cursor(app)).record.model_copy(update={"steps": 0})
        engine.say(DragEnded(record=record, revision=None))
        await pilot.pause()
        assert app.editor.state.history is before
        assert mode(app) == ""


async def test_an_unfinished_or_disabled_pair_can_be_dragged_live(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("D")
        assert status(app) == "there is no pair: Enter places a handle"
        await pilot.press("enter", "5", "l", "D")  # a handle that has no target yet
        assert engine.last(StartDrag).live_pair == 0
        engine.say(live_end(app, (70, 70), (69, 70)))
        await pilot.pause()
        pair = app.editor.state.edit.pairs[0]
        assert (pair.handle, pair.target) == ((69, 70), (70, 70))
        await pilot.press("e", "D")  # a disabled one
        assert isinstance(app.editor.state.mode, LiveDrag) and cursor(app) == (69, 70)
        assert live_targets(engine)[-1] == (69, 70)


async def test_nothing_else_changes_during_a_live_drag(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await live_drag(app, pilot)
        history, target_count = app.editor.state.history, len(live_targets(engine))
        for key in ("u", "n", "x", "t", "space", "c", "w", "g", "Y", "left_parenthesis", "B", "M"):
            await pilot.press(key)
            assert status(app) == "a drag is running: d stops it", key
        await pilot.press("tab")
        assert status(app) == "a live drag is running: D lets the handle go"
        assert (app.editor.state.history, len(live_targets(engine))) == (history, target_count)
        assert app.screen is app.editor


async def test_zoom_and_pan_during_a_live_drag(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await live_drag(app, pilot)
        target_count = len(live_targets(engine))
        await pilot.press("3", "plus")
        looks = [command for command in engine.sent if isinstance(command, SetPreviewSize)]
        assert (len(looks), looks[-1].preview_size.width, len(live_targets(engine))) == (
            1,
            app.editor.context.drag.preview_size().width,
            target_count,
        )
        size = app.editor.context.drag.preview_size()
        engine.say(
            DragPreview(
                image=ImageData(width=size.width, height=size.height, rgb=bytes([9]) * (size.width * size.height * 3))
            )
        )
        await until(lambda: shown(app).shape == (size.height, size.width, 3))
        origin = app.editor.state.viewport.origin
        await pilot.press("end", "pagedown")
        assert app.editor.state.viewport.origin != origin, "the view goes along"
        corner = cursor(app)
        assert live_targets(engine)[-1] == corner == pytest.approx((127, 127), abs=0.5)
        await pilot.press("z")
        assert engine.last(SetPreviewSize).preview_size.width == 42
        assert live_targets(engine)[-1] == corner
        await pilot.press("colon", *"30,40", "enter")
        await pilot.pause()
        assert live_targets(engine)[-1] == cursor(app) == (30, 40), "typed coordinates move the live target too"


async def test_the_mouse_moves_the_live_target_too(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await live_drag(app, pilot)
        await pilot.mouse_down(Canvas, offset=(20, 5))
        places = [cursor(app)]
        for offset in ((22, 6), (24, 7)):
            await pilot.hover(Canvas, offset=offset)
            places.append(cursor(app))
        await pilot.mouse_up(Canvas, offset=(24, 7))
        await pilot.pause()
        assert len(set(places)) == 3
        assert live_targets(engine)[-3:] == places
        assert (mode(app), len(app.editor.state.edit.pairs)) == ("LIVE", 1)


async def test_a_live_drag_lifts_the_pen(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("m", "D", "5", "l")
        share = app.editor.state.edit.mask
        assert (mode(app), share) == ("LIVE", engine.edit.mask)
        await pilot.press("5", "l")
        assert app.editor.state.edit.mask == share


async def test_a_live_drag_that_cannot_start_ends(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await live_drag(app, pilot)
        engine.say(Failed(task="start_drag", message="out of memory"))
        await until(lambda: (mode(app), status(app)) == ("", "out of memory"))
        target_count = len(live_targets(engine))
        await pilot.press("l")
        assert len(live_targets(engine)) == target_count
        await pilot.press("D", "j")
        assert live_targets(engine)[-1] == cursor(app)


async def test_losing_the_engine_ends_a_live_drag(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await live_drag(app, pilot)
        await pilot.press("9", "l")
        engine.alive = False
        engine.lose()
        await until(lambda: isinstance(app.screen, Question) and app.screen.is_mounted)
        await pilot.press("escape")
        assert (mode(app), app.editor.state.mode) == ("", Idle())
        await pilot.press("D")
        assert status(app) == "no engine: R restarts it"
        assert app.editor.state.drawn_edit == app.editor.state.edit
