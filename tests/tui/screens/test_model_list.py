"""Changing the model in the editor, classes, and a latent from a file."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from draggan_engine.core.errors import Remedy
from draggan_engine.core.history import History
from draggan_engine.core.model_info import ModelEntry
from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import (
    Failed,
    ImageRendered,
    ListModels,
    LoadModel,
    LoadProgress,
    ModelLoaded,
    ModelsListed,
    Render,
    Save,
    Saved,
    StartDrag,
)
from draggan_tui.app import DragganApp
from draggan_tui.editor.file_latent import FileLatent
from draggan_tui.editor.history_cursor import HistoryCursor
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.dialog_box import DialogBox
from tests.support.editing import INFO, FakeEngine, editor_opens, ended, place_pair, ready, status, until

ENTRIES = (
    ModelEntry(name="toy", origin="bundled", path="/b/toy.safetensors", bytes=4_409_308),
    ModelEntry(name="ffhq", origin="own", path="/m/ffhq.pkl", bytes=364_000_000),
    ModelEntry(name="cars", origin="own", path="/m/cars.pkl", bytes=35_000),
)
OTHER = INFO.model_copy(
    update={"name": "ffhq", "width": 64, "height": 32, "psi": 0.5, "classes": 3,
            "settings": INFO.settings.model_copy(update={"r1": 7})}
)  # fmt: skip
CLASSES = INFO.model_copy(update={"classes": 10})


async def pick(pilot: Pilot[None], engine: FakeEngine, *keys: str) -> None:
    """Open the list of models and press keys."""
    await pilot.press("M")
    assert isinstance(engine.sent[-1], ListModels)
    engine.say(ModelsListed(models=ENTRIES))
    await pilot.pause()
    await pilot.press(*keys)
    await pilot.pause()


def problem(app: DragganApp) -> str:
    """Return the text below the field of the list of models."""
    return str(app.screen.query_one("#problem", Static).render())


def requested_models(engine: FakeEngine) -> list[str]:
    return [command.spec for command in engine.sent if isinstance(command, LoadModel)]


async def test_the_list_shows_all_models(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pick(pilot, engine)
        names = app.screen.query_one(OptionList)
        assert [str(option.prompt).rstrip() for option in names.options] == [
            "● toy   bundled  4.4 MB",
            "  ffhq  own      364 MB",
            "  cars  own       35 kB",
        ]
        assert names.highlighted == 0
        await pilot.press("enter")
        assert app.screen is app.editor
        assert (status(app), requested_models(engine)) == ("toy is open already", [])


@pytest.mark.parametrize(
    ("keys", "spec"),
    [
        (("down", "enter"), "ffhq"),
        (("j", "j", "enter"), "cars"),
        (("j", "j", "k", "enter"), "ffhq"),
        (("slash", *"jk", "slash", *"m.pkl", "enter"), "jk/m.pkl"),
        (("tab", *"cars", "enter"), "cars"),
        (("slash", "slash", "x", "tab", "j", "enter"), "ffhq"),
    ],
)
async def test_choosing_a_model(app: DragganApp, keys: tuple[str, ...], spec: str) -> None:
    keys = tuple("full_stop" if key == "." else key for key in keys)
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pick(pilot, engine, *keys)
        assert requested_models(engine) == [spec]
        engine.say(ModelLoaded(spec=spec, info=OTHER, device="cpu"))
        await until(lambda: app.screen is app.editor)


@pytest.mark.parametrize("keys", [("escape",), ("j", "slash", "x", "escape"), ("slash", "enter", "escape")])
async def test_escape_changes_nothing(app: DragganApp, keys: tuple[str, ...]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pick(pilot, engine, *keys)
        assert app.screen is app.editor
        assert requested_models(engine) == []
        await pilot.press("enter")
        assert len(app.editor.state.edit.pairs) == 1


async def test_the_list_shows_that_a_typed_model_is_loading_and_accepts_no_other(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pick(pilot, engine, "slash", *"bad", "enter", "enter")
        assert requested_models(engine) == ["bad"]
        assert problem(app) == "loading bad …"
        engine.say(LoadProgress(stage="reading", done=120_000_000, total=364_000_000))
        await until(lambda: problem(app) == status(app) == "loading bad: reading 120/364 MB")
        engine.say(Failed(task="load_model", message="bad is empty"))
        await until(lambda: problem(app) == "bad is empty")
        await pilot.press("x", "enter")
        assert requested_models(engine) == ["bad", "badx"]


@pytest.mark.parametrize("typed", ["toy", "/b/toy.safetensors"])
async def test_typing_the_open_model_does_not_load_it_again(app: DragganApp, typed: str) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pick(pilot, engine, "slash")
        app.screen.query_one(Input).value = typed
        await pilot.press("enter")
        assert (problem(app), requested_models(engine)) == ("toy is open already", [])


async def test_a_model_is_shown_by_name_and_not_by_path(app: DragganApp) -> None:
    copy = ModelEntry(name="ffhq", origin="cached", format="nvidia", path="/c/0123abcd.safetensors", bytes=9)
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("M")
        assert str(app.screen.query_one(DialogBox).border_title) == "Models · now toy"
        engine.say(ModelsListed(models=(copy,)))
        await pilot.pause()
        await pilot.press("enter")
        await until(lambda: (requested_models(engine), status(app)) == (["/c/0123abcd.safetensors"], "loading ffhq …"))
        engine.say(Failed(task="load_model", message="it is empty"))
        await until(lambda: status(app) == "it is empty")
        await pilot.press("M", "slash", "slash", *"c", "slash", *"cars", "full_stop", *"pkl", "enter")
        await until(lambda: problem(app) == "loading cars …")


async def test_another_model_begins_another_session(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("space", "n")
        assert not app.editor.state.has_unsaved_changes
        await pick(pilot, engine, "j", "enter")
        engine.say(ModelLoaded(spec="ffhq", info=OTHER, device="cpu"))
        await pilot.pause()
        state = app.editor.state
        assert (state.edit.model, state.edit.source.seed, state.edit.source.psi, state.edit.settings.r1) == (
            "ffhq",
            6,
            0.5,
            7,
        )
        assert (state.edit.pairs, state.edit.mask, len(state.history.revisions), state.cursor) == (
            (),
            None,
            1,
            (31.5, 15.5),
        )
        assert (state.change_count, state.has_unsaved_changes, app.editor.context.sync.directory) == (0, False, None)
        assert status(app) == "opened ffhq; the earlier session is saved in draggan-out/x"
        assert "ffhq" in app.screen.query_one(Canvas).render().plain  # until its image has come
        request = engine.last(Render)
        assert request.edit == state.edit
        engine.say(
            ImageRendered(request_id=request.request_id, image=ImageData(width=48, height=24, rgb=bytes(48 * 24 * 3)))
        )
        await pilot.pause()
        assert app.editor.context.images.latest is not None
        await place_pair(pilot)
        save = engine.last(Save)
        assert (save.change_count, engine.edit.model, len(engine.edit.pairs)) == (2, "ffhq", 1)
        await pilot.press("d")
        assert engine.sent[-1] is engine.last(StartDrag)
        # The engine goes; the one that comes takes up this session, not the earlier one.
        engine.say(ended(app))
        await pilot.pause()
        engine.alive = False
        engine.lose()
        await pilot.pause()
        await pilot.press("r")
        engine.say(ModelLoaded(spec="ffhq", info=OTHER, device="cpu"))
        await until(lambda: status(app) == "the engine is running again")
        assert app.editor.state.edit.source.drag == 1


async def test_a_failed_load_is_shown_with_advice(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pick(pilot, engine, "slash", "x", "enter")
        engine.say(Failed(task="load_model", message="'x': there is no such model or file", remedy=Remedy.choose_model))
        await until(
            lambda: problem(app).startswith("'x': there is no such model or file; give the path of a model file")
        )


async def test_no_directory_is_named_if_nothing_was_saved(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pick(pilot, engine, "j", "enter")
        engine.say(ModelLoaded(spec="ffhq", info=OTHER, device="cpu"))
        await until(lambda: status(app) == "opened ffhq")


async def test_a_model_that_cannot_be_loaded_changes_nothing(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        before = app.editor.state.history
        await pick(pilot, engine, "slash", "x", "enter")
        app.editor.context.images.cache.clear()
        await pilot.resize_terminal(100, 30)  # no image is requested while the model may change
        renders = [command for command in engine.sent if isinstance(command, Render)]
        engine.say(Failed(task="load_model", message="'x': there is no such model or file"))
        await pilot.pause()
        assert problem(app) == "'x': there is no such model or file"
        assert app.screen.query_one(Input).value == "x", "the user can choose another model"
        await pilot.press("escape")
        assert app.screen is app.editor
        assert app.editor.state.history is before
        assert engine.last(Render).request_id == renders[-1].request_id + 1
        await pilot.press("u", "d")
        assert status(app).startswith("nothing to drag")
        await pilot.press("ctrl+r", "d")
        assert app.editor.state.is_dragging
        assert engine.edit == before.edit


async def test_while_a_model_loads_only_the_cursor_moves(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("l", "enter", "m")  # a handle that waits for its target, and the pen down
        await pick(pilot, engine, "j", "enter")
        state = app.editor.state
        before, cursor, sent = state.history, state.cursor, len(engine.sent)
        for key in (
            "enter",
            "t",
            "x",
            "m",
            "space",
            "i",
            "c",
            "d",
            "full_stop",
            "w",
            "n",
            "N",
            "C",
            "V",
            "u",
            "s",
            "M",
        ):
            await pilot.press(key)
            assert status(app) == "a model is loading: wait until it is open", key
        await pilot.press("escape", "comma", "4", "l", "J")
        assert app.screen is app.editor
        assert state.history is before
        assert state.cursor != cursor
        assert len(engine.sent) == sent


async def test_unsaved_changes_are_written_before_another_model_is_loaded(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        engine.acknowledges = False
        await place_pair(pilot)
        revision = app.editor.state.change_count
        engine.say(Failed(task="save", message="full"))
        await pilot.press("escape")  # the prompt for another directory
        await pick(pilot, engine, "j", "enter")
        assert engine.last(Save).change_count == revision  # once more
        assert requested_models(engine) == []
        engine.say(Saved(change_count=revision, directory="draggan-out/x"))
        await until(lambda: requested_models(engine) == ["ffhq"])


async def test_the_model_stays_while_changes_cannot_be_written(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        engine.acknowledges = False
        await place_pair(pilot)
        await pick(pilot, engine, "j", "enter")
        await until(lambda: status(app).startswith("the model stays"))
        assert status(app) == "the model stays, because the last changes are not on disk yet: s saves them"
        assert requested_models(engine) == []
        engine.acknowledges = True
        await pilot.press("s")
        await until(lambda: not app.editor.state.has_unsaved_changes)


async def test_no_other_model_during_a_drag_or_without_an_engine(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("M")
        assert status(app) == "the model is still loading"
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("d", "M")
        assert app.screen is app.editor
        assert status(app) == "a drag is running: d stops it"
        engine.alive = False
        engine.lose()
        await pilot.pause()
        await pilot.press("escape", "M")
        assert status(app) == "no engine: R restarts it"
        await pilot.press("R", "M")
        assert status(app) == "the engine is starting"


async def test_the_session_survives_an_engine_that_dies_while_it_loads(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        edit = app.editor.state.edit
        await pick(pilot, engine, "j", "enter")
        engine.alive = False
        engine.lose()
        await pilot.pause()
        await pilot.press("r")
        engine.say(ModelLoaded(spec="toy", info=INFO, device="cpu"))
        await pilot.pause()
        assert (app.editor.state.edit, engine.resumed[-1]) == (edit, "draggan-out/x")
        await pilot.press("d")
        assert app.editor.state.is_dragging


async def test_the_progress_of_loading_is_shown(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await editor_opens(app, pilot)
        engine: FakeEngine = app.engine  # type: ignore[assignment]
        engine.say(LoadProgress(stage="reading", done=120_000_000, total=364_000_000))
        canvas = app.screen.query_one(Canvas)
        await until(lambda: "reading" in canvas.render().plain)
        line, bar = canvas.render().plain.splitlines()
        assert line[1:] == " toy  reading 120/364 MB"
        assert bar == "━━━━━━━─────────────────"
        engine.say(LoadProgress(stage="building", done=0, total=1))
        await until(lambda: canvas.render().plain[1:] == " toy  building")
        await ready(app, pilot)
        await pick(pilot, engine, "j", "enter")
        assert status(app) == "loading ffhq …"
        engine.say(LoadProgress(stage="reading", done=120_000_000, total=364_000_000))
        await until(lambda: status(app) == "loading ffhq: reading 120/364 MB")


async def test_a_model_with_classes(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot, CLASSES)
        facts = app.screen.query_one("#session-facts", Static)
        assert " class  0 of 0…9" in str(facts.render())
        await pilot.press("C")
        assert engine.last(Render).edit.source.label == 1
        await pilot.press("5", "C")
        assert engine.last(Render).edit.source.label == 6
        await pilot.press("V", "8", "V")
        assert engine.last(Render).edit.source.label == 7
        assert "class  7 of 0…9" in str(facts.render())
        assert not any(isinstance(command, Save) for command in engine.sent)  # looking is no change
        await pilot.press("u")
        assert app.editor.state.edit.source.label == 5


async def test_a_model_without_classes(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        for key in "CV":
            await pilot.press("3", key)
            assert status(app) == "toy has no classes"
            assert (app.editor.state.edit.source.label, app.editor.state.count) == (0, 0)


@pytest.mark.parametrize(("classes", "message"), [
    (0, "class 12: toy has no classes; leave it out"),
    (10, "class 12: toy has the classes 0 to 9; give one of them"),
])  # fmt: skip
async def test_a_class_that_the_model_does_not_have_ends_the_editor(
    app: DragganApp, classes: int, message: str
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await editor_opens(app, pilot)
        state = app.editor.state
        state.history_cursor = HistoryCursor(
            History.of(state.edit.with_source(state.edit.source.model_copy(update={"label": 12})))
        )
        info = INFO.model_copy(update={"classes": classes})
        app.engine.say(ModelLoaded(spec="toy", info=info, device="cpu"))  # type: ignore[attr-defined]
        await pilot.pause()
        await pilot.pause()
        assert not app.is_running
    assert (app.return_code, app.farewell) == (2, message)


@pytest.mark.parametrize("keys", [("n",), ("N",), ("C",), ("comma", "up", *"0.5", "enter")])
async def test_another_seed_replaces_the_latent_file_and_undo_returns_to_it(
    app: DragganApp, keys: tuple[str, ...]
) -> None:
    keys = tuple("full_stop" if key == "." else key for key in keys)
    async with app.run_test(size=(80, 24)) as pilot:
        await editor_opens(app, pilot)
        state = app.editor.state
        state.history_cursor = HistoryCursor(
            History.of(state.edit.with_source(state.edit.source.model_copy(update={"from_file": True})))
        )
        state.file_latent = FileLatent("pivot.pt")
        engine = await ready(app, pilot, CLASSES)
        facts = app.screen.query_one("#session-facts", Static)
        assert engine.last(Render).edit.source.from_file
        assert "latent  pivot.pt" in str(facts.render())
        await pilot.press(*keys)
        await until(lambda: not engine.last(Render).edit.source.from_file)
        assert "pivot" not in str(facts.render())
        await pilot.press("u")
        assert app.editor.state.edit.source.from_file
