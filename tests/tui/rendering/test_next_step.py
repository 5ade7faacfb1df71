"""The hints for newcomers: each shows the next step, until the user ends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.server.messages import DragStarted, Exported
from draggan_tui.app import DragganApp
from draggan_tui.config import paths
from draggan_tui.rendering.next_step import next_step
from draggan_tui.widgets.status_line import StatusLine
from tests.support.editing import editor, editor_opens, ended, ready
from tests.support.screens import screen_rows

pytestmark = pytest.mark.usefixtures("fake_engine")

FIRST = "{left} {down} {up} {right} move the cursor; {cancel} ends these hints"
HANDLE, PAIR = PointPair(handle=(3, 4)), PointPair(handle=(3, 4), target=(9, 4))
PIN = PointPair(handle=(3, 4), target=(3, 4))


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory, not made yet, where the end of the hints is recorded."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "draggan-tui"


def shown(app: DragganApp) -> str:
    """Return the text of the status line on the screen, without the mode."""
    line = app.editor.query_one(StatusLine)
    assert line.region.height == 1
    row = screen_rows(app)[line.region.y]
    return row.strip().removesuffix(line.mode).strip()


@pytest.mark.parametrize(
    ("edit", "dragging", "says"),
    [
        (Edit(model="toy"), False, FIRST),
        (Edit(model="toy", pairs=(HANDLE,)), False, "Now press {place} where it should go"),
        (Edit(model="toy", pairs=(PAIR, HANDLE)), False, "Now press {place} where it should go"),
        (Edit(model="toy", pairs=(PAIR,)), False, "Press {drag} to drag it there"),
        (
            Edit(model="toy", pairs=(PIN,)),
            False,
            "Press {place} on a point to drag, and again where it should go",
        ),
        (Edit(model="toy", pairs=(PIN, PAIR)), False, "Press {drag} to drag it there"),
        (Edit(model="toy", pairs=(PAIR,)), True, "The handle moves to its target, and the image with it"),
        (
            Edit(model="toy", pairs=(PAIR,), source=LatentRef(drag=1)),
            True,
            "The handle moves to its target, and the image with it",
        ),
        (
            Edit(model="toy", source=LatentRef(drag=1)),
            False,
            "Compare it with before, drag on from here, or save it; {cancel} ends these hints",
        ),
    ],
)
def test_the_next_step(edit: Edit, dragging: bool, says: str) -> None:
    assert next_step(edit, dragging) == says


async def test_the_hints_of_the_first_minute(state: Path) -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await editor_opens(app, pilot)
        assert shown(app) == ""  # nothing can be done yet
        engine = await ready(app, pilot)
        assert shown(app) == FIRST.format(left="←", down="↓", up="↑", right="→", cancel="Esc")
        await pilot.press("enter")
        await pilot.pause()
        assert shown(app).startswith("handle 1 is "), "what has happened comes first"
        await pilot.press("4", "l")
        assert shown(app) == "Now press Enter where it should go"
        await pilot.press("enter")
        await pilot.pause()
        assert shown(app) == "pair 1 is set"
        await pilot.press("l")
        await pilot.pause()
        assert shown(app) == "Press d to drag it there"
        await pilot.press("d")
        engine.say(DragStarted(drag_number=1))
        await pilot.pause()
        assert shown(app) == "The handle moves to its target, and the image with it"
        engine.say(ended(app))
        await pilot.pause()
        assert shown(app) == "drag 1 reached its target: 3 steps, 1.0 s, 0.5 px left"
        await pilot.press("l")
        await pilot.pause()
        assert shown(app) == "Compare it with before, drag on from here, or save it; Esc ends these hints"
        assert paths.is_first_use()
        engine.say(Exported(files=("draggan-out/x/final.png",)))
        await pilot.pause()
        assert shown(app) == "saved to draggan-out/x/final.png"
        await pilot.press("l")
        await pilot.pause()
        assert shown(app) == ""
    assert [path.name for path in state.iterdir()] == ["hints-read"]
    again = editor()
    async with again.run_test(size=(80, 24)) as pilot:
        await ready(again, pilot)
        assert shown(again) == ""


@pytest.mark.usefixtures("state")
async def test_escape_ends_the_hints_when_there_is_nothing_else_to_leave() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        for doing in (["enter"], ["v"], ["m"], ["4"]):
            await pilot.press(*doing, "escape", "l")  # moving clears what Escape has said
            await pilot.pause()
            assert "move the cursor" in shown(app), doing
            assert app.editor.state.edit.pairs == ()
        await pilot.press("escape")
        await pilot.pause()
        assert shown(app) == ""
        assert not paths.is_first_use()


@pytest.mark.usefixtures("state")
async def test_hints_name_the_users_keys_and_saving_early_does_not_end_them() -> None:
    app = editor(keymap={"place": "f2", "left": "a", "drag": "f5", "save": "w", "toggle-space": "f6"})
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        assert shown(app) == FIRST.format(left="a", down="↓", up="↑", right="→", cancel="Esc")
        engine.say(Exported(files=("draggan-out/x/final.png",)))
        await pilot.press("f2", "l", "f2", "l")
        await pilot.pause()
        assert shown(app) == "Press F5 to drag it there"


async def test_hints_work_where_their_end_cannot_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        assert "move the cursor" in shown(app)
        await pilot.press("escape")
        await pilot.pause()
        assert shown(app) == ""


async def test_a_narrow_terminal_cuts_the_hint(state: Path) -> None:
    assert not state.exists()
    app = editor()
    async with app.run_test(size=(36, 20)) as pilot:
        await ready(app, pilot)
        assert shown(app).endswith("…")
