"""Themes, one TOML file each. The models here define what a file may contain."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from draggan_engine.core.errors import ThemeError
from draggan_engine.storage.user_directories import config_directory
from draggan_tui.config.toml_file import TomlTable, parse_toml, read_toml_text
from draggan_tui.terminal.color_depth import ColorDepth
from draggan_tui.terminal.xterm_palette import FIRST_FIXED, Rgb, nearest_number, xterm_colors

if TYPE_CHECKING:
    from textual.theme import Theme

_VARIABLE_PREFIX = "canvas-"
_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


def _check_hex(value: object) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise PydanticCustomError(
            "color", "{value} is not a colour; write it as #rrggbb", {"value": reprlib.repr(value)}
        )
    return value


def _parse_rgb(value: object) -> Rgb:
    if isinstance(value, tuple) and len(value) == 3:
        return value
    digits = _check_hex(value)[1:]
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    red, green, blue = bytes.fromhex(digits)
    return (red, green, blue)


def _hex_text(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _check_palette_number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not FIRST_FIXED <= value <= 255:
        problem = "{value} is not one of the terminal's fixed colours; write its number, 16 to 255"
        raise PydanticCustomError("color", problem, {"value": reprlib.repr(value)})
    return value


HexColor = Annotated[str, BeforeValidator(_check_hex)]
RgbColor = Annotated[Rgb, BeforeValidator(_parse_rgb)]
PaletteNumber = Annotated[int, BeforeValidator(_check_palette_number)]


class CanvasColors(TomlTable):
    """The colours over and around the image, RGB, 0 … 255. In Textual they are the variables `$canvas-handle`, …"""

    handle: RgbColor = (255, 92, 216)
    target: RgbColor = (60, 255, 106)
    line: RgbColor = (255, 255, 255)
    cursor: RgbColor = (255, 225, 77)
    mask: RgbColor = (79, 179, 255)
    letterbox: RgbColor = (12, 13, 17)

    def to_variables(self) -> dict[str, str]:
        """Return the variables of a Textual theme, with colours as #rrggbb."""
        return {_VARIABLE_PREFIX + name: _hex_text(color) for name, color in self}

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> CanvasColors:
        """Return the colours that a Textual theme's variables give, with defaults for missing ones."""
        return cls.model_validate(
            {
                name: variables[_VARIABLE_PREFIX + name]
                for name in cls.model_fields
                if _VARIABLE_PREFIX + name in variables
            }
        )


class CanvasNumbers(TomlTable):
    """`CanvasColors` on a terminal with 256 colours, as numbers of its palette."""

    handle: PaletteNumber | None = None
    target: PaletteNumber | None = None
    line: PaletteNumber | None = None
    cursor: PaletteNumber | None = None
    mask: PaletteNumber | None = None
    letterbox: PaletteNumber | None = None


class PaletteNumbers(TomlTable):
    """A theme's colours on a terminal with 256 colours. If a number is left out, the nearest colour is taken."""

    primary: PaletteNumber | None = None
    secondary: PaletteNumber | None = None
    accent: PaletteNumber | None = None
    foreground: PaletteNumber | None = None
    background: PaletteNumber | None = None
    surface: PaletteNumber | None = None
    panel: PaletteNumber | None = None
    warning: PaletteNumber | None = None
    error: PaletteNumber | None = None
    success: PaletteNumber | None = None
    canvas: CanvasNumbers = CanvasNumbers()


class EditorTheme(TomlTable):
    """The colours of the editor, and the content of a theme file."""

    name: str
    dark: bool
    primary: HexColor
    secondary: HexColor
    accent: HexColor
    foreground: HexColor
    background: HexColor
    surface: HexColor
    panel: HexColor
    warning: HexColor
    error: HexColor
    success: HexColor
    canvas: CanvasColors = CanvasColors()

    colors_256: PaletteNumbers = Field(default=PaletteNumbers(), alias="colors-256")

    def to_textual(self, depth: ColorDepth = "truecolor") -> Theme:
        """Return this theme for Textual, on a terminal with so many colours."""
        from textual.theme import Theme

        theme = self.in_256_colors() if depth == "256" else self
        return Theme(**theme.model_dump(exclude={"canvas", "colors_256"}), variables=theme.canvas.to_variables())

    def in_256_colors(self) -> EditorTheme:
        """Return the theme with each colour replaced by one of the terminal's 256."""
        numbers = self.colors_256
        widgets = {
            name: _hex_text(_palette_color(_parse_rgb(getattr(self, name)), number))
            for name, number in numbers
            if name != "canvas"
        }
        canvas = {name: _palette_color(getattr(self.canvas, name), number) for name, number in numbers.canvas}
        return self.model_copy(update={**widgets, "canvas": CanvasColors(**canvas)})


def _palette_color(color: Rgb, number: int | None) -> Rgb:
    return xterm_colors()[nearest_number(color, "256") if number is None else number]


def bundled_theme_names() -> list[str]:
    """Return the names of the themes that come with the editor, sorted."""
    return sorted(path.stem for path in _bundled_directory().glob("*.toml"))


def theme_names() -> list[str]:
    """Return the names of all themes, sorted: the bundled ones and the user's own."""
    return sorted(_theme_paths())


def _bundled_directory() -> Path:
    """Return where the bundled themes are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_themes"
    return installed if installed.is_dir() else package.parent / "themes"


def _theme_paths() -> dict[str, Path]:
    """Return the files of all themes by name. A theme of the user replaces a bundled one of the same name."""
    paths = (*_toml_files(_bundled_directory()), *_toml_files(config_directory() / "themes"))
    return {path.stem: path for path in paths}


def _toml_files(directory: Path) -> list[Path]:
    """Return the TOML files in a directory; none if it does not exist or cannot be read."""
    try:
        return sorted(directory.glob("*.toml"))
    except OSError:
        return []


def is_theme_path(name_or_path: str) -> bool:
    """Return whether a text is the path of a theme: it ends in .toml or contains a slash."""
    return name_or_path.endswith(".toml") or "/" in name_or_path


def load_theme(name_or_path: str) -> EditorTheme:
    """Return a theme.

    Args:
        name_or_path: a name, or a path as `is_theme_path` defines it.

    Raises:
        ThemeError: there is no such theme or file, it is not TOML, a key is unknown or missing, or a colour is wrong.
    """
    if is_theme_path(name_or_path):
        try:
            return _read_theme(Path(name_or_path).expanduser())
        except RuntimeError as error:
            raise ThemeError(f"theme {name_or_path}: there is no such home directory; give the whole path") from error
    theme_paths = _theme_paths()
    if name_or_path not in theme_paths:
        raise ThemeError(f"no theme is called {name_or_path!r}; choose from: {', '.join(sorted(theme_paths))}")
    return _read_theme(theme_paths[name_or_path])


def _read_theme(path: Path) -> EditorTheme:
    def make_error(message: str) -> ThemeError:
        return ThemeError(f"theme {path}: {message}")

    return parse_toml(read_toml_text(path, make_error), EditorTheme, make_error)
