"""Keys that go through the history and compare images, in an editor with a fake engine that records commands."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console
from textual.pilot import Pilot
from textual.widgets import OptionList

from draggan_engine.core.geometry import convert
from draggan_engine.core.history import Revision, Trajectory
from draggan_engine.core.revision_id import DragRevisionId
from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import (
    Command,
    DragEnded,
    DragPreview,
    DragProgress,
    DragStarted,
    EditMeasured,
    ImageRendered,
    ReadTrajectory,
    Render,
    Save,
    SetPreviewSize,
    StartDrag,
    TrajectoryRead,
)
from draggan_tui.app import DragganApp
from draggan_tui.config.themes import CanvasColors
from draggan_tui.rendering.branch_option import BranchOption, thumbnail
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.overlay import CanvasStyle
from draggan_tui.screens.branch_list import BranchList
from draggan_tui.screens.question import Question
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.status_line import StatusLine
from draggan_tui.widgets.text_lines import TextLines
from draggan_tui.widgets.timeline import Timeline
from tests.support.editing import (
    FakeEngine,
    editor,
    editor_opens,
    ended,
    place_pair,
    ready,
    shown,
    status,
    until,
    until_screen_shows,
)

SIZE = (80, 24)


def timeline(app: DragganApp) -> str:
    return app.editor.query_one(Timeline).render().plain.rstrip()


def place(app: DragganApp) -> tuple[int, int | None]:
    state = app.editor.state
    return state.history.current, state.history_cursor.step_index


def mode(app: DragganApp) -> str:
    return app.editor.query_one(StatusLine).mode


def sent(engine: FakeEngine, kind: type[Command]) -> list[Command]:
    return [command for command in engine.sent if isinstance(command, kind)]


async def answer(engine: FakeEngine, pilot: Pilot[None], value: int) -> Render:
    """Answer the last request for an image with one whose pixels all have this value."""
    request = engine.last(Render)
    engine.say(
        ImageRendered(
            request_id=request.request_id, image=ImageData(width=128, height=128, rgb=bytes([value]) * (128 * 128 * 3))
        )
    )
    await pilot.pause()
    return request


async def drag(app: DragganApp, engine: FakeEngine, pilot: Pilot[None], value: int, steps: int = 8) -> None:
    """Run a drag of `steps` steps on the present edit; all pixels of its image have this value."""
    await pilot.press("d")
    engine.say(DragStarted(drag_number=1 + len(app.editor.state.history.drag_records)))
    event, parent = ended(app), app.editor.state.history.current_revision
    record = event.record.model_copy(update={"steps": steps})
    engine.say(DragEnded(record=record, revision=Revision.of_drag(parent, record)))
    await pilot.pause()
    assert (await answer(engine, pilot, value)).edit.source.drag == record.number


def trajectory_read(number: int, steps: int) -> TrajectoryRead:
    """Return a trajectory of which every step was kept; the handle moves a pixel in each."""
    handles = tuple(((60.0 + i, 60.0),) for i in range(steps + 1))
    return TrajectoryRead(trajectory=Trajectory(number=number, steps=tuple(range(steps + 1)), handles=handles))


async def after_a_drag(app: DragganApp, pilot: Pilot[None], *, read: bool = True) -> FakeEngine:
    """Make a pair and a drag of eight steps: revisions 0, 1, 2, -1; the images are black, then all 100."""
    engine = await ready(app, pilot)
    await place_pair(pilot)
    await drag(app, engine, pilot, 100)
    if read:
        await pilot.press("left_parenthesis")
        engine.say(trajectory_read(1, 8))
        await pilot.pause()
        await pilot.press("right_parenthesis")
    return engine


# Going through it ---------------------------------------------------------------------------------------


async def test_scrubbing_reads_a_trajectory_once_and_goes_through_its_steps(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await after_a_drag(app, pilot, read=False)
        assert timeline(app) == "╺··┝1━━━━━◆"
        await pilot.press("left_parenthesis", "3", "left_parenthesis")
        assert place(app) == (DragRevisionId(1), None)
        assert sent(engine, ReadTrajectory) == [ReadTrajectory(drag_number=1)]
        engine.say(trajectory_read(1, 8))
        await pilot.pause()
        assert (place(app), mode(app)) == ((DragRevisionId(1), 4), ""), "both presses, with the count"
        assert timeline(app).startswith("╺··┝1━◆━━━┥  ")
        assert timeline(app).endswith("  drag 1 4/8")
        await pilot.press("2", "right_parenthesis")
        assert place(app) == (DragRevisionId(1), 6)
        await pilot.press("9", "left_parenthesis")
        assert (place(app), timeline(app)) == ((0, None), "◆··┝1━━━━━┥")
        await pilot.press("left_parenthesis")
        assert status(app) == "this is where the history begins"
        await pilot.press("2", "0", "right_parenthesis", "right_parenthesis")
        assert status(app) == "this is the end of the history"
        assert len(sent(engine, ReadTrajectory)) == 1


async def test_the_image_of_each_step_is_requested_once(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await after_a_drag(app, pilot)
        pixel_values = [int(shown(app)[0, 0, 0])]
        for step in (7, 6, 5):
            await pilot.press("left_parenthesis")
            if step == 7:  # its image was requested when the trajectory was read, and has not come
                assert engine.last(Render).edit.source.step == 7
            request = await answer(engine, pilot, step)
            assert (request.edit.source.drag, request.edit.source.step) == (1, step)
            pixel_values.append(int(shown(app)[0, 0, 0]))
        assert pixel_values == [100, 7, 6, 5]
        previous_count = len(sent(engine, Render))
        for expected in (6, 7, 100):
            await pilot.press("right_parenthesis")
            assert (shown(app) == expected).all()
        await pilot.press("3", "left_parenthesis")
        assert (shown(app) == 5).all()
        assert len(sent(engine, Render)) == previous_count
        assert app.editor.state.drawn_edit.pairs[0].handle == (65, 60), "where the handle was then"


async def test_zooming_requests_no_image(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await after_a_drag(app, pilot)
        request_count = len(sent(engine, Render))
        await pilot.press("3", "plus", "u", "9", "plus", "z", "o")
        assert len(sent(engine, Render)) == request_count


async def test_a_change_within_a_drag_begins_a_branch(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await after_a_drag(app, pilot)
        await pilot.press("5", "left_parenthesis", "w")
        saved = engine.last(Save)
        assert [(entry.id, entry.parent, entry.edit.source.step) for entry in saved.revisions] == [(3, 2, 3), (4, 3, 3)]
        assert saved.current == 4
        assert engine.edit == app.editor.state.edit
        assert timeline(app).startswith("╺··┝1━┥◆ "), "the steps to where it began are its own too"
        assert timeline(app).endswith(" 2 branches")
        await pilot.press("u", "u")
        assert place(app) == (2, None)
        await pilot.press("9", "ctrl+r")
        assert place(app) == (4, None)


async def test_a_pair_is_drawn_with_the_mouse_within_a_drag(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await after_a_drag(app, pilot)
        await pilot.press("3", "left_parenthesis")
        await pilot.mouse_down(Canvas, offset=(16, 3))
        await pilot.hover(Canvas, offset=(20, 5))
        assert len(app.editor.state.drawn_edit.pairs) == 2
        await pilot.mouse_up(Canvas, offset=(20, 5))
        await until(lambda: status(app) == "pair 2 is set")
        assert (len(app.editor.state.edit.pairs), app.editor.state.edit.source.step) == (2, 5)


async def test_a_drag_from_within_a_drag(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await after_a_drag(app, pilot)
        await pilot.press("3", "left_parenthesis", "d")
        assert isinstance(engine.sent[-1], StartDrag)
        assert (engine.edit.source.drag, engine.edit.source.step) == (1, 5)
        engine.say(ended(app))
        await pilot.pause()
        record = app.editor.state.history.drag_records[-1]
        assert (record.number, app.editor.state.edit.source.drag, app.editor.state.edit.source.step) == (2, 2, None)


async def test_counts_of_undo_and_redo(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await after_a_drag(app, pilot)
        await pilot.press("w", "w", "3", "u")
        assert (place(app), timeline(app)) == ((2, None), "╺·◆┝1━━━━━┥··")
        await pilot.press("2", "ctrl+r")
        assert place(app) == (3, None)
        await pilot.press("9", "9", "u", "u")
        assert (place(app), status(app)) == ((0, None), "there is nothing to undo")
        await pilot.press("9", "9", "ctrl+r", "ctrl+r")
        assert (place(app), status(app)) == ((4, None), "there is nothing to redo")
        await pilot.press("5", "left_parenthesis")
        assert place(app) == (DragRevisionId(1), 5)
        await pilot.press("2", "ctrl+r")
        assert place(app) == (3, None), "to the end of the drag, and then the next change"


async def test_skipping_goes_from_drag_to_drag(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await after_a_drag(app, pilot)
        await pilot.press("4", "l", "t")
        await drag(app, engine, pilot, 200)
        for where in (3, DragRevisionId(1), 2):  # where the second began, the end of the first, where that began
            await pilot.press("left_curly_bracket")
            assert place(app) == (where, None)
        await pilot.press("left_curly_bracket")
        assert (place(app), status(app)) == ((2, None), "there is no drag further back")
        await pilot.press("3", "right_curly_bracket")
        assert place(app) == (DragRevisionId(2), None)
        assert (shown(app) == 200).all()
        assert sent(engine, ReadTrajectory) == [ReadTrajectory(drag_number=1)], "the ends of drags need no trajectory"
        await pilot.press("right_curly_bracket")
        assert status(app) == "there is no drag further on"


async def test_scrubbing_back_from_a_branch_enters_the_drag_in_which_it_began(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await after_a_drag(app, pilot)
        await pilot.press("5", "left_parenthesis", "w", "u")
        assert (place(app), app.editor.state.edit.source.step) == ((3, None), 3)
        await pilot.press("left_parenthesis")
        assert (place(app), app.editor.state.edit.source.step) == ((3, 2), 2)
        await pilot.press("2", "left_parenthesis")
        assert place(app) == (2, None)
        await pilot.press("3", "right_parenthesis")
        assert place(app) == (3, None), "and on along the branch"
        await pilot.press("right_parenthesis")
        assert place(app) == (4, None)


async def test_undo_and_redo_report_what_has_changed(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await after_a_drag(app, pilot)
        for keys, said in (
            (("u",), "undone: drag 1, 8 steps"),
            (("u",), "undone: pair 1"),
            (("2", "ctrl+r"), "redone: 2 changes"),
        ):
            await pilot.press(*keys)
            assert status(app) == said


async def test_scrubbing_works_after_the_engine_is_lost_while_it_reads_a_drag(app: DragganApp) -> None:
    """The drag is one step until a new engine has read its trajectory."""
    async with app.run_test(size=SIZE) as pilot:
        engine = await after_a_drag(app, pilot, read=False)
        await pilot.press("left_parenthesis")
        engine.alive = False
        engine.lose()
        await until(lambda: isinstance(app.screen, Question) and app.screen.is_mounted)
        await pilot.press("escape", "left_parenthesis")
        assert place(app) == (2, None), "the whole drag is one step"
        await pilot.press("ctrl+r", "R")
        await pilot.pause()
        await pilot.press("left_parenthesis")
        assert sent(engine, ReadTrajectory) == [ReadTrajectory(drag_number=1)] * 2
        engine.say(trajectory_read(1, 8))
        await until(lambda: place(app) == (DragRevisionId(1), 7))


async def test_a_drag_without_a_kept_trajectory_is_one_step(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await after_a_drag(app, pilot, read=False)
        await pilot.press("left_parenthesis")
        engine.say(TrajectoryRead(trajectory=Trajectory(number=1, steps=(), handles=())))
        await pilot.pause()
        assert place(app) == (2, None)
        await pilot.press("right_parenthesis")
        assert place(app) == (DragRevisionId(1), None)


async def test_the_place_in_the_history_stays_while_a_drag_runs(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await after_a_drag(app, pilot, read=False)
        await pilot.press("4", "l", "t", "d")
        for key in ("left_parenthesis", "left_curly_bracket", "u", "B"):
            await pilot.press(key)
            assert status(app) == "a drag is running: d stops it"
        assert app.screen is app.editor
        assert sent(engine, ReadTrajectory) == []


# Branches -----------------------------------------------------------------------------------------------


def options(app: DragganApp) -> list[str]:
    """The lines of each branch, without its image."""
    assert isinstance(app.screen, BranchList)
    prompts = [option.prompt for option in app.screen.query_one(OptionList).options]
    return [" / ".join(prompt.lines) if isinstance(prompt, BranchOption) else str(prompt) for prompt in prompts]


async def test_the_branch_list_goes_to_branches_and_compares_with_them(app: DragganApp) -> None:
    async with app.run_test(size=(40, 12)) as pilot:
        engine = await after_a_drag(app, pilot)
        await pilot.press("u", "w")
        await pilot.press("B")
        assert options(app) == ["▸ settings changed, before any drag", "  drag 1, 8 steps"]
        await pilot.press("j", "enter")
        await until(lambda: (app.screen, place(app)) == (app.editor, (DragRevisionId(1), None)))
        assert (shown(app) == 100).all()
        assert engine.last(Save).current == DragRevisionId(1)
        await pilot.press("B")
        assert options(app) == ["  settings changed, before any drag", "▸ drag 1, 8 steps"]
        await pilot.press("k", "c")
        await until(lambda: app.editor.state.reference_id == 3)
        assert status(app).endswith("(against settings changed, before any drag)")
        assert (mode(app), place(app)) == ("SPLIT", (DragRevisionId(1), None))
        await pilot.press("B")
        assert options(app) == ["  settings changed, before any drag, compared with", "▸ drag 1, 8 steps"]
        await pilot.press("o")
        await until(lambda: app.editor.state.reference_id is None)
        assert not status(app).endswith(")")
        await pilot.press("B", "escape")
        assert (app.screen, place(app)) == (app.editor, (DragRevisionId(1), None))


async def test_the_branch_list_requests_missing_images_one_at_a_time(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await after_a_drag(app, pilot)
        for _ in range(2):
            await pilot.press("u", "n")
        app.editor.context.images.cache.clear()
        await answer(engine, pilot, 7)  # of the seed that is to be seen
        before = len(sent(engine, Render))
        await pilot.press("B")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, BranchList)
        assert options(app)[0] == "▸ seed 6 /   before any drag"
        assert (len(sent(engine, Render)) - before, screen.missing_image() is not None) == (1, True)
        await answer(engine, pilot, 200)
        prompts = [option.prompt for option in screen.query_one(OptionList).options]
        assert all(isinstance(prompt, BranchOption) and prompt.thumbnail is not None for prompt in prompts)
        assert (len(sent(engine, Render)) - before, screen.missing_image()) == (1, None)
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        assert options(app)[0] == "▸ seed 6, before any drag"


@pytest.mark.parametrize("depth", ["truecolor", "256", "16", "none"])
def test_a_thumbnail_is_shown_before_the_text_of_its_branch(depth: ColorDepth) -> None:
    image = np.zeros((32, 64, 3), np.uint8)
    image[:, 32:] = 255
    cells = thumbnail(image, 4, CanvasStyle(depth, CanvasColors()))
    assert (cells.rows, cells.columns) == (4, 8)
    console = Console(width=24, color_system=None)
    option = BranchOption(["▸ drag 1, 8 steps, and more", "  after drag 3"], 4, cells, depth)
    lines = [line[8:].rstrip() for line in "".join(segment.text for segment in console.render(option)).splitlines()]
    assert lines == ["  ▸ drag 1, 8 s…", "    after drag 3", "", ""]
    waiting = BranchOption(["  seed 6"], 4, None, depth)
    text = "".join(segment.text for segment in console.render(waiting))
    assert text.splitlines()[0].rstrip() == f"{' ' * 12}seed 6"


async def test_the_image_of_another_branch_is_requested_for_a_comparison(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await after_a_drag(app, pilot)
        await pilot.press("u", "n")  # the image of the seed has not come yet
        await pilot.press("B", "j", "enter")
        await until(lambda: place(app) == (DragRevisionId(1), None))
        await pilot.press("B", "k", "c")
        await until(lambda: engine.last(Render).edit.source.seed == 6)
        assert (shown(app) == 100).all(), "the present image is shown until the other one has come"
        await answer(engine, pilot, 50)
        assert set(np.unique(shown(app)[:, :3])) == {50}
        assert set(np.unique(shown(app)[:, -3:])) == {100}


# Before and after ---------------------------------------------------------------------------------------


async def test_before_split_and_difference(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await after_a_drag(app, pilot)
        request_count = len(sent(engine, Render))
        await pilot.press("o")
        assert (mode(app), status(app), shown(app).max()) == ("BEFORE", "the image before", 0)
        await pilot.press("o")
        assert (mode(app), status(app), shown(app).min()) == ("", "the image as it is now", 100)
        await pilot.press("percent_sign")
        assert (mode(app), np.unique(shown(app)).tolist()) == ("DIFFERENCE", [255])
        await pilot.press("vertical_line")
        assert mode(app) == "SPLIT"
        for keys in (("4", "h"), ("home",), ("9", "l")):
            await pilot.press(*keys)
            cursor, image = app.editor.state.cursor, shown(app)
            assert cursor is not None
            column = convert(cursor, app.editor.state.image_size, app.editor.state.viewport.grid)[0]
            edge = round(column + 0.5)
            assert (image[:, :edge] == 0).all()
            assert (image[:, edge + 1 :] == 100).all()
        await pilot.press("vertical_line")
        assert (mode(app), len(sent(engine, Render))) == ("", request_count), "both images are cached"


async def test_the_result_of_a_drag_is_shown_when_the_drag_ends(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("d")
        request_count = len(sent(engine, Render))
        image = ImageData(width=128, height=128, rgb=bytes([31]) * (128 * 128 * 3))
        engine.say(ended(app).model_copy(update={"image": image}))
        await until(lambda: (shown(app) == 31).all())
        assert len(sent(engine, Render)) == request_count, "its image need not be requested"
        await pilot.press("u", "ctrl+r")
        assert (shown(app) == 31).all()


async def test_comparing_while_a_drag_runs(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("d", "vertical_line")
        engine.say(DragStarted(drag_number=1))
        view = engine.last(SetPreviewSize).preview_size
        assert (view.width, view.height) == (128, 128), "the full image is compared"
        engine.say(DragPreview(image=ImageData(width=42, height=42, rgb=bytes([5]) * (42 * 42 * 3))))
        await pilot.pause()
        assert (shown(app) == 5).all(), "a smaller image is compared with nothing"
        engine.say(DragPreview(image=ImageData(width=128, height=128, rgb=bytes([77]) * (128 * 128 * 3))))
        await until(lambda: (shown(app)[:, -1] == 77).all())
        assert (shown(app)[:, 0] == 0).all()
        assert mode(app) == "SPLIT DRAG"
        await pilot.press("end")
        assert (shown(app)[:, 38] == 0).all(), "the split follows the cursor"
        await pilot.press("percent_sign")
        assert (shown(app) == 231).all()
        engine.say(
            DragProgress(step=1, max_steps=9, loss=1, mean_distance=1, handles=((66.0, 63.0),), steps_per_second=1)
        )
        await until(lambda: app.editor.state.drawn_edit.pairs[0].handle == (66, 63))


async def test_a_running_drag_is_compared_with_an_image_that_must_be_requested(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("n")
        await answer(engine, pilot, 9)
        await pilot.press("u", "d")
        app.editor.state.reference_id = 3
        app.editor.context.images.cache.clear()
        request_count = len(sent(engine, Render))
        await pilot.press("o")
        assert len(sent(engine, Render)) == request_count + 1
        assert (await answer(engine, pilot, 9)).edit.source.seed == 6
        assert (shown(app) == 9).all()
        await pilot.press("o", "l")
        assert len(sent(engine, Render)) == request_count + 1, "the drag sends its own images"


async def test_without_a_model_there_is_nothing_to_compare(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await editor_opens(app, pilot)
        await pilot.press("o")
        assert (status(app), mode(app)) == ("the model is still loading", "")


@pytest.mark.usefixtures("fake_engine")
async def test_the_history_is_shown_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = editor()
    async with app.run_test(size=SIZE) as pilot:
        await after_a_drag(app, pilot)
        await pilot.press("u", "w", "B")
        await until_screen_shows(app, "settings changed", "drag 1, 8 steps", "goes there")
        await pilot.press("escape", "vertical_line")
        await until_screen_shows(app, "SPLIT", "2 branches", "◆")


def edit_row(app: DragganApp) -> str:
    """Return what the side panel says about how far the edit has moved."""
    facts = str(app.editor.query_one("#session-facts", TextLines).render())
    return next((row for row in facts.splitlines() if row.startswith("  edit")), "")


async def test_the_side_panel_says_how_far_the_shown_edit_has_moved(app: DragganApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        assert edit_row(app) == ""
        await pilot.press("d")
        engine.say(DragStarted(drag_number=1))
        step = DragProgress(
            step=1, max_steps=9, loss=1, mean_distance=1, handles=((66, 63),), steps_per_second=1, sigma=0.7
        )
        engine.say(step)
        engine.say(DragPreview(image=ImageData(width=128, height=128, rgb=bytes(128 * 128 * 3))))
        await until(lambda: edit_row(app) == "  edit   0.7 σ")
        drag_end = ended(app)
        assert drag_end.revision is not None
        engine.say(EditMeasured(source=drag_end.revision.edit.source, sigma=1.84))
        engine.say(drag_end)
        await until(lambda: edit_row(app) == "  edit   1.8 σ")
        await pilot.press("u")
        await until(lambda: edit_row(app) == "")
        await pilot.press("ctrl+r")
        await until(lambda: edit_row(app) == "  edit   1.8 σ")
