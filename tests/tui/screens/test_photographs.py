"""A photograph in the editor: its prompt, two points, the running inversion, and what is left when it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from draggan_engine.core.edit import Mask
from draggan_engine.core.errors import Remedy
from draggan_engine.core.history import History
from draggan_engine.core.inversion_choices import AlignmentChoice
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import Failed, LoadModel, ModelLoaded, Resumed, Save, StopDrag
from draggan_engine.server.photograph_messages import (
    InversionEnded,
    InversionMaskRead,
    InversionPreview,
    InversionProgress,
    InvertPhotograph,
    OpenPhotograph,
    PhotographOpened,
    PhotographViewed,
    ReadInversionMask,
    ViewPhotograph,
)
from draggan_tui import DEFAULT_INVERSION_METHOD, DEFAULT_INVERSION_STEPS
from draggan_tui.app import DragganApp
from draggan_tui.editor.modes import AligningPhotograph, Idle, Inverting
from draggan_tui.editor.photograph import PhotographToOpen, SearchOptions
from draggan_tui.screens.photograph_prompt import PhotographPrompt
from draggan_tui.screens.question import Question
from draggan_tui.widgets.status_line import StatusLine
from tests.support.editing import INFO, FakeEngine, editor, editor_opens, place_pair, ready, shown, status, until

WIDE = np.zeros((200, 400, 3), np.uint8)
WIDE[90:110, 120:140] = WIDE[90:110, 260:280] = (200, 180, 20)
FOUND = np.full((128, 128, 3), 90, np.uint8)


def opened(path: str, image: np.ndarray = WIDE, unfinished_step: int | None = None) -> PhotographOpened:
    height, width, _ = image.shape
    return PhotographOpened(
        path=path, width=width, height=height, image=ImageData.from_array(image), unfinished_step=unfinished_step
    )


def hint(app: DragganApp) -> str:
    """Return what the status line shows while there is no message."""
    status_line = app.editor.query_one(StatusLine)
    assert not status_line.message, status_line.message
    return status_line.next_step


async def choose(app: DragganApp, pilot: Pilot[None], engine: FakeEngine, event: PhotographOpened) -> None:
    """Open the prompt, name the photograph of an event, and let the engine open it."""
    await pilot.press("a")
    assert isinstance(app.screen, PhotographPrompt)
    app.screen.query_one(Input).value = event.path
    await pilot.press("enter")
    await pilot.pause()
    assert engine.last(OpenPhotograph).path == event.path
    engine.say(event)
    await until(lambda: not isinstance(app.screen, PhotographPrompt))
    await pilot.pause()


async def go_to(pilot: Pilot[None], point: str) -> None:
    """Move the cursor to coordinates that are typed, like `270,100`."""
    names = {",": "comma", ".": "full_stop"}
    await pilot.press("colon", *(names.get(sign, sign) for sign in point), "enter")
    await pilot.pause()


async def inverting(app: DragganApp, pilot: Pilot[None]) -> FakeEngine:
    """Begin the inversion of a photograph that is aligned by two points."""
    engine = await ready(app, pilot)
    await choose(app, pilot, engine, opened("me.jpg"))
    await go_to(pilot, "270,100")
    await pilot.press("enter")
    await go_to(pilot, "130,100")
    await pilot.press("enter")
    await pilot.pause()
    return engine


def end_of(
    engine: FakeEngine, reason: str = "finished", psnr: float = 31.24, *, has_mask: bool = False
) -> InversionEnded:
    command = engine.last(InvertPhotograph)
    return InversionEnded(
        reason=reason,
        steps=300,
        seconds=34.0,
        psnr=psnr,
        revision=command.revision,
        image=ImageData.from_array(FOUND),
        has_mask=has_mask,
    )  # type: ignore[arg-type]


# The prompt -------------------------------------------------------------------------------------------


async def test_the_prompt_stays_open_and_says_why_a_file_is_no_photograph(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("a", *"x", "enter")
        await pilot.pause()
        engine.say(
            Failed(task="open_photograph", message="photograph x is not an image file; give a JPEG, PNG or WebP")
        )
        await pilot.pause()
        prompt = app.screen
        assert isinstance(prompt, PhotographPrompt)
        assert "is not an image file; give a JPEG" in str(prompt.query_one("#problem", Static).render())
        await pilot.press("escape")
        assert app.screen is app.editor
        engine.say(opened("x"))  # the answer comes too late
        await pilot.pause()
        assert app.editor.state.mode == Idle()


async def test_no_photograph_is_opened_during_a_drag(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("d", "a")
        assert status(app) == "a drag is running: d stops it"


async def test_no_photograph_is_opened_without_an_engine(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        engine.alive = False
        await pilot.press("a")
        assert status(app) == "no engine: R restarts it"


# Two points -------------------------------------------------------------------------------------------


async def test_two_points_are_set_in_the_photograph_and_it_is_inverted(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("plus")
        state = app.editor.state
        view, cursor, edit = state.viewport, state.cursor, state.edit
        await choose(app, pilot, engine, opened("photos/me.jpg"))
        assert isinstance(state.mode, AligningPhotograph)
        assert np.array_equal(shown(app), WIDE)
        assert hint(app) == "Go to one of the eyes and press Enter"
        assert app.editor.query_one(StatusLine).mode.startswith("PHOTOGRAPH")
        await pilot.press("n")
        assert status(app) == "a photograph is shown: Enter sets a point in it, Esc leaves it"
        await go_to(pilot, "270,100")
        await pilot.press("enter")
        assert hint(app) == "Now go to the other eye and press Enter"
        assert [pair.number for pair in app.editor.panels.overlay().pairs] == [1]
        await pilot.press("enter")
        assert status(app) == "the two points must be at least 4 pixels apart: move on, then Enter"
        await go_to(pilot, "130.5,98")
        await pilot.press("enter")
        await pilot.pause()
        command = engine.last(InvertPhotograph)
        assert command.path == "photos/me.jpg"
        assert command.alignment == AlignmentChoice(how="points", points=((130.5, 98), (270, 100)))
        assert (command.method, command.steps) == (DEFAULT_INVERSION_METHOD, DEFAULT_INVERSION_STEPS)
        assert command.revision.parent == state.history.current
        new_edit = command.revision.edit
        assert new_edit.source == LatentRef(psi=INFO.psi, from_file=True)
        assert (new_edit.settings, new_edit.pairs, new_edit.mask) == (edit.settings, (), None)
        assert engine.sent.index(engine.last(Save)) < engine.sent.index(command)
        assert isinstance(state.mode, Inverting)
        assert (state.viewport, state.cursor, state.edit) == (view, cursor, edit)


async def test_escape_takes_the_first_point_back_and_then_leaves_the_photograph(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        state = app.editor.state
        before = (state.viewport, state.cursor, state.edit)
        await choose(app, pilot, engine, opened("me.jpg"))
        await pilot.press("enter", "escape")
        assert status(app) == "the first point is taken back"
        await pilot.press("left")
        assert hint(app) == "Go to one of the eyes and press Enter"
        await pilot.resize_terminal(100, 30)
        await pilot.press("escape")
        assert status(app) == "the photograph is left; nothing has changed"
        assert (state.mode, state.edit) == (Idle(), before[2])
        assert state.cursor == before[1]
        assert state.viewport.screen_size == app.editor.panels.canvas.room
        assert not any(isinstance(command, InvertPhotograph) for command in engine.sent)


async def test_the_mouse_moves_the_cursor_in_a_photograph_and_draws_no_pair(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await choose(app, pilot, engine, opened("me.jpg"))
        canvas = app.editor.panels.canvas
        middle = (canvas.size.width // 2, canvas.size.height // 2)
        await pilot.mouse_down(canvas, offset=middle)
        await pilot.hover(canvas, offset=(middle[0] + 6, middle[1]))
        await pilot.mouse_up(canvas, offset=(middle[0] + 6, middle[1]))
        state = app.editor.state
        assert state.edit.pairs == ()
        assert isinstance(state.mode, AligningPhotograph)
        x, y = state.cursor or (0, 0)
        assert 190 < x < 215 and 85 < y < 115


@pytest.mark.parametrize(("side", "fit"), [(128, "size"), (300, "aspect ratio")])
async def test_a_photograph_that_fits_can_be_taken_as_it_is(app: DragganApp, side: int, fit: str) -> None:
    image = np.zeros((side, side, 3), np.uint8)
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await choose(app, pilot, engine, opened("me.png", image))
        assert isinstance(app.screen, Question)
        assert app.screen.text.startswith(f"me.png has the {fit} of the model's images.")
        await pilot.press("n")
        await pilot.pause()
        assert isinstance(app.editor.state.mode, AligningPhotograph)
        await pilot.press("escape")
        await choose(app, pilot, engine, opened("me.png", image))
        await pilot.press("y")
        await pilot.pause()
        assert engine.last(InvertPhotograph).alignment == AlignmentChoice(how="whole")


# The inversion ----------------------------------------------------------------------------------------


async def test_the_inversion_is_shown_and_its_end_is_a_revision_that_can_be_undone(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await inverting(app, pilot)
        state = app.editor.state
        first = state.history.current
        assert hint(app) == "reading me.jpg …"
        engine.say(InversionProgress(phase="align", step=30, step_count=60, steps_per_second=7.5))
        await pilot.pause()
        assert hint(app) == "aligning me.jpg: step 30/60  0:04 left"
        engine.say(InversionProgress(phase="align", step=60, step_count=60, steps_per_second=7.5))
        await pilot.pause()
        assert hint(app) == "inverting me.jpg: choosing where to start …"
        engine.say(InversionPreview(image=ImageData.from_array(FOUND)))
        engine.say(InversionProgress(phase="w", step=90, step_count=300, psnr=24.31, steps_per_second=6.0))
        await pilot.pause()
        assert hint(app) == "inverting me.jpg: step 90/300  24.3 dB  0:35 left"
        assert np.array_equal(shown(app), FOUND)
        await pilot.press("n")
        assert status(app) == "a photograph is being inverted: d stops it and keeps what there is"
        engine.say(end_of(engine))
        await pilot.pause()
        assert status(app) == "me.jpg is inverted: 300 steps, 34 s, 31.2 dB"
        assert state.mode == Idle()
        assert state.edit.source.from_file
        assert np.array_equal(shown(app), FOUND)
        await until(lambda: not state.has_unsaved_changes)
        assert engine.edit == state.edit
        await pilot.press("u")
        assert state.history.current == first and not state.edit.source.from_file
        assert status(app) == "undone: me.jpg inverted"
        await pilot.press("ctrl+r")
        assert state.edit.source.from_file


@pytest.mark.parametrize("key", ["d", "escape", "ctrl+c"])
async def test_the_inversion_is_stopped_and_kept(app: DragganApp, key: str) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await inverting(app, pilot)
        await pilot.press(key)
        assert isinstance(engine.sent[-1], StopDrag)
        engine.say(InversionProgress(phase="w", step=90, step_count=300, psnr=24.31, steps_per_second=6.0))
        await pilot.pause()
        assert hint(app) == "stopping the inversion of me.jpg …"
        engine.say(end_of(engine, "stopped", psnr=15.0))
        await pilot.pause()
        assert status(app).startswith(
            "the inversion of me.jpg is stopped, and its image is kept: 300 steps, 34 s, 15.0 dB; the image is not much like the "
            "photograph: u goes back; then set the two points anew"
        )
        assert app.editor.state.edit.source.from_file


async def test_while_the_photograph_is_aligned_its_crop_is_shown_and_afterwards_the_edit_again(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await inverting(app, pilot)
        image_before, crop = shown(app), np.full((128, 128, 3), 50, np.uint8)
        engine.say(InversionPreview(image=ImageData.from_array(crop)))
        engine.say(InversionProgress(phase="align", step=20, step_count=60, steps_per_second=10))
        await pilot.pause()
        assert hint(app) == "aligning me.jpg: step 20/60  0:04 left"
        assert np.array_equal(shown(app), crop)
        await pilot.press("d")
        engine.say(InversionEnded(reason="stopped", steps=0, seconds=0, psnr=None, revision=None, image=None))
        await pilot.pause()
        assert np.array_equal(shown(app), image_before)


async def test_an_inversion_without_a_step_changes_nothing(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await inverting(app, pilot)
        await pilot.press("d")
        engine.say(InversionEnded(reason="stopped", steps=0, seconds=0, psnr=None, revision=None, image=None))
        await pilot.pause()
        assert status(app) == "stopped before the first step; nothing has changed"
        assert app.editor.state.mode == Idle()
        assert not app.editor.state.edit.source.from_file


async def test_an_inversion_that_fails_is_reported_and_the_editor_goes_on(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await inverting(app, pilot)
        engine.say(Failed(task="invert_photograph", message="out of memory; the edit is kept"))
        await pilot.pause()
        assert status(app) == "out of memory; the edit is kept"
        assert app.editor.state.mode == Idle()
        await pilot.press("n")
        assert status(app) == "seed 6"


async def test_a_lost_engine_ends_the_inversion(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await inverting(app, pilot)
        engine.lose()
        await pilot.pause()
        assert app.editor.state.mode == Idle()


async def test_a_second_photograph_begins_another_session(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await inverting(app, pilot)
        engine.say(end_of(engine))
        await pilot.pause()
        await choose(app, pilot, engine, opened("you.png", np.zeros((128, 128, 3), np.uint8)))
        await pilot.press("y")
        await until(lambda: isinstance(engine.sent[-1], LoadModel))
        engine.history = None
        engine.say(ModelLoaded(spec="toy", info=INFO, device="cpu"))
        await pilot.pause()
        command = engine.last(InvertPhotograph)
        assert command.path == "you.png"
        state = app.editor.state
        assert len(state.history.revisions) == 1
        assert command.revision.parent == state.history.current
        assert isinstance(state.mode, Inverting)


async def test_a_session_that_cannot_be_begun_leaves_the_editor_as_it_was(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await inverting(app, pilot)
        engine.say(end_of(engine))
        await pilot.pause()
        inversions = sum(isinstance(command, InvertPhotograph) for command in engine.sent)
        await choose(app, pilot, engine, opened("you.png", np.zeros((128, 128, 3), np.uint8)))
        await pilot.press("y")
        await until(lambda: isinstance(engine.sent[-1], LoadModel))
        engine.say(Failed(task="load_model", message="toy: the file is gone"))
        await pilot.pause()
        assert status(app) == "toy: the file is gone"
        assert app.editor.state.mode == Idle()
        engine.say(ModelLoaded(spec="toy", info=INFO, device="cpu"))
        await pilot.pause()
        assert sum(isinstance(command, InvertPhotograph) for command in engine.sent) == inversions


async def test_an_interrupted_inversion_is_offered_again(app: DragganApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await editor_opens(app, pilot)
        engine: FakeEngine = app.engine  # type: ignore[assignment]
        history = History.of(app.editor.state.edit)
        path = str(tmp_path / "me.jpg")
        engine.say(Resumed.of(history, (), unfinished_photograph=path))
        engine.say(ModelLoaded(spec="toy", info=INFO, device="cpu"))
        await pilot.pause()
        assert status(app) == "the inversion of me.jpg was interrupted: a opens it and goes on"
        await pilot.press("a")
        assert app.screen.query_one(Input).value == path
        await pilot.press("enter")
        await pilot.pause()
        engine.say(opened(path, unfinished_step=120))
        await until(lambda: isinstance(app.screen, Question))
        assert app.screen.text == "The inversion of me.jpg was interrupted after step 120."  # type: ignore[attr-defined]
        await pilot.press("y")
        await pilot.pause()
        assert engine.last(InvertPhotograph).alignment is None


# The views -------------------------------------------------------------------------------------------


async def test_the_views_of_a_photograph_are_gone_through(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await inverting(app, pilot)
        await pilot.press("A")
        assert status(app) == "a photograph is being inverted: d stops it and keeps what there is"
        engine.say(end_of(engine))
        await pilot.pause()
        state = app.editor.state
        view, cursor, edit = state.viewport, state.cursor, state.edit
        await pilot.press("A")
        assert engine.last(ViewPhotograph).edit == edit
        aligned, pasted = np.full((128, 128, 3), 7, np.uint8), np.full((200, 400, 3), 9, np.uint8)
        engine.say(
            PhotographViewed(
                aligned=ImageData.from_array(aligned), inversion=ImageData.from_array(FOUND), width=400, height=200,
                pasted=ImageData.from_array(pasted),
            )
        )  # fmt: skip
        await pilot.pause()
        assert hint(app) == "the photograph, as it was aligned"
        assert np.array_equal(shown(app), aligned)
        await pilot.press("n")
        assert status(app) == "the photograph is shown: A goes on, Esc shows the edit"
        await pilot.press("A")
        assert hint(app) == "the inversion: the image of the model from which the edit started"
        assert np.array_equal(shown(app), FOUND)
        await pilot.press("A")
        assert hint(app) == "the edit in the photograph"
        assert np.array_equal(shown(app), pasted)
        assert state.viewport.image_size == (400, 200)
        await pilot.press("plus", "A")
        assert (state.mode, state.viewport, state.cursor, state.edit) == (Idle(), view, cursor, edit)
        assert np.array_equal(shown(app), FOUND)


async def test_only_the_image_of_a_photograph_has_such_views(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("A")
        assert status(app) == "this image does not come from a photograph: a opens one"
        engine.say(
            Failed(task="view_photograph", message="the photograph /me.jpg has moved or was removed; put it back there")
        )
        await pilot.pause()
        assert status(app) == "the photograph /me.jpg has moved or was removed; put it back there"


async def test_another_method_is_chosen_in_the_prompt(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("a", *"me", "shift+tab")
        methods = app.screen.query_one("#methods", Static)
        assert str(methods.render()) == "Shift-Tab [ ] hybrid [x] w+ [ ] pti [ ] w"
        await pilot.press("enter")
        await pilot.pause()
        engine.say(opened("me"))
        await until(lambda: app.screen is app.editor)
        await pilot.press("enter", "9", "l", "enter")
        await pilot.pause()
        assert engine.last(InvertPhotograph).method == "w+"
        await pilot.press("d")
        engine.say(InversionEnded(reason="stopped", steps=0, seconds=0, psnr=None, revision=None, image=None))
        await pilot.press("a", *4 * ["shift+tab"])
        assert "[x] hybrid" in str(app.screen.query_one("#methods", Static).render())


# The mask ---------------------------------------------------------------------------------------------


async def test_what_the_model_can_show_becomes_the_mask_if_the_user_asks_for_it(app: DragganApp) -> None:
    area = np.zeros((128, 128), np.uint8)
    area[:64] = 1
    async with app.run_test(size=(100, 24)) as pilot:
        engine = await inverting(app, pilot)
        engine.say(end_of(engine, has_mask=True))
        await pilot.pause()
        assert status(app).endswith("31.2 dB; r lets only the part move that the model can show")
        state = app.editor.state
        assert state.edit.mask is None
        await pilot.press("r")
        assert engine.last(ReadInversionMask)
        assert state.edit.mask is None
        engine.say(InversionMaskRead(mask=Mask.from_array(area)))
        await pilot.pause()
        assert status(app) == "the mask is what the model can show of the photograph: 50% of the image may move"
        assert state.edit.mask is not None
        assert np.array_equal(state.edit.mask.to_array(), area)
        await pilot.press("u")
        assert state.edit.mask is None and state.edit.source.from_file


async def test_only_the_image_of_a_photograph_has_a_mask_from_its_inversion(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("r")
        assert status(app) == "this image does not come from a photograph: a opens one"
        engine.say(InversionMaskRead(mask=Mask.from_array(np.ones((128, 128), np.uint8))))  # it comes too late
        await pilot.pause()
        assert app.editor.state.edit.mask is None
        engine.say(
            Failed(
                task="read_inversion_mask",
                message="the inversion by pti found no mask, because only hybrid looks for what the model can show",
                remedy=Remedy.paint_mask,
            )
        )
        await pilot.pause()
        assert status(app).endswith("what the model can show; paint one first (m, or Space)")


# The command line -------------------------------------------------------------------------------------


@pytest.fixture
def app_with_photograph(fake_engine: None) -> DragganApp:  # noqa: ARG001 (a fixture)
    photograph = PhotographToOpen(Path("me.jpg"), None, SearchOptions("pti", 300))
    return DragganApp(replace(editor().options, photograph=photograph))


async def test_a_photograph_of_the_command_line_is_searched_for_as_it_says(app_with_photograph: DragganApp) -> None:
    async with app_with_photograph.run_test(size=(80, 24)) as pilot:
        engine = await ready(app_with_photograph, pilot)
        engine.say(opened("me.jpg"))
        await until(lambda: isinstance(app_with_photograph.editor.state.mode, AligningPhotograph))
        await pilot.press("enter", "9", "l", "enter")
        await pilot.pause()
        command = engine.last(InvertPhotograph)
        assert (command.method, command.steps) == ("pti", 300)


async def test_an_aligned_photograph_of_the_command_line_is_inverted_at_once(app_with_photograph: DragganApp) -> None:
    photograph = app_with_photograph.options.photograph
    assert photograph is not None
    aligned = replace(photograph, alignment=AlignmentChoice(how="whole"))
    app = DragganApp(replace(app_with_photograph.options, photograph=aligned))
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        command = engine.last(InvertPhotograph)
        assert (command.alignment, command.method, command.steps) == (AlignmentChoice(how="whole"), "pti", 300)
