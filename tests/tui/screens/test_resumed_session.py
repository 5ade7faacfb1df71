"""The editor of an earlier session, whose history the engine sends before or after the screen is ready."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import OptionList, Static

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.history import History
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.server.messages import ModelLoaded, Resumed, Save
from draggan_tui.app import DragganApp
from draggan_tui.editor.state import ResumedSession
from draggan_tui.rendering.branch_option import BranchOption
from tests.support.editing import INFO, FakeEngine, editor, editor_opens, ended, place_pair, ready, status, until

EDIT = Edit(model="toy", source=LatentRef(seed=5), pairs=(PointPair(handle=(10, 20), target=(30, 20)),))
HISTORY = History.of(EDIT.model_copy(update={"pairs": ()})).change(EDIT)


@pytest.fixture
def resumed_app(fake_engine: None) -> DragganApp:  # noqa: ARG001 (a fixture)
    session = ResumedSession(EDIT, Path("draggan-out/x"), "toy")
    return DragganApp(replace(editor().options, resumed_session=session))


def engine_of(app: DragganApp) -> FakeEngine:
    engine = app.engine
    assert isinstance(engine, FakeEngine)
    return engine


async def test_the_history_comes_from_the_engine(resumed_app: DragganApp) -> None:
    async with resumed_app.run_test(size=(80, 24)) as pilot:
        await editor_opens(resumed_app, pilot)
        engine, state = engine_of(resumed_app), resumed_app.editor.state
        assert state.edit == EDIT, "the edit is known at once"
        engine.say(Resumed.of(HISTORY, recovered_drags=()))
        engine.say(ModelLoaded(spec="toy", info=INFO, device="cpu"))
        await until(lambda: state.model_info is not None)
        assert state.history == HISTORY
        await pilot.press("u")
        assert state.edit.pairs == ()
        await pilot.press("w")
        await until(lambda: any(isinstance(command, Save) for command in engine.sent))
        revisions = engine.last(Save).revisions
        assert [(revision.id, revision.parent) for revision in revisions] == [(2, 0)], "the engine has the others"


async def test_a_recovered_drag_is_reported_and_comes_as_a_branch(resumed_app: DragganApp) -> None:
    async with resumed_app.run_test(size=(80, 24)) as pilot:
        await editor_opens(resumed_app, pilot)
        engine, state = engine_of(resumed_app), resumed_app.editor.state
        dragged = ended(resumed_app, "interrupted").revision
        assert dragged is not None
        history = HISTORY.merge([dragged.model_copy(update={"parent": 1})])
        engine.say(Resumed.of(history, recovered_drags=(1,)))
        engine.say(ModelLoaded(spec="toy", info=INFO, device="cpu"))
        await until(lambda: "drag 1 was interrupted" in status(resumed_app))
        assert state.history == history
        assert state.edit == EDIT


async def test_a_restarted_engine_keeps_the_place_in_the_history(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        place = app.editor.state.history.current
        dragged = ended(app, "interrupted").revision
        assert dragged is not None
        saved = app.editor.state.history.merge([dragged]).jump_to(0)
        engine.say(Resumed.of(saved, recovered_drags=(1,)))
        await until(lambda: dragged.id in app.editor.state.history.revisions)
        assert app.editor.state.history.current == place


async def test_the_inversion_of_a_photograph_is_called_after_it(resumed_app: DragganApp) -> None:
    history = History.of(EDIT).change(EDIT.with_source(LatentRef(from_file=True)))
    async with resumed_app.run_test(size=(80, 24)) as pilot:
        await editor_opens(resumed_app, pilot)
        engine = engine_of(resumed_app)
        engine.say(Resumed.of(history, (), photograph="/photos/me.jpg"))
        engine.say(ModelLoaded(spec="toy", info=INFO, device="cpu"))
        await until(lambda: resumed_app.editor.state.model_info is not None)
        await pilot.pause()
        assert " photo  me.jpg" in str(resumed_app.screen.query_one("#session-facts", Static).render())
        await pilot.press("u")
        assert status(resumed_app) == "undone: me.jpg inverted"
        await pilot.press("ctrl+r", "B")
        await pilot.pause()
        option = resumed_app.screen.query_one(OptionList).get_option_at_index(0)
        assert isinstance(option.prompt, BranchOption)
        assert option.prompt.lines[0] == "▸ me.jpg inverted"
