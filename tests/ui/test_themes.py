from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from textual.app import App

from draggan_engine.protocol.errors import ThemeError
from draggan_tui.themes import CanvasColors, available, bundled, load

GOOD = """
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


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def luminance(color: str) -> float:
    parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio, 1 … 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture
def own_themes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's themes, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "draggan-tui" / "themes"
    folder.mkdir(parents=True)
    return folder


def test_the_themes_that_come_with_the_editor() -> None:
    assert bundled() == ["contrast", "dark", "dusk", "light", "moss", "paper"]
    assert [load(name).name for name in bundled()] == bundled()
    assert [name for name in bundled() if not load(name).dark] == ["light", "paper"]


@pytest.mark.parametrize("name", bundled())
def test_what_is_written_can_be_read(name: str) -> None:
    theme = load(name)
    for ground in (theme.background, theme.surface):
        assert contrast(theme.foreground, ground) >= 7
        for color in (theme.primary, theme.accent, theme.warning, theme.error, theme.success):
            assert contrast(color, ground) >= 4.5
    assert contrast(theme.foreground, theme.panel) >= 7


def test_a_file(tmp_path: Path) -> None:
    theme = load(written(tmp_path, GOOD))
    assert theme.canvas.handle == (255, 0, 255)
    assert theme.canvas.target == CanvasColors().target
    textual = theme.to_textual()
    assert (textual.name, textual.dark, textual.primary) == ("mine", True, "#111111")
    assert textual.variables["canvas-handle"] == "#ff00ff"
    assert CanvasColors.from_variables(textual.variables) == theme.canvas
    assert CanvasColors.from_variables({"primary": "#111111"}) == CanvasColors()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('primary = "#111111"', "", "primary is missing"),
        ('primary = "#111111"', 'primery = "#111111"', "primery is an unknown key; there are name, dark, primary"),
        ('handle = "#f0f"', 'handel = "#f0f"', "canvas.handel is an unknown key; there are handle, target"),
        ('primary = "#111111"', 'primary = "reddish"', "primary: 'reddish' is not a colour; write it as #rrggbb"),
        ('handle = "#f0f"', "handle = 3", "canvas.handle: 3 is not a colour"),
        ("dark = true", 'dark = "maybe"', "dark: "),
        ('primary = "#111111"', 'primary = "#111111', "at line 4"),
        ("[canvas]", "[canvas", "at line 14"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ThemeError) as caught:
        load(path)
    assert says in str(caught.value) and path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_users_own_are_found_by_name(own_themes: Path) -> None:
    written(own_themes, GOOD)
    assert available() == sorted([*bundled(), "mine"])
    assert load("mine").primary == "#111111"
    with pytest.raises(ThemeError, match="there are contrast, dark, dusk, light, mine, moss, paper"):
        load("theirs")


def test_the_users_own_takes_the_place_of_a_bundled_one(own_themes: Path) -> None:
    (own_themes / "dark.toml").write_text(GOOD, encoding="utf-8")
    assert (available(), load("dark").primary) == (bundled(), "#111111")


def test_what_is_wrong_with_the_users_own_names_its_file(own_themes: Path) -> None:
    path = written(own_themes, GOOD.replace('primary = "#111111"', ""))
    with pytest.raises(ThemeError) as caught:
        load("mine")
    assert str(caught.value) == f"theme {path}: primary is missing"


def test_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        ThemeError, match="'solarized': there is none of that name; there are contrast, dark, dusk, light, moss, paper"
    ):
        load("solarized")
    with pytest.raises(ThemeError, match="No such file"):
        load(str(tmp_path / "gone.toml"))
    with pytest.raises(ThemeError, match="directory"):
        load(f"{tmp_path}/")


def test_not_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ThemeError, match="UTF-8"):
        load(str(path))


@pytest.mark.parametrize("name", bundled())
async def test_textual_takes_it(name: str) -> None:
    app: App[None] = App()
    async with app.run_test() as pilot:
        app.register_theme(load(name).to_textual())
        app.theme = name
        await pilot.pause()
        assert app.theme_variables["canvas-letterbox"].startswith("#")


def test_reading_themes_loads_no_textual() -> None:
    code = "import sys, draggan_tui.themes as t; t.load('dark'); assert 'textual' not in sys.modules, 'textual'"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
