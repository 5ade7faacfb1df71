"""The hints of the first minute: each step when its time has come, until they have been read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from draggan_engine.protocol.edit import Edit, PointPair
from draggan_engine.protocol.messages import DragStarted, Exported
from draggan_tui import paths
from draggan_tui.app import DragganApp
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.hint import Hint, next_step
from tests.ui.editing import editor, editor_opens, ended, ready

pytestmark = pytest.mark.usefixtures("fake_engine")

HANDLE, PAIR = PointPair(handle=(3, 4)), PointPair(handle=(3, 4), target=(9, 4))


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where it would be noted that the hints were read; it is not there yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "draggan-tui"


def shown(app: DragganApp) -> str | None:
    """The row over the status line as it is drawn, if it is the hint's."""
    hint = app.editor.query_one(Hint)
    if not hint.display:
        return None
    row = app.screen._compositor.render_strips()[hint.region.y].text
    assert hint.region.height == 1
    return row.strip()


@pytest.mark.parametrize(
    ("edit", "dragging", "says"),
    [
        (Edit(), False, "move with {left} {down} {up} {right} to what you want to drag, a nose perhaps, then {place}"),
        (Edit(pairs=(HANDLE,)), False, "now move to where that shall go, then {place}"),
        (Edit(pairs=(PAIR, HANDLE)), False, "now move to where that shall go, then {place}"),
        (Edit(pairs=(PAIR,)), False, "{drag} drags it there"),
        (Edit(pairs=(PAIR,)), True, "watch it go; {drag} stops it"),
        (Edit(pairs=(PAIR,), latent=1), True, "watch it go; {drag} stops it"),
        (Edit(latent=1), False, "{save} saves, {undo} takes it back, {help} shows all keys; {cancel} ends these hints"),
    ],
)
def test_the_next_step(edit: Edit, dragging: bool, says: str) -> None:
    assert next_step(edit, dragging) == says


async def test_the_first_minute(state: Path) -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await editor_opens(app, pilot)
        assert shown(app) is None  # nothing can be done yet
        engine = await ready(app, pilot)
        first = "move with ← ↓ ↑ → to what you want to drag, a nose perhaps, then Enter"
        assert shown(app) == first
        size = app.editor.query_one(Canvas).size
        await pilot.press("enter")
        await pilot.pause()
        assert shown(app) == "now move to where that shall go, then Enter"
        await pilot.press("4", "l", "enter")
        await pilot.pause()
        assert shown(app) == "d drags it there"
        await pilot.press("d")
        engine.say(DragStarted(number=1))
        await pilot.pause()
        assert shown(app) == "watch it go; d stops it"
        engine.say(ended(app))
        await pilot.pause()
        assert shown(app) == "s saves, u takes it back, ? shows all keys; Escape ends these hints"
        assert paths.is_first_use()
        engine.say(Exported(files=("draggan-out/x/final.png",)))
        await pilot.pause()
        assert shown(app) is None
        assert app.editor.query_one(Canvas).size == (size.width, size.height + 1)  # its row is the picture's now
    assert [path.name for path in state.iterdir()] == ["hints-read"]
    again = editor()
    async with again.run_test(size=(80, 24)) as pilot:
        await ready(again, pilot)
        assert shown(again) is None


@pytest.mark.usefixtures("state")
async def test_escape_ends_them_when_there_is_nothing_else_to_leave() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        for doing in (["enter"], ["v"], ["m"], ["4"]):
            await pilot.press(*doing, "escape")
            await pilot.pause()
            assert shown(app) is not None, doing
            assert app.editor.workspace.edit.pairs == ()
        await pilot.press("escape")
        await pilot.pause()
        assert shown(app) is None
        assert not paths.is_first_use()


@pytest.mark.usefixtures("state")
async def test_they_name_the_users_keys_and_saving_early_does_not_end_them() -> None:
    app = editor(keymap={"place": "p", "left": "a", "drag": "f5", "save": "w", "toggle-space": "f6"})
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        assert shown(app) == "move with a ↓ ↑ → to what you want to drag, a nose perhaps, then p"
        engine.say(Exported(files=("draggan-out/x/final.png",)))
        await pilot.press("p", "l", "p")
        await pilot.pause()
        assert shown(app) == "f5 drags it there"


async def test_nowhere_to_note_it_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        assert shown(app) is not None
        await pilot.press("escape")
        await pilot.pause()
        assert shown(app) is None


async def test_a_narrow_terminal_cuts_it(state: Path) -> None:
    assert not state.exists()
    app = editor()
    async with app.run_test(size=(50, 20)) as pilot:
        await ready(app, pilot)
        assert (shown(app) or "").endswith("…")
