"""Messages name the keys in force, whatever the user has made of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import draggan_tui
from draggan_engine.protocol.messages import DragStarted
from draggan_tui.app import DragganApp
from draggan_tui.config import default_keys
from draggan_tui.screens.key_names import with_keys
from tests.ui.editing import editor, ready, status

KEYMAP = {
    "drag": "g,f5", "place": "ctrl+slash", "restart-engine": "f2", "pen": "z", "toggle-cell": "minus",
    "next-pair": "right_parenthesis", "shape": "y", "help": "f1",
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("fake_engine")


@pytest.mark.parametrize(
    ("keymap", "text", "says"),
    [
        ({}, "{place}, {next-pair}, {toggle-cell}, {cancel}, {erase-shape}", "Enter, Tab, Space, Esc, Backspace"),
        ({}, "{drag} {redo} {larger-brush} {right} {quit} {help}", "d ^r ] → q ?"),
        (KEYMAP, "{drag} {place} {toggle-cell} {next-pair} {help} {undo}", "g ^/ - ) f1 u"),
        ({}, "{} {no-such} {Drag} {{", "{} {no-such} {Drag} {{"),
    ],
)
async def test_a_binding_becomes_its_first_key(keymap: dict[str, str], text: str, says: str) -> None:
    app = editor(keymap=keymap)
    async with app.run_test(size=(80, 24)):
        assert with_keys(app, text) == says


async def test_what_the_editor_says_names_the_users_keys() -> None:
    app = editor(keymap=KEYMAP)
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot, rgb=np.random.RandomState(0).randint(0, 255, (42, 42, 3), np.uint8))

        async def says(*keys: str) -> str:
            await pilot.press(*keys)
            return status(app)

        assert await says("x") == "no pair is selected: ^/ places one, ) selects"
        assert await says("i") == "no mask to invert: paint one first (z, or -)"
        await pilot.press("ctrl+slash", "l", "ctrl+slash", "g")
        engine.say(DragStarted(number=1))
        await pilot.pause()
        assert await says("x") == "a drag is running: g stops it"
        engine.alive = False
        app.editor.workspace.end_drag(None)
        assert await says("f5") == "no engine: f2 restarts it"


async def test_and_the_editors_own_where_they_are_unchanged(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("x")
        assert status(app) == "no pair is selected: Enter places one, Tab selects"


def test_messages_name_bindings_that_there_are() -> None:
    package = Path(draggan_tui.__file__).parent
    files = [
        package / "document.py",
        package / "grab.py",
        *package.glob("renderables/*.py"),
        *package.glob("workspace/*.py"),
        *package.glob("screens/*.py"),
        *package.glob("widgets/*.py"),
    ]
    named = {
        name
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in re.findall(r"\{([a-z][a-z0-9-]*)\}", node.value)
    }
    assert {"drag", "place", "restart-engine"} <= named <= set(default_keys())
