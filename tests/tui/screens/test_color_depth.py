"""Widgets, image and theme are drawn in as many colours as the terminal reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rich.color import ColorType
from textual.pilot import Pilot

from draggan_tui.app import DragganApp
from draggan_tui.config.themes import load_theme
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.terminal.answer_parser import TerminalAnswered
from draggan_tui.terminal.color_depth import ColorGuess
from draggan_tui.terminal.textual_internals import set_color_depth
from draggan_tui.widgets.canvas import Canvas
from draggan_tui.widgets.cell_widget import CellWidget
from draggan_tui.widgets.loupe import Loupe
from draggan_tui.widgets.status_line import StatusLine
from tests.support.editing import editor, ready, status, until

FEW = "16 colours, as far as the terminal says; --color 256 or truecolor for more"

pytestmark = pytest.mark.usefixtures("fake_engine")


def on_terminal(depth: ColorDepth, worth_asking: bool = True, chosen_by_user: bool = False) -> DragganApp:
    """Return an editor in a terminal that seems to have this many colours, or whose user has chosen them."""
    app = editor()
    app.options = replace(app.options, color_guess=None if chosen_by_user else ColorGuess(depth, worth_asking))
    set_color_depth(app.console, depth)
    app.no_color = False
    return app


def kinds_of_color(app: DragganApp) -> set[ColorType]:
    """Return the kinds of the status line's colours: RGB, or numbers of 256 or 16 colours."""
    segments = app.editor.query_one(StatusLine).render_lines(app.editor.query_one(StatusLine).size.region)[0]
    styles = [segment.style for segment in segments if segment.style is not None]
    return {color.type for style in styles for color in (style.color, style.bgcolor) if color is not None}


async def answer(app: DragganApp, pilot: Pilot[None], truecolor: bool) -> None:
    app.post_message(TerminalAnswered(truecolor))
    await pilot.pause()
    await pilot.pause()


async def test_each_answer_changes_the_colours_of_widgets_images_and_theme() -> None:
    app = on_terminal("256")
    async with app.run_test(size=(160, 48)) as pilot:
        await ready(app, pilot)
        plain, numbered = load_theme("dark"), load_theme("dark").in_256_colors()
        assert kinds_of_color(app) == {ColorType.EIGHT_BIT}
        for truecolor, depth, theme in (
            (True, "truecolor", plain),
            (False, "256", numbered),
            (True, "truecolor", plain),
        ):
            await answer(app, pilot, truecolor)
            assert app.console.color_system == depth
            assert {app.editor.query_one(kind).depth for kind in (Canvas, Loupe)} == {depth}
            assert app.theme_variables["primary"].lower() == theme.primary
            assert kinds_of_color(app) == {ColorType.TRUECOLOR if truecolor else ColorType.EIGHT_BIT}
        assert status(app) != FEW


async def test_another_theme_is_shown_in_as_many_colours() -> None:
    app = on_terminal("256")
    async with app.run_test() as pilot:
        await ready(app, pilot)
        app.editor.action_theme("paper")
        await until(lambda: app.theme_variables["background"].lower() == load_theme("paper").in_256_colors().background)
        await answer(app, pilot, truecolor=True)
        assert app.theme_variables["background"].lower() == load_theme("paper").background


@pytest.mark.parametrize(
    ("app", "mentioned"),
    [
        (lambda: on_terminal("16", worth_asking=False), True),
        (lambda: on_terminal("256", worth_asking=False), False),
        (lambda: on_terminal("16", chosen_by_user=True), False),
    ],
    ids=["guessed", "enough", "told"],
)
async def test_a_message_mentions_few_colours_unless_the_user_chose_them(app: object, mentioned: bool) -> None:
    app = app()  # type: ignore[operator]
    assert isinstance(app, DragganApp)
    async with app.run_test() as pilot:
        await ready(app, pilot)
        assert (status(app) == FEW) == mentioned
        assert kinds_of_color(app) <= {ColorType.EIGHT_BIT, ColorType.STANDARD}


async def test_a_late_answer_removes_the_message_about_few_colours() -> None:
    app = on_terminal("16", worth_asking=False)
    async with app.run_test() as pilot:
        await ready(app, pilot)
        assert status(app) == FEW
        await answer(app, pilot, truecolor=True)
        assert status(app) != FEW


async def test_an_answer_does_not_override_the_users_choice() -> None:
    app = on_terminal("256", chosen_by_user=True)
    async with app.run_test() as pilot:
        await ready(app, pilot)
        await answer(app, pilot, truecolor=True)
        assert app.console.color_system == "256"


async def test_a_key_makes_the_parts_of_cells_finer_and_then_half_cells_again() -> None:
    app = on_terminal("truecolor", worth_asking=False)
    async with app.run_test(size=(160, 48)) as pilot:
        await ready(app, pilot)
        canvas = app.editor.query_one(Canvas)
        half_cells = canvas.cells()
        assert half_cells is not None
        reports = []
        for shape in ("quadrant", "sextant", "octant", "half"):
            await pilot.press("Z")
            assert {widget.shape for widget in app.editor.query(CellWidget)} == {shape}
            reports.append(status(app))
            cells = canvas.cells()
            assert cells is not None
            assert np.array_equal(cells.char, half_cells.char) == (shape == "half")
        assert reports == [
            "cells: quadrant, 2×2 parts", "cells: sextant, 2×3 parts", "cells: octant, 2×4 parts", "cells: half, 1×2 parts",
        ]  # fmt: skip
        assert not cells.differences(half_cells).any()


async def test_the_key_for_finer_cells_says_that_few_colours_have_halves_only() -> None:
    app = on_terminal("256", worth_asking=False)
    async with app.run_test() as pilot:
        await ready(app, pilot)
        half_cells = app.editor.query_one(Canvas).cells()
        await pilot.press("Z", "Z")
        assert status(app) == "cells: sextant, 2×3 parts; halves with fewer colours than truecolor"
        cells = app.editor.query_one(Canvas).cells()
        assert cells is not None and half_cells is not None and not cells.differences(half_cells).any()
        await answer(app, pilot, truecolor=True)
        cells = app.editor.query_one(Canvas).cells()
        assert cells is not None and cells.differences(half_cells).any()
