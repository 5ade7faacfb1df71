from __future__ import annotations

import subprocess
import sys
from math import dist
from pathlib import Path

import pytest
from textual.app import App

from draggan_engine.core.errors import ThemeError
from draggan_tui.config.themes import CanvasColors, PaletteNumbers, bundled_theme_names, load_theme, theme_names
from draggan_tui.terminal.xterm_palette import chroma, oklab, xterm_colors

VALID_THEME = """
name = "mine"
dark = true
primary = "#111111"
secondary = "#222222"
accent = "#333333"
foreground = "#444"
background = "#555555"
surface = "#666666"
panel = "#777777"
warning = "#888888"
error = "#999999"
success = "#aaaaaa"
[canvas]
handle = "#f0f"
"""


def write_theme(directory: Path, text: str) -> str:
    path = directory / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def luminance(color: str) -> float:
    parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of WCAG, 1 … 21."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture
def user_themes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of the user's themes, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    directory = tmp_path / "draggan-tui" / "themes"
    directory.mkdir(parents=True)
    return directory


def test_the_bundled_themes() -> None:
    assert bundled_theme_names() == ["contrast", "dark", "dusk", "light", "moss", "paper"]
    assert [load_theme(name).name for name in bundled_theme_names()] == bundled_theme_names()
    assert [name for name in bundled_theme_names() if not load_theme(name).dark] == ["light", "paper"]


@pytest.mark.parametrize("name", bundled_theme_names())
def test_text_is_readable(name: str) -> None:
    theme = load_theme(name)
    for background in (theme.background, theme.surface):
        assert contrast(theme.foreground, background) >= 7
        for color in (theme.primary, theme.accent, theme.warning, theme.error, theme.success):
            assert contrast(color, background) >= 4.5
    assert contrast(theme.foreground, theme.panel) >= 7


@pytest.mark.parametrize("name", bundled_theme_names())
def test_in_256_colours_text_is_readable_and_backgrounds_keep_their_hue(name: str) -> None:
    exact_theme, theme = load_theme(name), load_theme(name).in_256_colors()
    numbered = {"#{:02x}{:02x}{:02x}".format(*color) for color in xterm_colors()[16:]}
    for key in PaletteNumbers.model_fields:
        if key != "canvas":
            assert getattr(theme, key) in numbered, key
    assert set(theme.canvas.to_variables().values()) <= numbered
    for background in (theme.background, theme.surface, theme.panel):
        assert contrast(theme.foreground, background) >= 7
        for color in (theme.primary, theme.accent, theme.warning, theme.error, theme.success):
            assert contrast(color, background) >= 3.7, (color, background)
    for key in ("background", "surface", "panel"):
        approximate, exact = (oklab(to_rgb(getattr(each, key))) for each in (theme, exact_theme))
        assert dist(approximate, exact) < 0.08, key
        assert chroma(approximate) < chroma(exact) + 0.05, key


def to_rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color[1:])
    return (red, green, blue)


def test_numbers_for_256_colours(tmp_path: Path) -> None:
    numbers = "[colors-256]\nprimary = 33\n[colors-256.canvas]\nhandle = 200\n"
    theme = load_theme(write_theme(tmp_path, VALID_THEME + numbers))
    textual = theme.to_textual("256")
    assert (textual.name, textual.primary) == ("mine", "#0087ff")
    assert textual.variables["canvas-handle"] == "#ff00d7"
    assert textual.surface == "#626262", "the nearest, where there is no number"
    assert theme.to_textual().primary == theme.to_textual("16").primary == "#111111"


def test_a_theme_without_numbers_keeps_its_greys(tmp_path: Path) -> None:
    theme = load_theme(
        write_theme(tmp_path, VALID_THEME.replace("#555555", "#20222b").replace("#666666", "#f5f2ea"))
    ).in_256_colors()
    assert (theme.background, theme.surface) == ("#262626", "#eeeeee")


def test_a_theme_file_is_read(tmp_path: Path) -> None:
    theme = load_theme(write_theme(tmp_path, VALID_THEME))
    assert theme.canvas.handle == (255, 0, 255)
    assert theme.canvas.target == CanvasColors().target
    textual = theme.to_textual()
    assert (textual.name, textual.dark, textual.primary) == ("mine", True, "#111111")
    assert textual.variables["canvas-handle"] == "#ff00ff"
    assert CanvasColors.from_variables(textual.variables) == theme.canvas
    assert CanvasColors.from_variables({"primary": "#111111"}) == CanvasColors()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('primary = "#111111"', "", "primary is missing"),
        (
            'primary = "#111111"',
            'primery = "#111111"',
            "primery (line 4) is an unknown key; there are name, dark, primary",
        ),
        ('handle = "#f0f"', 'handel = "#f0f"', "canvas.handel (line 15) is an unknown key; there are handle, target"),
        (
            'primary = "#111111"',
            'primary = "reddish"',
            "primary (line 4): 'reddish' is not a colour; write it as #rrggbb",
        ),
        ('handle = "#f0f"', "handle = 3", "canvas.handle (line 15): 3 is not a colour"),
        ("dark = true", 'dark = "maybe"', "dark (line 3): "),
        ('primary = "#111111"', 'primary = "#111111', "at line 4"),
        ("[canvas]", "[canvas", "at line 14"),
        ("[canvas]", "[colors-265]", "colors-265 (line 14) is an unknown key; there are name, dark"),
        ("[canvas]", "[colors-256]", "colors-256.handle (line 15) is an unknown key; there are primary, secondary"),
        (
            "[canvas]",
            "[colors-256]\nprimary = 9\n[canvas]",
            "colors-256.primary (line 15): 9 is not one of the terminal's fixed",
        ),
        ("[canvas]", "[colors-256]\nprimary = true\n[canvas]", "write its number, 16 to 255"),
        (
            "[canvas]",
            "[colors-256.canvas]\nhandel = 20\n[canvas]",
            "colors-256.canvas.handel (line 15) is an unknown key; there are handle, target",
        ),
    ],
)
def test_a_mistake_is_an_error_with_its_key_and_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_theme(tmp_path, VALID_THEME.replace(old, new))
    with pytest.raises(ThemeError) as caught:
        load_theme(path)
    assert message in str(caught.value) and path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_theme_of_the_user_is_loaded_by_name(user_themes: Path) -> None:
    write_theme(user_themes, VALID_THEME)
    assert theme_names() == sorted([*bundled_theme_names(), "mine"])
    assert load_theme("mine").primary == "#111111"
    with pytest.raises(ThemeError, match="choose from: contrast, dark, dusk, light, mine, moss, paper"):
        load_theme("theirs")


def test_a_theme_of_the_user_replaces_a_bundled_one(user_themes: Path) -> None:
    (user_themes / "dark.toml").write_text(VALID_THEME, encoding="utf-8")
    assert (theme_names(), load_theme("dark").primary) == (bundled_theme_names(), "#111111")


def test_a_mistake_in_a_theme_of_the_user_is_an_error_with_its_path(user_themes: Path) -> None:
    path = write_theme(user_themes, VALID_THEME.replace('primary = "#111111"', ""))
    with pytest.raises(ThemeError) as caught:
        load_theme("mine")
    assert str(caught.value) == f"theme {path}: primary is missing"


def test_a_missing_theme_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        ThemeError, match="no theme is called 'solarized'; choose from: contrast, dark, dusk, light, moss, paper"
    ):
        load_theme("solarized")
    with pytest.raises(ThemeError, match="No such file"):
        load_theme(str(tmp_path / "gone.toml"))
    with pytest.raises(ThemeError, match="directory"):
        load_theme(f"{tmp_path}/")


@pytest.mark.parametrize(
    "value",
    ["[" * 5000, "[" * 5000 + "]" * 5000, "{a=" * 5000, '"' + "x" * 100_000 + '"'],
    ids=["unclosed", "arrays", "tables", "long"],
)
def test_a_value_that_is_nested_deeply_or_long_is_one_short_line(tmp_path: Path, value: str) -> None:
    path = write_theme(tmp_path, VALID_THEME.replace('primary = "#111111"', f"primary = {value}"))
    with pytest.raises(ThemeError) as caught:
        load_theme(path)
    assert str(caught.value).startswith(f"theme {path}: ")
    assert len(str(caught.value)) < len(path) + 200 and "\n" not in str(caught.value)


def test_a_key_with_thousands_of_dots_is_one_short_line(tmp_path: Path) -> None:
    path = write_theme(tmp_path, VALID_THEME.replace('primary = "#111111"', "primary" + ".a" * 5000 + " = 1"))
    with pytest.raises(ThemeError, match=r"primary \(line 4\): .* is not a colour"):
        load_theme(path)


def test_a_path_with_a_null_character_is_refused() -> None:
    with pytest.raises(ThemeError, match="null character"):
        load_theme("a\0/b.toml")


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ThemeError, match="UTF-8"):
        load_theme(str(path))


@pytest.mark.parametrize("name", bundled_theme_names())
async def test_textual_can_use_a_bundled_theme(name: str) -> None:
    app: App[None] = App()
    async with app.run_test() as pilot:
        app.register_theme(load_theme(name).to_textual())
        app.theme = name
        await pilot.pause()
        assert app.theme_variables["canvas-letterbox"].startswith("#")


def test_reading_themes_loads_no_textual() -> None:
    code = "import sys, draggan_tui.config.themes as t; t.load_theme('dark'); assert 'textual' not in sys.modules, 'textual'"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
