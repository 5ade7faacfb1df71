"""Which parts are on the screen at each size, and what the keys `p` and `P` hide."""

from __future__ import annotations

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from draggan_engine.server.image_data import ImageData
from draggan_engine.server.messages import (
    DragPreview,
    DragProgress,
    DragStarted,
    ImageRendered,
    Render,
)
from draggan_tui.app import DragganApp
from draggan_tui.widgets.before_image import BeforeImage
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.inspector import Inspector
from draggan_tui.widgets.key_line import KeyLine
from draggan_tui.widgets.loupe import Loupe
from draggan_tui.widgets.status_line import StatusLine
from draggan_tui.widgets.timeline import Timeline
from draggan_tui.widgets.wide_panel import NO_DRAG, NO_HANDLE, WidePanel, wide_panel_width
from tests.support.editing import ended, place_pair, ready, status, until

PARTS = {
    "canvas": Canvas, "brief": "#brief", "timeline": Timeline, "wide panel": WidePanel, "side panel": Inspector,
    "status": StatusLine, "keys": KeyLine, "sentence": "#too-small",
}  # fmt: skip
ALWAYS = {"canvas", "timeline", "status", "keys"}


def parts(app: DragganApp) -> set[str]:
    """Return the names of the parts that are on the screen."""
    return {name for name, selector in PARTS.items() if app.editor.query_one(selector).region.area}  # type: ignore[call-overload]


async def resize(pilot: Pilot[None], columns: int, rows: int) -> None:
    await pilot.resize_terminal(columns, rows)
    await pilot.pause()
    await pilot.pause()


async def test_the_status_line_shows_a_drags_progress_if_there_is_no_side_panel(app: DragganApp) -> None:
    async with app.run_test(size=(59, 20)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("d")
        engine.say(DragStarted(drag_number=1))
        engine.say(
            DragProgress(step=1, max_steps=300, loss=0.5, mean_distance=9, handles=((66.0, 63.0),), steps_per_second=4)
        )
        engine.say(DragPreview(image=ImageData(width=1, height=1, rgb=bytes(3))))
        await pilot.pause()
        line = app.editor.query_one(StatusLine)
        assert (line.message, line.next_step) == ("", "1/300  9.0 px to go  – left")
        engine.say(ended(app))
        await pilot.pause()
        assert line.next_step == ""


SIZES = [
    (29, 24, {"sentence"}),
    (80, 9, {"sentence"}),
    (30, 10, ALWAYS),
    (40, 12, ALWAYS),
    (40, 24, ALWAYS | {"brief"}),
    (59, 20, ALWAYS | {"brief"}),
    (60, 20, ALWAYS | {"side panel"}),
    (80, 24, ALWAYS | {"side panel"}),
    (120, 40, ALWAYS | {"side panel"}),
    (159, 48, ALWAYS | {"side panel"}),
    (160, 48, ALWAYS | {"side panel", "wide panel"}),
    (200, 60, ALWAYS | {"side panel", "wide panel"}),
]


@pytest.mark.parametrize(("columns", "rows", "expected"), SIZES)
async def test_the_parts_that_are_shown_at_each_size(
    app: DragganApp, columns: int, rows: int, expected: set[str]
) -> None:
    async with app.run_test(size=(columns, rows)) as pilot:
        await ready(app, pilot)
        await pilot.pause()
        assert parts(app) == expected


async def test_a_resized_screen_looks_like_one_that_started_at_that_size(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await place_pair(pilot)
        for columns, rows, expected in (*SIZES, *reversed(SIZES), SIZES[0], SIZES[-1], SIZES[4]):
            await resize(pilot, columns, rows)
            assert parts(app) == expected, (columns, rows)
            if "canvas" in expected:
                assert app.editor.state.viewport.screen_size == app.editor.query_one(Canvas).room


async def test_a_terminal_that_is_too_small_says_what_is_needed_and_can_be_left(app: DragganApp) -> None:
    async with app.run_test(size=(29, 9)) as pilot:
        await ready(app, pilot)
        assert "at least 30×10" in str(app.editor.query_one("#too-small", Static).render())
        await pilot.press("q")
        await until(lambda: not app.is_running)
    assert app.return_code == 0


async def test_p_hides_the_panels_and_brings_them_back(app: DragganApp) -> None:
    async with app.run_test(size=(160, 48)) as pilot:
        await ready(app, pilot)
        width = app.editor.query_one(Canvas).size.width
        await pilot.press("p")
        await until(lambda: parts(app) == ALWAYS)
        assert app.editor.query_one(Canvas).size.width == 160
        await pilot.press("p")
        await until(lambda: parts(app) == ALWAYS | {"side panel", "wide panel"})
        assert app.editor.query_one(Canvas).size.width == width


async def test_p_reports_that_there_is_no_room_for_panels(app: DragganApp) -> None:
    async with app.run_test(size=(50, 20)) as pilot:
        await ready(app, pilot)
        await pilot.press("p")
        assert status(app) == "the side panel needs a terminal of at least 60 columns"
        await resize(pilot, 80, 24)
        assert "side panel" in parts(app), "the panels were not hidden"


async def test_shift_p_leaves_only_the_image_and_messages(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("P")
        await until(lambda: parts(app) == {"canvas", "status"})
        assert status(app) == "only the image is shown: P shows the rest again"
        await pilot.press("l")
        await until(lambda: parts(app) == {"canvas"})
        assert app.editor.query_one(Canvas).size == (80, 24)
        await pilot.press("x")
        await pilot.pause()
        assert parts(app) == {"canvas", "status"}
        assert status(app) == "there is no pair: Enter places a handle"
        assert app.editor.query_one(StatusLine).region.bottom == 24
        await pilot.press("l")
        await pilot.pause()
        assert parts(app) == {"canvas"}
        await pilot.press("P")
        await pilot.pause()
        assert parts(app) == ALWAYS | {"side panel"}


# Wide -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "image_columns", "width"), [(160, 90, 38), (160, 120, 34), (200, 114, 54), (300, 114, 62)]
)
def test_the_wide_panel_takes_the_columns_that_the_image_leaves(columns: int, image_columns: int, width: int) -> None:
    assert wide_panel_width(columns, image_columns, 32) == width


@pytest.mark.usefixtures("truecolor_terminal")
async def test_the_wide_panel_shows_the_image_before_and_the_handle(app: DragganApp) -> None:
    async with app.run_test(size=(160, 48)) as pilot:
        engine = await ready(app, pilot, rgb=np.full((128, 128, 3), 50, np.uint8))
        panel = app.editor.query_one(WidePanel)
        titles = [str(title.render()) for title in panel.query(".title").results(Static)]
        assert titles == [NO_DRAG, NO_HANDLE]
        await place_pair(pilot)
        await pilot.pause()
        loupe, before_image = panel.query_one(Loupe), panel.query_one(BeforeImage)
        assert loupe.size.height > 20 and not before_image.region
        assert not app.editor.query_one("Inspector Loupe").region, "not twice"
        await pilot.press("d")
        engine.say(ended(app))
        await pilot.pause()
        request = engine.last(Render).request_id
        rgb = np.full((128, 128, 3), 200, np.uint8)
        engine.say(ImageRendered(request_id=request, image=ImageData(width=128, height=128, rgb=rgb.tobytes())))
        await pilot.pause()
        await pilot.pause()
        titles = [str(title.render()) for title in panel.query(".title").results(Static)]
        assert titles[0] == "before" and titles[1].startswith("handle 1  ")
        cells = before_image.cells()
        assert cells is not None and (cells.fg == 50).all(), "the image that the drag started from"
        assert before_image.size.height == before_image.size.width // 2, "not higher than the image"
        await pilot.press("u")
        await pilot.pause()
        assert not before_image.region, "there is no other image than the present one"


# Messages ---------------------------------------------------------------------------------------------


async def test_a_message_stays_until_the_next_command(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("x")
        message = status(app)
        assert message.startswith("there is no pair")
        await pilot.press("f12", "W")
        assert status(app) == message, "these keys do nothing"
        await pilot.press("l")
        assert status(app) == ""
        await pilot.press("x")
        await pilot.click(Canvas, offset=(20, 10))
        assert status(app) == "", "the mouse gives commands too"
        await pilot.press("x")
        await pilot.press("4")
        assert (status(app), app.editor.query_one(StatusLine).mode) == ("", "4")
