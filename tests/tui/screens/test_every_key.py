"""Each key of the key map changes the screen or sends the engine a command, if there is something for it to do. What
exactly each key does is tested elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from textual.pilot import Pilot

from draggan_engine.core.history import Trajectory
from draggan_engine.server.messages import TrajectoryRead
from draggan_tui.app import DragganApp
from draggan_tui.keymap import COUNT_KEYS, KEY_GROUPS, KeyBinding
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

# Needs the session of a photograph: test_photographs.py.
OF_A_PHOTOGRAPH = {"photograph-view", "inversion-mask"}

# Needs an image with texture: test_label_key.py.
OF_AN_IMAGE = {"labels"}


async def prepared(app: DragganApp, pilot: Pilot[None]) -> FakeEngine:
    """Set up two pairs, a mask and a drag, zoomed in with the cursor in the middle."""
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


def observed(app: DragganApp, engine: FakeEngine) -> Iterator[object]:
    """Return what is visible, and what the engine was sent."""
    state = app.editor.state
    yield from (state.edit, state.cursor, state.selected_pair, state.mode, state.brush, state.count)
    yield from (state.history.current, state.viewport, state.comparison)
    yield from (app.screen, app.editor.panels.shape, len(engine.sent), engine.alive)


@pytest.mark.parametrize("bindings", [*KEY_GROUPS.values(), COUNT_KEYS], ids=[*KEY_GROUPS, "Counts"])
async def test_each_key_does_something(app: DragganApp, bindings: Sequence[KeyBinding]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await prepared(app, pilot)
        start = vars(app.editor.state).copy()
        idle = []
        for binding in bindings:
            if binding.id in ELSEWHERE | OF_A_PHOTOGRAPH | OF_AN_IMAGE:
                continue
            for key in binding.keys.split(",") if binding.id != "quit" else ["q"]:
                await pilot.press(*FIRST.get(binding.id, ()))
                engine.alive = binding.id != "restart-engine"
                before = list(observed(app, engine))
                await pilot.press(key)
                await pilot.pause()
                if list(observed(app, engine)) == before:
                    idle.append((binding.id, key, status(app)))
                while app.screen is not app.editor:
                    await pilot.press("escape")
                vars(app.editor.state).update(start)
        assert idle == []
