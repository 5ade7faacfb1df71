"""Each key of the key map, pressed where there is something for it to do, does something that can be seen or that the engine
is told. What it does exactly is tested where its subject is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from textual.binding import Binding
from textual.pilot import Pilot

from draggan_engine.core.history import Trajectory
from draggan_engine.server.messages import TrajectoryRead
from draggan_tui.app import DragganApp
from draggan_tui.keymap import COUNTS, KEYS
from tests.support.editing import INFO, FakeEngine, ended, place_pair, ready, status

# What some keys need besides.
FIRST = {
    "cancel": ("m",),
    "drag": ("t",),
    "one-step": ("t",),
    "count-0": ("1",),
    "erase-shape": ("v", "h"),
    "redo": ("u",),
    "step-on": ("u",),
    "drag-on": ("u",),
    "smaller-brush": ("right_square_bracket",),
}

# Those of the terminal and of the process, which there is none of here: tests/end_to_end/test_shell.py.
ELSEWHERE = {"interrupt", "redraw", "suspend"}


async def prepared(app: DragganApp, pilot: Pilot[None]) -> FakeEngine:
    """Two pairs, a mask, a drag, and two brush sizes to choose from; zoomed in, and the cursor in the middle."""
    engine = await ready(app, pilot, INFO.model_copy(update={"classes": 3}))
    await pilot.press("v", "6", "h", "6", "k", "enter", "8", "l", "8", "j")
    await place_pair(pilot)
    await place_pair(pilot)
    await pilot.press("d")
    end = ended(app)
    handles = tuple(pair.final for pair in end.record.pairs)
    engine.say(end)
    engine.say(TrajectoryRead(trajectory=Trajectory(number=1, steps=(0, 2, 3), handles=(handles,) * 3)))
    await pilot.press("plus", "colon", *"60", "comma", *"60", "enter")
    await pilot.pause()
    return engine


def state(app: DragganApp, engine: FakeEngine) -> Iterator[object]:
    """What is to be seen, and what the engine has been told."""
    work, editor = app.editor.state, app.editor
    yield from (work.edit, work.cursor, work.selected, work.pen, work.brush, work.shape, work.grab, work.count)
    yield from (
        work.history_cursor.history.current,
        editor.view,
        editor.comparison,
        app.screen,
        len(engine.sent),
        engine.alive,
    )


@pytest.mark.parametrize("bindings", [*KEYS.values(), COUNTS], ids=[*KEYS, "Counts"])
async def test_each_does_something(app: DragganApp, bindings: Sequence[Binding]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await prepared(app, pilot)
        start = vars(app.editor.state).copy()
        view = app.editor.view
        idle = []
        for binding in bindings:
            if binding.id in ELSEWHERE:
                continue
            for key in binding.key.split(",") if binding.id != "quit" else ["q"]:
                await pilot.press(*FIRST.get(binding.id or "", ()))
                engine.alive = binding.id != "restart-engine"
                before = list(state(app, engine))
                await pilot.press(key)
                await pilot.pause()
                if list(state(app, engine)) == before:
                    idle.append((binding.id, key, status(app)))
                while app.screen is not app.editor:
                    await pilot.press("escape")
                vars(app.editor.state).update(start)
                app.editor.view, app.editor.comparison = view, "after"
        assert idle == []
