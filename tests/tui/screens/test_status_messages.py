"""The messages after commands whose effect may not be visible: what they did, or which limit was reached."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from draggan_engine.core.history import Trajectory
from draggan_engine.server.messages import TrajectoryRead
from draggan_tui.app import DragganApp
from draggan_tui.widgets.status_line import StatusLine
from tests.support.editing import INFO, ROUGH, ended, ready, status


async def message_after(app: DragganApp, pilot: Pilot[None], keys: str) -> str:
    """Press keys, which are separated by spaces, and return the message in the status line."""
    await pilot.press(*keys.split())
    await pilot.pause()
    return status(app)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("w", "W: all layers move together"),
        ("w w", "W+: every layer moves by itself"),
        ("right_square_bracket", "brush 2, square"),
        ("left_square_bracket", "brush 1, square, the smallest"),
        ("9 9 right_square_bracket b", "brush 32, round, the largest"),
        ("plus", "zoom 3:8"),
        ("9 plus 9 plus", "zoom 8:1, the largest"),
        ("minus", "the whole image is shown"),
        ("plus z", "the whole image is shown"),
        ("n", "seed 6"),
        ("2 N", "seed 3"),
        ("C", "class 1"),
        ("V", "class 2"),
        ("space", "<1% of the image may move"),
        ("space space", "there is no mask, so everything may move"),
        ("m", "pen down: what the cursor passes may move"),
        ("m m", "pen up: <1% of the image may move"),
        ("m escape", "pen up"),
        ("space i", "mask inverted: >99% of the image may move"),
        ("space c", "there is no mask, so everything may move"),
        ("space greater_than_sign", "mask grown: <1% of the image may move"),
        ("v escape", "no rectangle is painted"),
        ("tab", "there is no pair to select: Enter places a handle"),
        ("enter escape", "handle 1 is deleted"),
        ("enter 4 l enter tab", "pair 1 of 1 is selected"),
        ("enter 4 l enter e", "pair 1 is disabled: drags leave it out"),
        ("enter 4 l enter y", "pair 2 is a copy of pair 1"),
        ("enter 4 l enter t", "pair 1 has a new target"),
        ("enter 4 l enter O", "handle 1 is at 64.5, 63.5"),
        ("enter 4 l enter x", "pair 1 is deleted"),
        ("enter 4 l enter left_parenthesis", "now at: pair 1"),
        ("enter left_parenthesis", "now at: seed 5"),
        ("enter u", "undone: pair 1"),
        ("enter u ctrl+r", "redone: pair 1"),
        ("u", "there is nothing to undo"),
    ],
)
async def test_the_message_after_a_key(app: DragganApp, keys: str, message: str) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot, INFO.model_copy(update={"classes": 3}), ROUGH)
        assert await message_after(app, pilot, keys) == message


async def test_the_message_names_the_step_within_a_drag(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot, rgb=ROUGH)
        await message_after(app, pilot, "enter 4 l enter d")
        end = ended(app)
        engine.say(end)
        handles = tuple(pair.final for pair in end.record.pairs)
        engine.say(TrajectoryRead(trajectory=Trajectory(number=1, steps=(0, 2, 3), handles=(handles,) * 3)))
        await pilot.pause()
        assert await message_after(app, pilot, "left_parenthesis") == "now within: drag 1 2/3"
        assert await message_after(app, pilot, "right_parenthesis") == "now at: drag 1, 3 steps"


# Pins, and what a mask keeps from moving ----------------------------------------------------------------


async def test_enter_twice_on_one_spot_makes_a_pin(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot, rgb=ROUGH)
        pin = "pair 1 is a pin: it holds its place while other pairs move"
        assert await message_after(app, pilot, "enter enter") == pin
        assert engine.edit.pairs[0].is_pin
        only = await message_after(app, pilot, "d")
        assert only.startswith("nothing to drag: every handle is on its target, so that it holds its place")
        assert not app.editor.state.is_dragging
        assert await message_after(app, pilot, "4 l enter 4 l enter") == "pair 2 is set"
        await pilot.press("d")
        assert app.editor.state.is_dragging
        engine.say(ended(app))
        await pilot.pause()
        assert await message_after(app, pilot, "shift+tab 3 j t") == "pair 1 has a new target"
        assert await message_after(app, pilot, "tab tab t") == pin  # the cursor is on its handle


def warned(app: DragganApp) -> bool:
    return app.editor.query_one(StatusLine).has_class("warning")


async def test_points_that_the_mask_blocks_are_named_when_they_are_placed_and_dragged(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot, rgb=ROUGH)
        await pilot.press("v", "6", "l", "6", "j", "enter")  # a square whose lower right corner is the cursor's place
        assert await message_after(app, pilot, "8 l enter") == "handle 1 is outside the mask, where nothing may move"
        assert warned(app)
        assert await message_after(app, pilot, "9 h enter") == "handle 1 is outside the mask, where nothing may move"
        assert await message_after(app, pilot, "enter") == "handle 2 is set: move to its target"
        assert not warned(app)
        assert await message_after(app, pilot, "9 l enter") == "target 2 is outside the mask, where nothing may move"
        both = "handle 1 and target 2 are outside the mask, where nothing may move"
        assert await message_after(app, pilot, "d") == both and warned(app)
        assert app.editor.state.is_dragging, "it is a warning"


async def test_points_that_the_mask_blocks_are_named_when_the_mask_changes(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot, rgb=ROUGH)
        await pilot.press("enter", "6", "l", "enter", "home")
        blocked = "handle 1 is outside the mask, where nothing may move"
        assert await message_after(app, pilot, "space") == f"<1% of the image may move; {blocked}"
        assert await message_after(app, pilot, "m m") == f"pen up: <1% of the image may move; {blocked}"
        assert await message_after(app, pilot, "i") == "mask inverted: >99% of the image may move"
        assert not warned(app)
        assert (await message_after(app, pilot, "u")).startswith("undone: mask")
