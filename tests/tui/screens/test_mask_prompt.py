"""Loading and saving masks, and the prompt for their paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from draggan_engine.core.edit import Mask
from draggan_engine.server.messages import Failed, LoadMask, MaskLoaded, MaskSaved, SaveMask
from draggan_tui.app import DragganApp
from draggan_tui.screens.mask_prompt import MaskPrompt
from draggan_tui.screens.path_prompt import complete_path
from draggan_tui.screens.question import Question
from tests.support.editing import FakeEngine, burst, place_pair, ready, status, until
from tests.support.screens import screen_rows

HALF = Mask.from_array(np.repeat(np.arange(128) < 64, 128).reshape(128, 128).astype(np.uint8))


@pytest.fixture(autouse=True)
def start_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory in which the editor is started."""
    for name in ("head.png", "head-2.png", "mask ears.png", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "masks" / "deep").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mine.png").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def text(app: DragganApp, selector: str) -> str:
    return str(app.screen.query_one(selector, Static).render())


async def enter_path(app: DragganApp, pilot: Pilot[None], path: str, engine: FakeEngine) -> FakeEngine:
    """Open the prompt, type a path and press Enter."""
    app.screen.query_one(Input).value = path
    await pilot.press("enter")
    await pilot.pause()
    return engine


# Completion -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "completed", "names"),
    [
        ("", "", ["head-2.png", "head.png", "home/", "mask ears.png", "masks/"]),
        ("he", "head", ["head-2.png", "head.png"]),
        ("head.", "head.png", ["head.png"]),
        ("mask", "mask", ["mask ears.png", "masks/"]),
        ("masks", "masks/", ["masks/"]),
        ("masks/", "masks/deep/", ["deep/"]),
        (".", ".hidden.png", [".hidden.png"]),
        ("./ma", "./mask", ["mask ears.png", "masks/"]),
        ("masks/..", "masks/../", []),
        ("~", "~/", []),
        ("~/m", "~/mine.png", ["mine.png"]),
        ("none", "none", []),
        ("none/", "none/", []),
        ("head.png/x", "head.png/x", []),
        ("~nobody-is-called-so/x", "~nobody-is-called-so/x", []),
    ],
)
def test_completion_of_a_path(typed: str, completed: str, names: list[str]) -> None:
    assert complete_path(typed) == (completed, names)


def test_completion_of_an_absolute_path(start_directory: Path) -> None:
    assert complete_path(f"{start_directory}/masks/d") == (f"{start_directory}/masks/deep/", ["deep/"])


async def test_tab_completes_a_path_and_lists_names(app: DragganApp, start_directory: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("f", "h", "tab")
        assert app.screen.query_one(Input).value == "h"
        assert text(app, "#names") == "head-2.png  head.png  home/"
        await pilot.press("e", "tab", "full_stop")
        assert text(app, "#names") == ""
        await pilot.press("tab", "enter")
        assert engine.last(LoadMask).path == "head.png"
        for number in range(20):
            (start_directory / f"z{number:02}").touch()
        app.screen.query_one(Input).value = "z"
        await pilot.press("tab")
        assert text(app, "#names").endswith("z11  … 8 more")


async def test_what_is_typed_stands_on_the_screen(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("f", *"masks", "tab")
        assert any("│ masks/ " in row for row in screen_rows(app))


async def test_keys_typed_ahead_are_completed_in_their_order(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        burst(app, "f", "m", "a", "tab", "s", "tab", "d", "tab", "x", "enter")
        await until(lambda: isinstance(engine.sent[-1], LoadMask))
        assert engine.last(LoadMask).path == "masks/deep/x"


# Loading ----------------------------------------------------------------------------------------------


async def test_loading_a_mask_is_one_revision(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("space", "f")
        assert isinstance(app.screen, MaskPrompt)
        await enter_path(app, pilot, "~/mine.png", engine)
        path = engine.last(LoadMask).path
        assert path == str(Path.home() / "mine.png")
        engine.say(MaskLoaded(path=path, mask=HALF, resized=False))
        await until(lambda: app.screen is app.editor)
        assert status(app) == "mask loaded: 50% of the image may move"
        assert app.editor.state.edit.mask == HALF
        assert engine.edit.mask == HALF
        assert len(app.editor.state.history.lineage) == 3
        await pilot.press("u")
        assert app.editor.state.edit.mask not in (HALF, None)
        await pilot.press("f")
        await enter_path(app, pilot, "x.png", engine)
        engine.say(MaskLoaded(path="x.png", mask=HALF, resized=True))
        await until(lambda: status(app) == "mask loaded, resized to 128×128: 50% of the image may move")


async def test_the_prompt_stays_open_and_says_why_a_mask_cannot_be_loaded(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("f", "enter")
        assert engine.sent.count(LoadMask(path="")) == 0
        await enter_path(app, pilot, "head.png", engine)
        engine.say(Failed(task="load_mask", message="mask head.png is all zero"))
        await until(lambda: text(app, "#problem") == "mask head.png is all zero")
        assert isinstance(app.screen, MaskPrompt)
        await pilot.press("x")
        assert text(app, "#problem") == ""
        await enter_path(app, pilot, "~nobody-is-called-so/x", engine)
        assert text(app, "#problem") == "~nobody-is-called-so/x: there is no such user; give another path"
        engine.alive = False
        await enter_path(app, pilot, "head.png", engine)
        assert text(app, "#problem") == "no engine: Esc closes this, then R restarts it"
        await pilot.press("escape")
        assert app.screen is app.editor
        assert app.editor.state.edit.mask is None


async def test_an_answer_after_the_prompt_was_closed_is_ignored(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("f")
        await enter_path(app, pilot, "a.png", engine)
        await pilot.press("escape", "f")
        await enter_path(app, pilot, "b.png", engine)
        engine.say(MaskLoaded(path="a.png", mask=HALF, resized=False))
        await pilot.pause()
        assert isinstance(app.screen, MaskPrompt)
        await pilot.press("escape")
        engine.say(MaskLoaded(path="b.png", mask=HALF, resized=False))
        engine.say(Failed(task="load_mask", message="mask c.png cannot be read"))
        await pilot.pause()
        assert app.editor.state.edit.mask is None
        assert status(app) == "mask c.png cannot be read"


async def test_no_mask_is_loaded_during_a_drag(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("d", "f")
        assert app.screen is app.editor
        assert status(app) == "a drag is running: d stops it"


# Saving -----------------------------------------------------------------------------------------------


async def test_saving_a_mask(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("F")
        assert status(app) == "no mask to save: paint one first (m, or Space)"
        await pilot.press("space", "F")
        await enter_path(app, pilot, "masks/new", engine)
        assert engine.last(SaveMask) == SaveMask(path="masks/new.png", mask=app.editor.state.edit.mask)
        assert isinstance(app.screen, MaskPrompt)
        engine.say(Failed(task="save_mask", message="masks/new.png could not be written"))
        await until(lambda: text(app, "#problem") == "masks/new.png could not be written")
        await pilot.press("enter")
        engine.say(MaskSaved(path="masks/new.png"))
        await until(lambda: app.screen is app.editor)
        assert status(app) == "mask saved: masks/new.png"
        assert len(app.editor.state.history.lineage) == 2


async def test_the_prompt_asks_before_replacing_a_mask(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("space", "F")
        await enter_path(app, pilot, "head", engine)
        assert isinstance(app.screen, Question)
        assert app.screen.text == "head.png already exists."
        await pilot.press("n")
        assert isinstance(app.screen, MaskPrompt)
        assert not any(isinstance(command, SaveMask) for command in engine.sent)
        await pilot.press("enter", "y")
        assert engine.last(SaveMask).path == "head.png"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("masks", "masks is a directory: add the name of a file"),
        ("masks/", "masks is a directory: add the name of a file"),
        ("new/", "new is a directory: add the name of a file"),
        ("~", "is a directory: add the name of a file"),
        ("mask.jpg", "mask.jpg: the name must end in .png"),
    ],
)
async def test_paths_where_no_mask_can_be_written(app: DragganApp, path: str, says: str) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("space", "F")
        await enter_path(app, pilot, path, engine)
        assert text(app, "#problem").endswith(says)
        assert not any(isinstance(command, SaveMask) for command in engine.sent)
