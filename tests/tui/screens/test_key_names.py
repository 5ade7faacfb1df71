"""Messages name the keys in force, even if the user has changed them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import draggan_tui
from draggan_engine.server.messages import DragStarted
from draggan_tui.app import DragganApp
from draggan_tui.config.key_settings import default_keys
from draggan_tui.keymap import KEY_GROUPS
from draggan_tui.screens.key_names import key_name, keys_shown, with_keys
from tests.support.editing import editor, ready, status

KEYMAP = {
    "drag": "g,f5", "place": "ctrl+slash", "restart-engine": "f2", "pen": "z", "toggle-cell": "minus",
    "next-pair": "right_parenthesis", "shape": "y", "help": "f1",
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("fake_engine")


@pytest.mark.parametrize(
    ("keymap", "text", "says"),
    [
        ({}, "{place}, {next-pair}, {toggle-cell}, {cancel}, {erase-shape}", "Enter, Tab, Space, Esc, Backspace"),
        ({}, "{drag} {redo} {larger-brush} {right} {quit} {help}", "d Ctrl-R ] → q ?"),
        (KEYMAP, "{drag} {place} {toggle-cell} {next-pair} {help} {undo}", "g Ctrl-/ - ) F1 u"),
        ({}, "{} {no-such} {Drag} {{", "{} {no-such} {Drag} {{"),
    ],
)
async def test_a_binding_becomes_its_first_key(keymap: dict[str, str], text: str, says: str) -> None:
    app = editor(keymap=keymap)
    async with app.run_test(size=(80, 24)):
        assert with_keys(app, text) == says


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("enter", "Enter"), ("pageup", "PgUp"), ("pagedown", "PgDn"), ("home", "Home"), ("delete", "Del"),
        ("ctrl+r", "Ctrl-R"), ("shift+tab", "Shift-Tab"), ("shift+left", "Shift-←"), ("alt+shift+p", "Alt-Shift-P"),
        ("ctrl+slash", "Ctrl-/"), ("f5", "F5"), ("f", "f"), ("D", "D"), ("right_square_bracket", "]"),
    ],
)  # fmt: skip
def test_a_key_has_one_name(key: str, name: str) -> None:
    assert key_name(key) == name


async def test_help_palette_and_messages_name_keys_alike(app: DragganApp) -> None:
    """All of them write Ctrl-R, PgDn and Enter."""
    async with app.run_test(size=(80, 24)):
        bindings = [binding for topic in KEY_GROUPS.values() for binding in topic]
        shown = {key for binding in bindings for key in keys_shown(app, binding).split()}
        assert {"Ctrl-R", "Shift-Tab", "PgDn", "PgUp", "Home", "Enter", "Esc", "Space", "Shift-←", "←"} <= shown
        assert not {name for name in shown if "^" in name or (len(name) > 1 and name[0].islower())}
        for binding in bindings:
            assert keys_shown(app, binding).split()[0] == with_keys(app, f"{{{binding.id}}}")


async def test_messages_name_the_keys_of_the_users_configuration() -> None:
    app = editor(keymap=KEYMAP)
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot, rgb=np.random.RandomState(0).randint(0, 255, (42, 42, 3), np.uint8))

        async def says(*keys: str) -> str:
            await pilot.press(*keys)
            return status(app)

        assert await says("x") == "there is no pair: Ctrl-/ places a handle"
        assert await says("i") == "no mask to invert; paint one first (z, or -)"
        await pilot.press("ctrl+slash", "l", "ctrl+slash", "g")
        engine.say(DragStarted(drag_number=1))
        await pilot.pause()
        assert await says("x") == "a drag is running: g stops it"
        engine.alive = False
        app.editor.context.drag.end(None)
        assert await says("f5") == "no engine: F2 restarts it"


async def test_messages_name_the_editors_own_keys_where_they_are_unchanged(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("x")
        assert status(app) == "there is no pair: Enter places a handle"


def test_messages_name_only_bindings_that_exist() -> None:
    package = Path(draggan_tui.__file__).parent
    files = [path for room in ("editor", "rendering", "screens", "widgets") for path in package.glob(f"{room}/**/*.py")]
    named = {
        name
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in re.findall(r"\{([a-z][a-z0-9-]*)\}", node.value)
    }
    assert {"drag", "place", "restart-engine"} <= named <= set(default_keys())
