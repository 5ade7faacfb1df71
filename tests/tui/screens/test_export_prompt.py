"""Exporting from the editor: the requests to the engine, and the messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from draggan_engine.core.edit import Edit
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.server.messages import Exported, ExportFile, ExportProgress, Failed
from draggan_tui.app import DragganApp
from draggan_tui.editor.file_latent import FileLatent
from draggan_tui.screens.export_prompt import ExportPrompt, suggested_path
from draggan_tui.screens.question import Question
from tests.support.editing import FakeEngine, ended, place_pair, ready, status, until


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def text(app: DragganApp, selector: str) -> str:
    return str(app.screen.query_one(selector, Static).render())


async def dragged(app: DragganApp, pilot: Pilot[None], engine: FakeEngine) -> None:
    """Make the present image the result of a drag."""
    await pilot.press("d")
    engine.say(ended(app))
    await pilot.pause()


async def test_enter_on_the_suggested_name_exports_beside_the_session(app: DragganApp, tmp_path: Path) -> None:
    (tmp_path / "draggan-out").mkdir()
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("E", "enter")
        assert engine.last(ExportFile).path == str(tmp_path / "toy-seed5.png"), (
            "there is no session yet, so it is the directory where the editor was started"
        )
        await place_pair(pilot)
        await dragged(app, pilot, engine)
        (tmp_path / "draggan-out" / "toy-seed5-drag1.png").touch()
        await pilot.press("E")
        assert app.screen.query_one(Input).value == "draggan-out/toy-seed5-drag1-2.png"
        await pilot.press("enter")
        assert app.screen is app.editor
        assert engine.last(ExportFile).path == str(tmp_path / "draggan-out" / "toy-seed5-drag1-2.png")


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("none/a.png", "there is no directory none: create it first, or choose another"),
        ("file/a.png", "there is no directory file: create it first, or choose another"),
        (f"{'x' * 300}.png", "file name too long; give another path"),
        ("~nobody-is-called-so/a.png", "there is no such user; give another path"),
        ("/proc/a.png", "/proc"),
    ],
)
async def test_the_prompt_stays_open_and_says_why_a_path_cannot_be_written(
    app: DragganApp, tmp_path: Path, place: str, says: str
) -> None:
    (tmp_path / "file").touch()
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("E")
        app.screen.query_one(Input).value = place
        await pilot.press("enter")
        assert says in text(app, "#problem")
        assert app.screen.query_one(Input).value == place
        assert not any(isinstance(command, ExportFile) for command in engine.sent)


@pytest.mark.parametrize("ending", [".png", ".webp", ".gif", ".mp4", ".npy", ".npz", ".safetensors"])
async def test_each_ending_is_exported_by_the_engine(app: DragganApp, tmp_path: Path, ending: str) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await dragged(app, pilot, engine)
        await pilot.press("E", *"nose", "full_stop", *ending[1:], "enter")
        assert app.screen is app.editor
        request = engine.last(ExportFile)
        assert (request.path, request.markers) == (str(tmp_path / f"nose{ending}"), False)
        assert request.edit == app.editor.state.edit
        assert status(app) == f"exporting nose{ending} …"
        engine.say(ExportProgress(done=3, total=9))
        await until(lambda: status(app) == "exporting: frame 3 of 9")
        engine.say(Exported(files=(request.path,)))
        await until(lambda: status(app) == f"saved to nose{ending}")
        assert app.editor.context.sync.directory == Path("draggan-out/x"), "it is not the session's"


async def test_markers_are_drawn_on_request(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("E")
        assert text(app, "#markers") == "Shift-Tab [ ] handles and targets"
        await pilot.press(*"a", "shift+tab")
        assert text(app, "#markers") == "Shift-Tab [x] handles and targets"
        await pilot.press("enter")
        assert engine.last(ExportFile).markers
        assert engine.last(ExportFile).path.endswith("/a.png"), "an image without handles and targets"


async def test_a_session_of_a_photograph_offers_the_photograph_and_exports_the_present_edit(
    app: DragganApp, tmp_path: Path
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        start = app.editor.state.edit
        app.editor.state.change(start.with_source(LatentRef(from_file=True)))
        await place_pair(pilot)
        await dragged(app, pilot, engine)
        session_directory = tmp_path / "draggan-out" / "x"
        session_directory.mkdir(parents=True)
        await pilot.press("E")
        assert text(app, "#markers") == "Shift-Tab [ ] handles and targets", "no photograph was inverted"
        await pilot.press("escape")
        (session_directory / "inversion.json").write_text("{}")
        for keys, edit_is_dragged in (((), True), (("u",), False), (("ctrl+r",), True)):
            await pilot.press(*keys, "E")
            assert text(app, "#markers") == additions()
            await pilot.press("shift+tab")
            assert text(app, "#markers") == additions(chosen=0)
            await pilot.press("shift+tab")
            assert text(app, "#markers") == additions(chosen=1)
            await pilot.press("enter")
            request = engine.last(ExportFile)
            assert (request.paste_mode, request.markers) == ("delta", False)
            assert (request.edit.source.drag is not None) is edit_is_dragged
        await pilot.press("E", "shift+tab", "shift+tab", "shift+tab")
        assert text(app, "#markers") == additions(chosen=2)
        await pilot.press("enter")
        request = engine.last(ExportFile)
        assert (request.paste_mode, request.markers) == ("crop", False)
        await pilot.press("E", "shift+tab", "shift+tab", "shift+tab", "shift+tab")
        assert text(app, "#markers") == additions()
        await pilot.press("enter")
        assert engine.last(ExportFile).paste_mode is None


def additions(chosen: int | None = None) -> str:
    """Return what the prompt shows in a session of a photograph."""
    texts = (
        "handles and targets",
        "in the photograph: what the drags have changed",
        "in the photograph: the whole image of the model",
    )
    return "\n".join(
        f"{'Shift-Tab' if i == 0 else '         '} [{'x' if i == chosen else ' '}] {texts[i]}" for i in range(3)
    )


async def test_the_prompt_asks_before_replacing_a_file_and_refuses_other_endings(
    app: DragganApp, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_text("mine")
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("E", *"a", "full_stop", *"jpg", "enter")
        assert isinstance(app.screen, ExportPrompt)
        assert "must end in .png or .webp" in str(app.screen.query_one("#problem").render())  # type: ignore[attr-defined]
        await pilot.press("backspace", "backspace", "backspace", *"png", "enter")
        assert isinstance(app.screen, Question)
        await pilot.press("n")
        assert isinstance(app.screen, ExportPrompt)
        assert not any(isinstance(command, ExportFile) for command in engine.sent)
        await pilot.press("enter", "y")
        assert engine.last(ExportFile).path == str(tmp_path / "a.png")


async def test_a_failed_export_is_reported(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("E", *"a", "full_stop", *"gif", "enter")
        assert text(app, "#problem") == "a.gif: no drag has led to this image, so there is no video; name a .png"
        await pilot.press("backspace", "backspace", "backspace", *"png", "enter")
        engine.say(Failed(task="export_file", message="a.png: the disk is full"))
        await until(lambda: status(app) == "a.png: the disk is full")
        await place_pair(pilot)
        await pilot.press("d", "E")
        assert app.screen is app.editor
        assert status(app) == "a drag is running: d stops it"
        app.editor.context.drag.end(None)
        engine.alive = False
        await pilot.press("E")
        assert app.screen is app.editor
        assert status(app) == "no engine: R restarts it"


@pytest.mark.parametrize(
    ("source", "file_latent", "suggested_name"),
    [
        (LatentRef(seed=7), FileLatent(), "toy-seed7.png"),
        (LatentRef(seed=7, drag=2), FileLatent("me.jpg", is_inversion=True), "toy-seed7-drag2.png"),
        (LatentRef(from_file=True), FileLatent("pivot.pt"), "toy-latent.png"),
        (LatentRef(from_file=True, drag=2), FileLatent(), "toy-latent-drag2.png"),
        (LatentRef(from_file=True, drag=2), FileLatent("me.jpg", is_inversion=True), "toy-me-drag2.png"),
    ],
)
def test_the_suggested_name_says_what_the_image_comes_from(
    tmp_path: Path, source: LatentRef, file_latent: FileLatent, suggested_name: str
) -> None:
    assert suggested_path(Edit(model="toy", source=source), file_latent, tmp_path).name == suggested_name
