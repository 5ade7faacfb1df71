"""The help, the settings and questions; every dialog fits a small terminal and closes."""

from __future__ import annotations

import pytest
from textual.content import Content
from textual.pilot import Pilot
from textual.widgets import Input, Static

from draggan_engine.core.model_info import ModelEntry
from draggan_engine.server.messages import ModelsListed
from draggan_tui.app import DragganApp
from draggan_tui.rendering.dialog_hints import dialog_hints
from draggan_tui.rendering.help_page import HelpTopic, help_page, matching_topics
from draggan_tui.screens.dialog import Dialog
from draggan_tui.screens.help_dialog import HelpDialog
from draggan_tui.screens.question import Question
from draggan_tui.screens.settings_dialog import SettingsDialog
from draggan_tui.widgets.dialog_box import DialogBox
from tests.support.editing import INFO, burst, editor, place_pair, ready, until
from tests.support.screens import screen_rows

pytestmark = pytest.mark.usefixtures("fake_engine")

HINTS = [("Enter", "applies"), ("Tab", "completes"), ("Esc", "closes")]
TOPICS = [
    HelpTopic("Move", (("← h", "left"), ("H shift+←", "8 to the left"))),
    HelpTopic("Mask (what may move)", (("m", "pen down or up"), ("i", "invert the mask"))),
    HelpTopic("Drag", (("d f5", "drag: start it"),)),
]


def text(app: DragganApp, selector: str) -> str:
    return str(app.screen.query_one(selector, Static).render())


def hints(app: DragganApp) -> str:
    """Return the text of the bottom border."""
    return Content.from_markup(app.screen.query_one(DialogBox).border_subtitle or "").plain


# Renderables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "says"),
    [
        (42, "Enter applies · Tab completes · Esc closes"),
        (41, "Enter applies · Esc closes"),
        (25, "Esc closes"),
        (3, "Esc closes"),
    ],
)
def test_hints_of_a_dialog_always_say_how_to_close_it(width: int, says: str) -> None:
    assert dialog_hints(HINTS, width).plain == says


def test_a_dialog_without_hints_has_no_text_in_its_border() -> None:
    assert dialog_hints([], 40).plain == ""


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("", ["← h", "H shift+←", "m", "i", "d f5"]),
        ("d", ["d f5"]),
        ("h", ["← h"]),
        ("H", ["H shift+←"]),
        ("f5", ["d f5"]),
        ("mask", ["m", "i"]),
        ("INV ma", ["i"]),
        ("left", ["← h", "H shift+←"]),
        ("eft", []),
        ("may", ["m", "i"]),
    ],
)
def test_help_is_filtered_by_key_or_by_word(typed: str, keys: list[str]) -> None:
    assert [row[0] for topic in matching_topics(TOPICS, typed) for row in topic.rows] == keys


def test_help_in_one_column_wraps_descriptions() -> None:
    assert help_page(TOPICS, 24).plain.splitlines() == [
        "Move",
        "← h       left",
        "H         8 to the left",
        "shift+←   ",
        "",
        "Mask (what may move)",
        "m         pen down or up",
        "i         invert the",
        "          mask",
        "",
        "Drag",
        "d f5      drag: start it",
    ]


def test_help_in_two_columns_of_about_the_same_height() -> None:
    lines = help_page(TOPICS, 103).plain.splitlines()
    assert [(line[:53].rstrip(), line[53:]) for line in lines] == [
        ("Move", "Mask (what may move)"),
        ("← h        left", "m          pen down or up"),
        ("H shift+←  8 to the left", "i          invert the mask"),
        ("", ""),
        ("", "Drag"),
        ("", "d f5       drag: start it"),
    ]


def test_a_filter_that_nothing_matches_says_so() -> None:
    assert help_page([], 40).plain == "nothing matches"


async def test_the_settings_have_no_columns_for_default_and_range_in_a_narrow_terminal(app: DragganApp) -> None:
    async with app.run_test(size=(60, 18)) as pilot:
        await ready(app, pilot)
        await pilot.press("comma", "down", "down")
        for cell in app.screen.query(".range, .default"):
            assert not cell.region
        assert text(app, "#description").startswith("default 0.002 (Ctrl-R), above 0 to 10\n")


# Help -------------------------------------------------------------------------------------------------


async def test_the_two_columns_of_the_help_fit_beside_its_scroll_bar(app: DragganApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(app, pilot)
        await pilot.press("question_mark")
        page = app.screen.query_one("#page")
        await until(lambda: page.size.height > 40)
        box = app.screen.query_one(DialogBox)
        assert box.show_vertical_scrollbar
        lines = text(app, "#page").splitlines()
        assert "Drag" in lines[0].split(), "there are two columns"
        assert max(map(len, lines)) <= page.size.width == box.scrollable_content_region.width
        assert len(lines) == page.size.height, "no line is wrapped"


async def test_help_scrolls_filters_and_closes() -> None:
    app = editor(keymap={"undo": "f9"})
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        box = app.screen.query_one(DialogBox)
        assert (box.border_title, hints(app)) == ("Help", "/ filters · j k PgDn PgUp scroll · Esc closes")
        await pilot.press("j", "j", "k")
        assert box.scroll_offset.y == 1
        await pilot.press("pagedown")
        await until(lambda: box.scroll_offset.y > 10)
        burst(app, "slash", *"unq")
        await until(lambda: app.screen.query_one(Input).value == "unq")
        await until(lambda: text(app, "#page") == "nothing matches")
        await pilot.press("backspace", "d", "o")
        assert text(app, "#page").splitlines()[:2] == ["History", "F9  undo"]
        await pilot.press("enter", "q")
        assert app.screen is app.editor


async def test_the_app_can_close_while_a_dialog_opens() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        app.push_screen(HelpDialog())


# Settings ---------------------------------------------------------------------------------------------


async def opened_settings(app: DragganApp, pilot: Pilot[None]) -> SettingsDialog:
    await ready(app, pilot)
    await pilot.press("comma")
    await until(lambda: isinstance(app.screen, SettingsDialog) and app.screen.is_mounted)
    return app.screen


async def test_settings_show_value_default_and_range_in_columns() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened_settings(app, pilot)
        rows = [line[6:74].rstrip() for line in screen_rows(app)]
        for row in (
            "               value          default       range",
            " truncation ψ  0.7            0.7           -2 to 2",
            "       method  draggan        draggan       least-squares, draggan,…",
            "    step size  0.002          0.002         above 0 to 10",
            "feature block  b8             b8            b4, b8, b16",
            "stop distance                 –             above 0 to 64, or empty",
        ):
            assert row in rows


async def test_settings_at_40_columns_show_default_and_range_of_the_field_in_use() -> None:
    app = editor()
    async with app.run_test(size=(40, 12)) as pilot:
        await opened_settings(app, pilot)
        await pilot.press("down", "down")
        assert text(app, "#description").splitlines()[0] == "default 0.002 (Ctrl-R), above 0 to 10"
        await pilot.press(*["down"] * 7, "9", "9", "enter")
        await pilot.pause()
        await pilot.pause()
        lines = screen_rows(app)
        assert any("stop distance  99" in line for line in lines), lines
        assert any("at most 64, or empty" in line for line in lines), lines


async def test_settings_that_the_method_does_not_use_say_so() -> None:
    app = editor()
    async with app.run_test(size=(80, 40)) as pilot:
        screen = await opened_settings(app, pilot)
        rows = {name: screen.query_one(f"#{name}").parent for name in ("step_size", "stay", "max_steps")}
        assert [name for name, row in rows.items() if row is not None and row.has_class("-unused")] == ["stay"]
        await pilot.press(*"least-squares")
        assert [name for name, row in rows.items() if row is not None and row.has_class("-unused")] == ["step_size"]
        await pilot.press("down", "down")
        assert text(app, "#description").endswith("(not used by least-squares)")
        await pilot.press("up", "up", "backspace")
        assert not any(row.has_class("-unused") for row in rows.values() if row is not None)


async def test_settings_are_reset_one_or_all() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened_settings(app, pilot)
        await pilot.press("down", "down", "1", "down", "2", "down", "3", "enter")
        await until(lambda: app.editor.state.edit.settings.r1 == 3)
        await pilot.press("comma", "down", "down", "5", "ctrl+r", "enter")
        await pilot.pause()
        settings = app.editor.state.edit.settings
        assert (settings.step_size, settings.mask_weight) == (INFO.settings.step_size, 2)
        await pilot.press("comma", "down", "down", "5", "ctrl+t", "enter")
        await until(lambda: app.editor.state.edit.settings == INFO.settings)
        assert screen is not app.screen


async def test_the_message_about_a_wrong_value_stays_until_the_value_changes() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened_settings(app, pilot)
        await pilot.press("down", "down", "x", "down", "enter")
        assert text(app, "#problem") == "step size: must be a number above 0 and at most 10"
        assert app.focused is screen.query_one("#step_size")
        await pilot.press("backspace", "1")
        await until(lambda: text(app, "#problem") == "")
        await pilot.press("enter")
        assert app.screen is app.editor


# All of them ------------------------------------------------------------------------------------------


async def test_a_question_takes_the_keys_that_it_shows_and_escape() -> None:
    app = editor()
    answers = {"y": ("go", "go on with it"), "n": ("new", "begin a new one")}
    results: list[str | None] = []
    async with app.run_test(size=(40, 12)) as pilot:
        await ready(app, pilot)
        for key in ("y", "n", "escape"):
            await app.push_screen(Question("A session was not closed.", answers), results.append)
            await pilot.pause()
            shown = "\n".join(screen_rows(app))
            assert all(words in shown for words in ("y  go on with it", "n  begin a new one", "Esc closes"))
            await pilot.press(key)
        assert results == ["go", "new", ""]


async def test_the_hint_for_escape_is_shown_once() -> None:
    app = editor()
    answers = {"r": ("restart", "restart it"), "escape": ("", "go on without")}
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await app.push_screen(Question("The engine has ended.", answers))
        await pilot.pause()
        shown = "\n".join(screen_rows(app))
        assert "  r  restart it" in shown and "Esc  go on without" in shown
        assert hints(app) == ""


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48)])
async def test_every_dialog_fits_the_terminal_has_a_title_and_closes_with_escape(size: tuple[int, int]) -> None:
    app = editor()
    async with app.run_test(size=size) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        await pilot.press("space")
        for key in ("question_mark", "semicolon", "comma", "E", "M", "B", "colon", "f", "F"):
            await pilot.press(key)
            engine.say(ModelsListed(models=(ModelEntry(name="cars", origin="own", path="/m/cars.pkl", bytes=9),)))
            await pilot.pause()
            assert isinstance(app.screen, Dialog), key
            box = app.screen.query_one(DialogBox)
            assert app.screen.region.contains_region(box.region), key
            assert box.border_title and hints(app).endswith("Esc closes"), key
            await pilot.press("escape")
            assert app.screen is app.editor, key


@pytest.mark.parametrize("key", ["question_mark", "semicolon", "comma", "E", "M", "B", "colon", "f"])
async def test_ctrl_c_closes_a_dialog_even_where_text_is_selected(key: str) -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press(key, "ctrl+c")
        await pilot.pause()
        assert app.screen is app.editor
