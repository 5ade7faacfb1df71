"""Zoom, pan, typed coordinates, the side panel and the loupe, in the editor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input, Static

from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size
from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import (
    DragPreview,
    DragProgress,
    DragStarted,
    ImageRendered,
    ModelLoaded,
    PreviewShown,
    Render,
    StartDrag,
)
from draggan_tui.app import DragganApp
from draggan_tui.config.themes import CanvasColors, load_theme
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.cell_strip import CellStrip
from draggan_tui.rendering.dithering import ColorDepth, palette_colors
from draggan_tui.rendering.loupe import CloseUp, loupe, loupe_view
from draggan_tui.rendering.overlay import CanvasStyle, compose_view
from draggan_tui.rendering.view_sampling import sample_view
from draggan_tui.screens.goto_prompt import GotoPrompt, parse_point
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.inspector import Inspector
from draggan_tui.widgets.loupe import Loupe
from tests.support.editing import INFO, place_pair, ready, status, until, until_screen_shows

SIZES = [(80, 24), (160, 50)]


def coordinate_image(width: int, height: int) -> np.ndarray:
    """Return an image in which each pixel has its own coordinates as its colour."""
    rows, columns = np.indices((height, width))
    return np.stack([columns, rows, np.full_like(rows, 7)], axis=-1).astype(np.uint8)


def facts(app: DragganApp, row: int) -> str:
    return str(app.editor.query_one("#facts", Static).render()).splitlines()[row]


def cursor_cell(app: DragganApp) -> tuple[int, int]:
    """Return where the cursor is in the window."""
    cursor = app.editor.panels.overlay().cursor
    assert cursor is not None
    return cursor


# Keys -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_zooming_by_keys_keeps_the_cursor_at_its_place(app: DragganApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        await ready(app, pilot)
        canvas = app.editor.query_one(Canvas)
        cursor = app.editor.state.cursor
        assert cursor is not None
        fit, place = app.editor.state.viewport.grid, app.editor.state.viewport.place(cursor)
        ratios = []
        for key in ("plus", "equals_sign", "3", "plus", "9", "9", "plus"):
            await pilot.press(key)
            ratios.append(app.editor.state.viewport.ratio)
            view = app.editor.state.viewport
            assert view.place(cursor) == place
            assert (view.screen_size, app.editor.state.cursor) == (canvas.room, cursor)
        assert ratios[-1] == "8:1"
        assert app.editor.state.viewport.grid == Size(1024, 1024)
        await pilot.press("minus")
        assert app.editor.state.viewport.ratio == "6:1"
        await pilot.press("2", "minus")
        assert app.editor.state.viewport.ratio == "3:1"
        await pilot.press("z")
        assert (app.editor.state.viewport.ratio, app.editor.state.viewport.grid) == ("", fit)
        assert app.editor.state.viewport.place(cursor) == place
        await pilot.press("minus")
        assert app.editor.state.viewport.ratio == ""
        assert app.editor.state.change_count == 0
        assert app.editor.context.drag.preview_size() == fit


async def test_zooming_in_and_out_shows_the_same_cells_again_and_requests_no_image(app: DragganApp) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot, rgb=noise)
        canvas = app.editor.query_one(Canvas)
        before = canvas.cells()
        assert before is not None
        await pilot.press("4", "plus", "4", "0", "l", "L", "end", "pagedown", "9", "plus", "z", *"HHHHHH", *"KKKKKK")
        await pilot.press("colon", *"63.5,63.5", "enter")
        after = canvas.cells()
        assert after is not None
        assert not after.differences(before).any()
        assert sum(isinstance(command, Render) for command in engine.sent) == 1


async def test_eight_to_one_moves_by_an_eighth_of_a_pixel_and_the_view_goes_along(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        state = app.editor.state
        await pilot.press("9", "9", "plus")
        assert state.cursor == (63.5, 63.5)
        await pilot.press("l")
        assert state.cursor == (63.5625, 63.5), "the first step goes to the middle of a screen pixel"
        await pilot.press("l")
        assert state.cursor == (63.6875, 63.5)
        origin, width = app.editor.state.viewport.origin, app.editor.state.viewport.window.width
        across = cursor_cell(app)[0]
        await pilot.press(*str(width - 6 - across), "l")
        assert app.editor.state.viewport.origin == origin
        assert cursor_cell(app)[0] == width - 6
        await pilot.press("l")
        assert app.editor.state.viewport.origin == (origin[0] + 1, origin[1])
        assert cursor_cell(app)[0] == width - 6
        await pilot.press("end", "pageup")
        assert app.editor.state.viewport.origin == (1024 - width, 0)
        assert cursor_cell(app) == (width - 1, 0)
        assert state.cursor == (127.4375, -0.4375)
        await pilot.press("home", "pagedown")
        assert (app.editor.state.viewport.origin[0], app.editor.state.viewport.window.bottom) == (0, 1024)


@pytest.mark.parametrize("size", [*SIZES, (30, 8), (33, 3)])
async def test_the_cursor_is_always_in_view(app: DragganApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        keys = ["5", "plus", "L", "4", "J", "minus", "end", "6", "plus", "pageup", "K", "2", "minus", "home"]
        for key in keys:
            await pilot.press(key)
            column, row = cursor_cell(app)
            window = app.editor.state.viewport.window
            assert 0 <= column < window.width and 0 <= row < window.height
        await pilot.resize_terminal(*size)
        await pilot.pause()
        column, row = cursor_cell(app)
        window = app.editor.state.viewport.window
        assert 0 <= column < window.width and 0 <= row < window.height
        assert app.editor.state.viewport.screen_size == app.editor.query_one(Canvas).room
        assert app.export_screenshot()


async def test_the_view_is_centred_on_a_selected_point_far_away(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("9", "9", "plus", "home", "pageup")
        assert app.editor.state.viewport.origin == (0, 0)
        await pilot.press("tab")
        view = app.editor.state.viewport
        assert cursor_cell(app) == (view.window.width // 2, view.window.height // 2)
        pair = app.editor.panels.overlay().pairs[0]
        assert pair.handle == cursor_cell(app), "the sign is where the cursor is"
        assert pair.target is not None
        assert pair.target[0] - pair.handle[0] == pytest.approx(8 * 3.5 * 128 / 42, abs=2)


async def test_placing_and_painting_at_eight_to_one(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        state = app.editor.state
        await pilot.press("9", "9", "plus", "l", "j", "enter")
        assert state.edit.pairs[0].handle == (63.5625, 63.5625)
        await pilot.press("space")
        assert state.edit.mask is not None
        assert np.argwhere(state.edit.mask.to_array()).tolist() == [[64, 64]], "one pixel of the image"
        shown = app.editor.panels.overlay().mask
        window = app.editor.state.viewport.window
        assert shown is not None
        assert shown.shape == (window.height, window.width)
        assert shown.sum() == 64
        await pilot.press("m", "1", "6", "l", "m")
        assert np.argwhere(state.edit.mask.to_array()).tolist() == [[64, 64], [64, 65], [64, 66]]
        assert len(state.history.lineage) - 1 == 3
        await pilot.press("z")
        assert app.editor.panels.overlay().mask.shape == (42, 42)  # type: ignore[union-attr]


async def test_a_preview_is_acknowledged_when_it_has_been_painted(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("d")
        for number in (1, 2):
            engine.say(DragPreview(image=ImageData(width=128, height=128, rgb=coordinate_image(128, 128).tobytes())))
            while sum(isinstance(command, PreviewShown) for command in engine.sent) < number:
                await pilot.pause()
            assert sum(isinstance(command, PreviewShown) for command in engine.sent) == number


async def test_zoom_and_pan_during_a_drag(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("4", "plus", "d")
        size = engine.last(StartDrag).preview_size
        assert (size.width, size.height) == (128, 128)
        engine.say(DragStarted(drag_number=1))
        progress = DragProgress(
            step=1, max_steps=300, loss=0.5, mean_distance=9.0, handles=((66.0, 63.0),), steps_per_second=4.0
        )
        engine.say(progress)
        engine.say(DragPreview(image=ImageData(width=128, height=128, rgb=coordinate_image(128, 128).tobytes())))
        await pilot.press("3", "plus", "5", "h", "J")
        engine.say(progress.model_copy(update={"step": 2, "handles": ((67.0, 63.0),)}))
        await pilot.pause()
        view, marks = app.editor.state.viewport, app.editor.panels.overlay().pairs
        assert view.ratio == "3:1"
        column, row = view.pixel((67.0, 63.0))
        assert marks[0].handle == (column - view.origin[0], row - view.origin[1])
        assert app.editor.state.is_dragging
        assert facts(app, 2) == "  zoom  3:1"


async def test_another_model_begins_with_the_whole_image(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await pilot.press("5", "plus")
        app.editor.state.start_loading("other")
        engine.say(ModelLoaded(spec="other", info=INFO.model_copy(update={"width": 64}), device="cpu"))
        await pilot.pause()
        rgb = bytes(64 * 128 * 3)
        engine.say(
            ImageRendered(request_id=engine.last(Render).request_id, image=ImageData(width=64, height=128, rgb=rgb))
        )
        await until(
            lambda: (app.editor.state.viewport.ratio, app.editor.state.viewport.image_size) == ("", Size(64, 128))
        )


async def test_nothing_zooms_before_the_model_is_loaded(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        for key in ("plus", "minus", "z", "colon"):
            await pilot.press(key)
            assert status(app) == "the model is still loading"
        assert app.screen is app.editor
        await ready(app, pilot)
        assert status(app) == ""  # it would no longer be true


# Wheel ------------------------------------------------------------------------------------------------


async def turn(pilot: Pilot[None], x: int, y: int, kind: type[events.MouseEvent] = events.MouseScrollUp) -> None:
    pilot.app.screen._forward_event(kind(None, x, y, 0, 0, 0, False, False, False, x, y))
    await pilot.pause()
    await pilot.pause()


async def test_the_wheel_zooms_about_the_pointer_and_keeps_the_cursor_in_view(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        state = app.editor.state
        for ratio in ("3:8", "1:2", "3:4", "1:1", "3:2", "2:1", "3:1", "4:1", "6:1", "8:1", "8:1"):
            (left, top), (column, row) = app.editor.state.viewport.corner, app.editor.state.viewport.origin
            under = app.editor.state.viewport.point((20 - left + column, 20 - top + row))
            await turn(pilot, 20, 10)
            view = app.editor.state.viewport
            assert view.ratio == ratio
            assert max(abs(place - 20) for place in view.place(under)) <= 1
            assert state.cursor is not None
            assert view.nearest_shown(state.cursor) == state.cursor, "it is in view"
        assert state.cursor != (63.5, 63.5)
        for _ in range(12):
            await turn(pilot, 20, 10, events.MouseScrollDown)
        assert (app.editor.state.viewport.ratio, state.change_count) == ("", 0)


# Typed places -----------------------------------------------------------------------------------------


async def test_the_cursor_moves_to_typed_coordinates(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        state = app.editor.state
        await pilot.press("9", "9", "plus", "colon", *"12.25,100", "enter")
        assert (app.screen, state.cursor) == (app.editor, (12.25, 100.0))
        assert facts(app, 0) == "cursor   12.2  100.0"
        assert cursor_cell(app) == (
            app.editor.state.viewport.window.width // 2,
            app.editor.state.viewport.window.height // 2,
        )
        await pilot.press("2", "colon", "plus", *"3 -2.5", "enter")
        assert (state.cursor, state.count) == ((15.25, 97.5), 0)
        await pilot.press("enter")
        assert state.edit.pairs[0].handle == (15.25, 97.5)


async def test_the_prompt_explains_bad_coordinates_and_escape_closes_it(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        before = app.editor.state.cursor
        await pilot.press("colon", *"3;4", "enter")
        assert isinstance(app.screen, GotoPrompt)
        problem = app.screen.query_one("#problem", Static)
        assert str(problem.render()) == "must be two numbers: x,y, or from here +3,-2"
        await pilot.press(*(["backspace"] * 2), *",999")
        assert str(problem.render()) == ""
        await pilot.press("enter")
        assert str(problem.render()) == "outside the image: x goes from 0 to 127, y from 0 to 127"
        assert app.screen.query_one(Input).value == "3,999"
        await pilot.press("escape")
        assert (app.screen, app.editor.state.cursor) == (app.editor, before)


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("1,2", (1, 2)),
        (" 12.5   30 ", (12.5, 30)),
        ("3. , .5", (3, 0.5)),
        ("+3,-2", (13, 18)),
        ("-2.5 7", (7.5, 7)),
        ("+0,+0", (10, 20)),
        ("63.5,-20.5", (63.5, -0.5)),
    ],
)
def test_coordinates_are_parsed_as_people_type_them(text: str, point: tuple[float, float]) -> None:
    assert parse_point(text, (10, 20), Size(64, 32)) == point


@pytest.mark.parametrize("text", ["", "7", "1,2,3", "a,b", "nan,1", "1e1,2", "1,,2", "--1,2", "1;2", "٣,٤", "1_0,2"])
def test_text_that_is_not_coordinates_is_refused(text: str) -> None:
    with pytest.raises(EditError, match="two numbers"):
        parse_point(text, (10, 20), Size(64, 32))


@pytest.mark.parametrize("text", ["64,0", "0,32", "-11,0", "0 +99"])
def test_coordinates_outside_the_image_are_refused(text: str) -> None:
    with pytest.raises(EditError, match="outside the image: x goes from 0 to 63, y from 0 to 31"):
        parse_point(text, (10, 20), Size(64, 32))


@given(st.floats(0, 63), st.floats(0, 31))
def test_any_point_of_the_image_can_be_typed(x: float, y: float) -> None:
    assert parse_point(f"{x:.6f},{y:.6f}", (0, 0), Size(64, 32)) == pytest.approx((x, y), abs=1e-6)


# Readout ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_the_panel_shows_cursor_colour_and_zoom(app: DragganApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        await ready(app, pilot, rgb=coordinate_image(128, 128))
        assert [facts(app, row) for row in (1, 2)] == ["colour     #3f3f07", "  zoom  whole image"]
        await pilot.press("9", "plus")
        assert [facts(app, row) for row in (1, 2)] == [
            "colour     #3f3f07",
            f"  zoom  {app.editor.state.viewport.ratio}",
        ]
        await pilot.press("colon", *"20,30", "enter")
        assert [facts(app, row) for row in (0, 1)] == ["cursor   20.0   30.0", "colour     #141e07"]


async def test_everything_is_visible_in_24_rows(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot, INFO.model_copy(update={"classes": 10}))
        await place_pair(pilot)
        await pilot.press("plus", "d")
        engine.say(DragStarted(drag_number=1))
        await pilot.pause()
        inspector = app.editor.query_one(Inspector)
        assert inspector.query_one("#pairs").region.height >= 3
        assert inspector.query_one("#drag").region.bottom <= inspector.region.bottom
        assert inspector.query_one("#pairs").region.y > inspector.query_one("#facts").region.bottom - 1
        assert not inspector.query_one(Loupe).region
        await until_screen_shows(app, "zoom")


# Loupe ------------------------------------------------------------------------------------------------


async def test_the_loupe_shows_the_selected_handle_where_there_is_room(app: DragganApp) -> None:
    async with app.run_test(size=(120, 50)) as pilot:
        engine = await ready(app, pilot, rgb=coordinate_image(94, 94))
        lens, title = app.editor.query_one("Inspector Loupe", Loupe), app.editor.query_one("#loupe-title", Static)
        assert not lens.region
        await pilot.press("colon", *"20.25,30", "enter", "enter")
        assert lens.size == (30, 8)
        assert str(title.render()) == "handle 1  20.25  30.00"
        middle = lens.render_line(4)
        await pilot.press("2", "0", "l")
        assert str(title.render()) == "handle 1  20.25  30.00", "it does not follow the cursor"
        assert lens.render_line(4) is not None and list(lens.render_line(4)) == list(middle)
        await pilot.press("enter", "tab")
        assert str(title.render()) == "handle 1  20.25  30.00"
        await pilot.press("d")
        engine.say(DragStarted(drag_number=1))
        engine.say(
            DragProgress(
                step=1, max_steps=9, loss=0.5, mean_distance=9.0, handles=((66.0, 63.0),), steps_per_second=4.0
            )
        )
        rgb = coordinate_image(94, 94)
        engine.say(DragPreview(image=ImageData(width=94, height=94, rgb=rgb.tobytes())))
        await pilot.pause()
        assert str(title.render()) == "handle 1  66.00  63.00", "where it is now"
        assert list(lens.render_line(4)) != list(middle)
        await pilot.resize_terminal(120, 24)
        await until(lambda: not lens.region)
        await pilot.resize_terminal(120, 50)
        await until(lambda: lens.region)


async def test_the_loupe_takes_the_themes_colours(app: DragganApp) -> None:
    async with app.run_test(size=(120, 50)) as pilot:
        await ready(app, pilot)
        await place_pair(pilot)
        lens = app.editor.query_one("Inspector Loupe", Loupe)
        for name in ("contrast", "paper"):
            theme = load_theme(name)
            app.register_theme(theme.to_textual())
            app.theme = name
            await pilot.pause()
            await pilot.pause()
            strip = lens.render_line(4)
            assert isinstance(strip, CellStrip)
            assert tuple(strip.cells.fg[0, 14].tolist()) == theme.canvas.cursor
        assert lens.depth == app.editor.query_one(Canvas).depth


def test_the_loupes_scale() -> None:
    room = Size(28, 16)
    assert loupe_view(Size(128, 128), Size(128, 128), (64, 64), room).scale == 4
    assert loupe_view(Size(128, 128), Size(92, 92), (64, 64), room).scale == 4
    coarse = loupe_view(Size(1024, 1024), Size(96, 96), (512, 512), room)
    assert coarse.scale == 0.75, "eight screen pixels to a pixel of the preview"
    assert loupe_view(Size(4, 2), Size(4, 2), (0, 0), room).window == (0, 0, 16, 8)
    assert loupe_view(Size(128, 128), Size(128, 128), (0, 127), room).origin == (0, 512 - 16)


@pytest.mark.parametrize("depth", ["truecolor", "256", "16"])
def test_the_loupe_pixel_by_pixel(depth: ColorDepth) -> None:
    rgb = coordinate_image(128, 128)
    cells = loupe(CloseUp(rgb, Size(128, 128), (64, 64), 1), 28, 8, CanvasStyle(depth, CanvasColors()))
    pixels = np.stack([cells.fg, cells.bg], axis=1).reshape(16, 28, 3)
    left, top = 4 * 64 + 1 - 14, 4 * 64 + 1 - 8
    cross = {(12, 8), (13, 8), (15, 8), (16, 8), (14, 6), (14, 7), (14, 9), (14, 10)}
    for row in range(16):
        for column in range(28):
            is_cross = (column, row) in cross
            if depth == "truecolor":
                shows_pixel = tuple(pixels[row, column].tolist()) == ((left + column) // 4, (top + row) // 4, 7)
                assert shows_pixel != is_cross
            else:
                assert (pixels[row, column] == palette_colors(depth)).all(axis=1).any() or is_cross


def test_the_loupe_without_colours() -> None:
    rgb = np.zeros((8, 8, 3), np.uint8)
    rgb[:, 4:] = 255
    cells = loupe(CloseUp(rgb, Size(8, 8), (3, 4), 1), 12, 3, CanvasStyle("none", CanvasColors()))
    assert ["".join(map(chr, row)) for row in cells.char] == ["         ███", "     [▄] ███", "         ███"]
    tiny = loupe(CloseUp(rgb[:2, :2], Size(2, 2), (0, 0), 1), 12, 6, CanvasStyle("none", CanvasColors()))
    shown = ["".join(map(chr, row)).rstrip() for row in tiny.char]
    assert len(shown) == 6 and shown[0] == "" and "[" in "".join(shown)


async def test_the_canvas_shows_the_view_of_the_state(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        rgb = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
        await ready(app, pilot, rgb=rgb)
        canvas = app.editor.query_one(Canvas)
        await pilot.press("6", "plus")
        viewport = app.editor.state.viewport
        assert viewport == Viewport(Size(128, 128), canvas.room, 2.0, viewport.origin)
        style = canvas.canvas_style(CanvasColors.from_variables(app.theme_variables))
        expected_cells = compose_view(sample_view(rgb, viewport), viewport, app.editor.panels.overlay(), style)
        cells = canvas.cells()
        assert cells is not None
        assert not cells.differences(expected_cells).any()
