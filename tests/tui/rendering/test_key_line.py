"""The key line: the keys that are useful now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.pilot import Pilot

from draggan_engine.server.messages import DragStarted, StopDrag
from draggan_tui.app import DragganApp
from draggan_tui.config.key_settings import default_keys
from draggan_tui.rendering.key_line import KeyHint, key_line, placed_hints
from draggan_tui.screens.help_dialog import HelpDialog
from draggan_tui.screens.key_hints import HINTS
from draggan_tui.widgets.key_line import KeyLine
from draggan_tui.widgets.status_line import StatusLine
from tests.support.editing import ROUGH, FakeEngine, editor, editor_opens, ended, place_pair, ready
from tests.support.screens import screen_rows

HELP = KeyHint("?", "help")
LINE = (KeyHint("Enter", "place"), KeyHint("d", "drag"), KeyHint("m", "mask"), HELP)


def shown(app: DragganApp) -> str:
    """Return the text of the last row of the screen."""
    line = app.editor.query_one(KeyLine)
    assert line.region.bottom == app.size.height
    return screen_rows(app)[line.region.y]


def status_row(app: DragganApp) -> str:
    """Return the text of the status line: a message, or the hint for newcomers, and the mode."""
    return screen_rows(app)[app.editor.query_one(StatusLine).region.y]


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (40, "Enter place  d drag  m mask       ? help"),
        (35, "Enter place  d drag  m mask  ? help"),
        (34, "Enter place  d drag         ? help"),
        (20, "Enter place   ? help"),
        (18, "            ? help"),
        (4, "? help"),
    ],
)
def test_the_last_hints_are_left_out_first_and_help_never(width: int, text: str) -> None:
    assert key_line(LINE, width).plain == text


def test_keys_have_the_accent_colour_and_descriptions_do_not() -> None:
    line = key_line(LINE, 40)
    assert [line.plain[span.start : span.end] for span in line.spans] == ["Enter", "d", "m", "?"]
    assert {str(span.style) for span in line.spans} == {"bold $text-accent"}


def test_hints_are_placed_where_they_are_drawn() -> None:
    text = key_line(LINE, 60).plain
    for column, hint in placed_hints(LINE, 60):
        assert text[column : column + hint.width] == f"{hint.keys} {hint.description}"
    assert placed_hints((), 60) == []


def test_every_hint_belongs_to_a_binding() -> None:
    assert {id for hints in HINTS.values() for ids, _ in hints for id in ids.split()} <= set(default_keys())


async def test_the_hints_of_each_mode(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await editor_opens(app, pilot)
        await pilot.pause()
        assert shown(app).split() == ["q", "quit", "?", "help"]
        engine = await ready(app, pilot)
        assert shown(app) == " Enter place  m mask  n next seed  s save  q quit  , settings  E export  ? help "
        for keys, text in (
            (["enter"], "Enter set the target  Esc remove it  ← ↓ ↑ → move  : coordinates"),
            (["4", "l", "enter"], "Enter place  d drag  u undo  m mask  n next seed  s save  q quit"),
            (["g"], "Enter drop  Esc put back  ← ↓ ↑ → move  Y U I O by a pixel"),
            (["escape", "v"], "Enter paint  Backspace erase  Esc leave  ← ↓ ↑ → stretch  v next shape"),
            (["escape", "m"], "m lift the pen  ← ↓ ↑ → paint  Space toggle  [ ] size  b shape  u undo"),
            (["m", "d"], "d stop  o before/after  + - zoom  q quit"),
        ):
            await pilot.press(*keys)
            await pilot.pause()
            assert shown(app)[1:].startswith(text), keys
            assert shown(app).endswith(" ? help ")
        engine.say(DragStarted(drag_number=1))
        engine.say(ended(app))
        await pilot.pause()
        await pilot.press("D")
        await pilot.pause()
        assert shown(app)[1:].startswith("Enter let go  d stop  ← ↓ ↑ → move the target")
        await pilot.press("enter")
        await pilot.pause()
        assert shown(app)[1:].startswith("d stop"), "let go, it drags on"
        engine.alive = False
        engine.lose()
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert shown(app)[1:].startswith("R restart the engine  u undo  q quit")


def repeated_hints(app: DragganApp) -> list[str]:
    """Return the hints of the key line that the status line repeats: the same words, or more than one of the same keys."""
    message, hints = status_row(app), app.editor.query_one(KeyLine).hints
    same_words = [f"{hint.keys} {hint.description}" for hint in hints if f"{hint.keys} {hint.description}" in message]
    same_keys = [hint.keys for hint in hints if re.search(rf"(?<!\w){re.escape(hint.keys)}(?!\w)", message)]
    return same_words + (same_keys if len(same_keys) > 1 else [])


@pytest.mark.usefixtures("fake_engine")
async def test_the_status_line_never_says_what_the_key_line_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    app = editor()  # which shows the hints for newcomers
    async with app.run_test(size=(160, 48)) as pilot:
        await editor_opens(app, pilot)
        engine = await ready(app, pilot, rgb=ROUGH)
        messages = []

        async def press(keys: str) -> None:
            await pilot.press(*keys.split())
            await pilot.pause()
            assert repeated_hints(app) == [], keys
            messages.append(status_row(app))

        for keys in ("", "enter", "4 l", "enter", "l", "d"):
            await press(keys)
        engine.say(DragStarted(drag_number=1))
        await press("l")
        engine.say(ended(app))
        await press("")
        await press("l")
        for keys in ["o", "escape", "g", "l", "escape", "v", "l", "escape", "m", "l", "m", "u", "D", "l", "enter"]:
            await press(keys)
        engine.alive = False
        engine.lose()
        await pilot.pause()
        assert repeated_hints(app) == []
        assert sum("ends these hints" in message for message in messages) == 2
        assert len({*messages, status_row(app)}) > 15, "messages of all modes were shown"


async def test_no_hint_for_a_drag_when_nothing_would_move(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        for keys, is_offered in ((["enter", "enter"], False), (["8", "l", "t"], True), (["e"], False), (["e"], True)):
            await pilot.press(*keys)
            await pilot.pause()
            assert ("d drag" in shown(app)) == is_offered, keys


@pytest.mark.usefixtures("fake_engine")
async def test_hints_show_the_users_keys() -> None:
    app = editor(keymap={"place": "f2", "help": "f1", "drag": "x", "delete": "d"})
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("f2", "4", "l", "f2")
        await pilot.pause()
        assert shown(app).startswith(" F2 place  x drag  u undo")
        assert shown(app).endswith(" F1 help ")


async def click(app: DragganApp, pilot: Pilot[None], words: str) -> None:
    await pilot.click(KeyLine, offset=(shown(app).index(words), 0))
    await pilot.pause()


async def test_a_click_on_a_hint_does_what_its_key_does(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine: FakeEngine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.pause()
        await click(app, pilot, "drag")
        assert app.editor.state.is_dragging
        await click(app, pilot, "stop")
        assert isinstance(engine.sent[-1], StopDrag)
        await pilot.click(KeyLine, offset=(70, 0))
        assert app.screen is app.editor, "between the hints is nothing"
        await click(app, pilot, "? help")
        assert isinstance(app.screen, HelpDialog)
