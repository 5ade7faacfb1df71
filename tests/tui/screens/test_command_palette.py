"""The command palette: every action with its key, found by typing, and the themes."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from draggan_engine.server.messages import StartDrag
from draggan_tui.app import DragganApp
from draggan_tui.config import themes
from draggan_tui.config.themes import load_theme
from draggan_tui.keymap import KEY_GROUPS
from draggan_tui.screens.command_palette import (
    FIRST_COMMANDS,
    KEYS_GAP,
    CommandPalette,
    PaletteCommand,
    search_commands,
)
from draggan_tui.screens.help_dialog import HelpDialog
from draggan_tui.screens.settings_dialog import SettingsDialog
from draggan_tui.widgets.canvas import Canvas
from tests.support.editing import burst, editor, place_pair, ready, status, until
from tests.support.screens import screen_strips
from tests.tui.config.test_themes import contrast

pytestmark = pytest.mark.usefixtures("fake_engine")


async def opened(app: DragganApp, pilot: Pilot[None], *typed: str) -> list[tuple[str, str]]:
    """Return keys and text of each listed command."""
    await pilot.press("ctrl+p", *typed)
    assert isinstance(app.screen, CommandPalette)
    lines = [str(option.prompt) for option in app.screen.query_one(OptionList).options]
    width = keys_width(app)
    return [(line[:width].strip(), line[width:]) for line in lines]


def keys_width(app: DragganApp) -> int:
    """Return the column in which the names of commands begin."""
    assert isinstance(app.screen, CommandPalette)
    return max(len(command.keys) for command in app.screen.all_commands) + KEYS_GAP


def command_colors(app: DragganApp, name: str) -> tuple[str, str]:
    """Return the colours of a listed command's key and of its background."""
    (row,) = (row for row in screen_strips(app) if f"{name}  Image" in row.text)
    start = row.text.index(name) - keys_width(app)
    (segment,) = row.crop(start, start + 1)
    style = segment.style
    assert style and style.color and style.color.triplet and style.bgcolor and style.bgcolor.triplet
    return style.color.triplet.hex, style.bgcolor.triplet.hex


async def test_every_action_is_listed_with_its_key_useful_ones_first_and_moves_last() -> None:
    app = editor(keymap={"drag": "f4,f5"})
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        listed = await opened(app, pilot)
        named = [binding for bindings in KEY_GROUPS.values() for binding in bindings]
        does = [name.split("  ")[0] for _, name in listed]
        assert sorted(does) == sorted(
            [*(binding.help for binding in named), *(f"theme {name}" for name in themes.theme_names())]
        )
        ids = {binding.help: binding.id for binding in named}
        assert [ids[text] for text in does[: len(FIRST_COMMANDS)]] == list(FIRST_COMMANDS)
        assert does[-len(KEY_GROUPS["Move"]) :] == [binding.help for binding in KEY_GROUPS["Move"]]
        keys = {name.split("  ")[0]: key for key, name in listed}
        assert (keys["undo"], keys["drag: start it, or stop it"], keys["larger brush"], keys["left"]) == (
            "u",
            "F4 F5",
            "]",
            "← h",
        )
        assert all(keys[binding.help] for binding in named)


async def test_enter_runs_the_command_and_escape_does_nothing() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await place_pair(pilot)
        (keys, name), *_ = await opened(app, pilot, *"und")
        assert (keys, name.split("  ")[0]) == ("u", "undo")
        await pilot.press("escape")
        assert app.screen is app.editor
        assert app.editor.state.edit.pairs[0].target is not None
        await pilot.press("semicolon", *"undo", "enter")
        await until(lambda: app.editor.state.edit.pairs[0].target is None)
        await pilot.press("semicolon", *"redo", "enter")
        await pilot.pause()
        await pilot.press("semicolon", *"drag", "enter")
        await until(lambda: isinstance(engine.sent[-1], StartDrag))


async def test_commands_are_chosen_by_arrows_and_by_mouse() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        seeds = [name.split("  ")[0] for _, name in await opened(app, pilot, *"seed")]
        assert seeds[:2] == ["next seed", "previous seed"]
        await pilot.press("down", "up", "down", "enter")
        await until(lambda: app.editor.state.edit.source.seed == 4)
        await opened(app, pilot, *"next seed".replace(" ", ""), *["backspace"] * 4)
        await pilot.click(OptionList, offset=(5, 0))
        await until(lambda: app.screen is app.editor)


async def test_compare_finds_every_way_to_compare() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        assert {key for key, _ in await opened(app, pilot, *"compare")} == {"o", "|", "%", "B"}


async def test_a_count_applies_to_the_chosen_command() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await pilot.press("1", "2", "ctrl+p", *"next", "space", *"seed", "enter")
        await until(lambda: app.editor.state.edit.source.seed == 17)


async def test_commands_match_by_words_of_name_and_topic_and_enter_without_a_match_does_nothing() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        assert await opened(app, pilot, *"mask", "space", *"inv") == [("i", "invert the mask  Mask")]
        await pilot.press("enter")
        await pilot.pause()
        assert "no mask to invert" in status(app)
        assert await opened(app, pilot, *"zzz") == []
        await pilot.press("enter", "down", "enter")
        await pilot.pause()
        assert isinstance(app.screen, CommandPalette)
        await pilot.press(*["backspace"] * 3, *"help", "enter")
        await until(lambda: isinstance(app.screen, HelpDialog) and app.screen.is_mounted)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", ["undo", "next pair", "invert", "a pair's end", "save the mask", "save: all of it"]),
        ("  ", ["undo", "next pair", "invert", "a pair's end", "save the mask", "save: all of it"]),
        ("UND", ["undo"]),
        ("save", ["save: all of it", "save the mask"]),
        ("save t", ["save the mask", "save: all of it"]),
        ("pair", ["next pair", "a pair's end"]),
        ("a pair", ["a pair's end", "next pair"]),
        ("pair a", ["a pair's end", "next pair"]),
        ("mask", ["save the mask", "invert"]),
        ("inv mask", ["invert"]),
        ("e", ["a pair's end", "undo", "next pair", "invert", "save the mask", "save: all of it"]),
        ("mask undo", []),
    ],
)
def test_the_best_match_comes_first(typed: str, expected: list[str]) -> None:
    names = {
        "undo": "Session",
        "next pair": "Points",
        "invert": "Mask",
        "a pair's end": "Points",
        "save the mask": "Mask",
        "save: all of it": "Session",
    }
    among = [PaletteCommand(topic, name, "", "") for name, topic in names.items()]
    assert [command.name for command in search_commands(typed, among)] == expected


async def test_a_command_typed_ahead() -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        for seed in range(6, 26):
            # What comes after Enter changes nothing.
            burst(app, "semicolon", *"next", "space", *"seed", "enter", *"bc")
            await until(lambda seed=seed: app.editor.state.edit.source.seed == seed)
            await pilot.pause()
            assert app.screen is app.editor
        assert app.editor.state.edit.pairs == ()
        burst(app, "3", "ctrl+p", *"settings", "enter")
        await until(lambda: isinstance(app.screen, SettingsDialog) and app.screen.is_mounted)


@pytest.mark.parametrize("name", ["moss", "paper"])
async def test_a_chosen_theme_is_used_at_once(name: str) -> None:
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await opened(app, pilot, *f"{name}")
        await pilot.press("enter")
        await until(lambda: app.current_theme.primary == load_theme(name).primary)
        assert app.editor.query_one(Canvas).styles.background.rgb == load_theme(name).canvas.letterbox
        assert status(app).startswith(f"theme {name} for this session")


async def test_a_users_theme_is_used_even_if_it_has_the_name_of_the_present_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    themes_directory = tmp_path / "draggan-tui" / "themes"
    themes_directory.mkdir(parents=True)
    text = (Path(themes.__file__).parents[2] / "themes" / "dark.toml").read_text(encoding="utf-8")
    primary = load_theme("dark").primary
    (themes_directory / "mine.toml").write_text(text.replace(primary, "#123456"), encoding="utf-8")
    (themes_directory / "broken.toml").write_text("name = 1", encoding="utf-8")
    app = editor()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        assert app.current_theme.primary == primary
        await app.editor.run_action("theme('mine')")
        await until(lambda: app.theme_variables["primary"] == "#123456")
        await app.editor.run_action("theme('broken')")
        await until(lambda: "broken.toml: " in status(app))
        assert app.theme_variables["primary"] == "#123456"


@pytest.mark.parametrize(("name", "no_color"), [*((name, "") for name in themes.bundled_theme_names()), ("dark", "1")])
async def test_the_palette_is_legible_in_every_theme_and_without_colours(
    name: str, no_color: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    app = editor(name)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app, pilot)
        await opened(app, pilot, *"seed")
        marked, plain = command_colors(app, "next seed"), command_colors(app, "previous seed")
        assert contrast(*marked) >= 4.5 and contrast(*plain) >= 4.5
        assert contrast(marked[1], plain[1]) > 1.15  # which one Enter runs
