"""Keys that arrive all at once, as over a slow line: they go to the dialogs that earlier keys open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.widgets import Static

from draggan_engine.core.model_info import ModelEntry
from draggan_engine.server.messages import ExportFile, LoadModel
from draggan_tui.app import DragganApp
from draggan_tui.screens.goto_prompt import GotoPrompt
from draggan_tui.screens.model_list import ModelList
from tests.support.editing import burst, ready, until


async def test_a_path_can_be_typed_ahead(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        burst(app, "M", "slash", *"dir", "slash", *"mt", "enter")
        await until(lambda: isinstance(engine.sent[-1], LoadModel))
        assert engine.last(LoadModel).spec == "dir/mt"
        assert app.editor.state.edit.pairs == ()


async def test_settings_can_be_typed_ahead(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        burst(app, "comma", "tab", "tab", "tab", "7", "enter")
        await until(lambda: app.editor.state.edit.settings.mask_weight == 7)
        await pilot.pause()
        assert app.screen is app.editor
        burst(app, "comma", "escape", "4", "l", "enter")
        await until(lambda: len(app.editor.state.edit.pairs) == 1)
        assert app.editor.state.edit.pairs[0].handle[0] > 63.5, "4l went to the editor, not into the field"


async def test_coordinates_and_more_keys_can_be_typed_ahead(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        burst(app, "colon", "6", "4", "comma", "7", "enter", "enter", "2", "l", "enter")
        await until(lambda: any(pair.target is not None for pair in app.editor.state.edit.pairs))
        assert app.editor.state.edit.pairs[0].handle == (64, 7)
        assert app.screen is app.editor
        burst(app, "colon", "x", "enter")
        await until(lambda: isinstance(app.screen, GotoPrompt) and app.screen.is_mounted)
        problem = app.screen.query_one("#problem", Static)
        await until(lambda: str(problem.render()).startswith("must be two numbers"))


@pytest.mark.parametrize(
    "keys",
    [
        (*"99", "ctrl+u", *"64,7"),
        (*"649", "backspace", *",7"),
        (*"64,9", "ctrl+w", *"7"),
        (*"4,7", "home", *"6"),
        (*"64", "left", "left", "delete", "6", "end", *",7"),
    ],
)
async def test_a_line_is_edited_in_the_order_of_the_keys(app: DragganApp, keys: tuple[str, ...]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        burst(app, "colon", *("comma" if key == "," else key for key in keys), "enter", "enter")
        await until(lambda: bool(app.editor.state.edit.pairs))
        assert app.editor.state.edit.pairs[0].handle == (64, 7)


async def test_an_answer_can_be_typed_ahead(app: DragganApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        burst(app, "E", "a", "full_stop", *"png", "enter", "y")
        await until(lambda: isinstance(engine.sent[-1], ExportFile))
        await pilot.pause()
        assert app.screen is app.editor


@pytest.mark.parametrize("last", ["enter", "escape"])
@pytest.mark.parametrize(
    "keys", [("colon", "1", "comma", "2"), "Ea", "fa", ("comma",), "M", "B", ("ctrl+p",), ("question_mark",)]
)
async def test_a_dialog_is_closed_once(app: DragganApp, keys: Sequence[str], last: str) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press(*keys)
        await pilot.pause()
        if isinstance(app.screen, ModelList):
            app.screen.show([ModelEntry(name="cars", origin="own", path="/m/cars.pkl", bytes=9)])
        opened = app.screen
        burst(app, last, last)
        for _ in range(4):
            await pilot.pause()
        assert app.screen_stack[1] is app.editor
        assert app.screen in (opened, app.editor)
        assert engine.alive
