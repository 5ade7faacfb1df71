"""The editor with keys that the user has changed."""

from __future__ import annotations

import pytest

from draggan_engine.server.messages import StartDrag
from draggan_tui.app import DragganApp
from draggan_tui.screens.help_dialog import HelpDialog
from tests.support.editing import FakeEngine, editor, place_pair, ready

KEYMAP = {"drag": "u", "undo": "z,ctrl+slash", "left": "a", "smaller-brush": "minus"}


@pytest.fixture
def remapped(fake_engine: None) -> DragganApp:  # noqa: ARG001 (a fixture)
    """An editor with changed keys."""
    return editor(keymap=KEYMAP)


async def test_a_changed_key_works_and_the_old_one_does_not(remapped: DragganApp) -> None:
    async with remapped.run_test(size=(80, 24)) as pilot:
        engine: FakeEngine = await ready(remapped, pilot)
        await place_pair(pilot)
        await pilot.press("d")
        assert not any(isinstance(command, StartDrag) for command in engine.sent)
        await pilot.press("z")
        assert remapped.editor.state.edit.pairs == () or remapped.editor.state.edit.pairs[0].target is None
        await pilot.press("ctrl+r", "u")
        assert isinstance(engine.sent[-1], StartDrag)


async def test_both_old_keys_are_gone_and_the_new_one_acts_once(remapped: DragganApp) -> None:
    async with remapped.run_test(size=(80, 24)) as pilot:
        await ready(remapped, pilot)
        await pilot.press("l")  # from the middle of the image to the middle of a cell
        start = remapped.editor.state.cursor
        await pilot.press("left", "h")
        assert remapped.editor.state.cursor == start
        await pilot.press("a")
        assert remapped.editor.state.cursor != start
        await pilot.press("l")
        assert remapped.editor.state.cursor == start


async def test_help_shows_the_keys_as_they_are(remapped: DragganApp) -> None:
    async with remapped.run_test(size=(100, 70)) as pilot:
        await ready(remapped, pilot)
        await pilot.press("question_mark")
        assert isinstance(remapped.screen, HelpDialog)
        shown = {does: keys for topic in remapped.screen.topics() for keys, does in topic.rows}
        assert shown["drag: start it, or stop it"].split() == ["u"]
        assert shown["smaller brush"].split() == ["-"]
        assert shown["larger brush"].split() == ["]"]
