"""Keys that come all at once, as over a slow line: those typed ahead belong to what the earlier ones open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.events import Key

from draggan_engine.protocol.messages import LoadModel
from draggan_tui.app import DragganApp
from tests.ui.editing import ready

CHARACTERS = {"slash": "/", "comma": ",", "space": " "}


def burst(app: DragganApp, *keys: str) -> None:
    """Without waiting for any of them."""
    for key in keys:
        app.post_message(Key(key, CHARACTERS.get(key, key if len(key) == 1 else None)))


async def until(app: DragganApp, done: Callable[[], bool]) -> None:
    for _ in range(100):
        if done():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(app.screen)


async def test_a_path_typed_ahead(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        burst(app, "M", "slash", *"dir", "slash", *"mt", "enter")
        await until(app, lambda: isinstance(engine.sent[-1], LoadModel))
        assert engine.last(LoadModel).spec == "dir/mt"
        assert app.editor.workspace.edit.pairs == ()
        await pilot.pause()
        assert app.screen is app.editor


async def test_settings_typed_ahead(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        burst(app, "comma", "tab", "7", "enter")
        await until(app, lambda: app.editor.workspace.edit.settings.mask_weight == 7)
        await pilot.pause()
        assert app.screen is app.editor
        burst(app, "comma", "escape", "4", "l", "enter")
        await until(app, lambda: len(app.editor.workspace.edit.pairs) == 1)
