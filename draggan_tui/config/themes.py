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


def _check_hex(raw_value: object) -> str:
    if not isinstance(raw_value, str) or not _HEX.fullmatch(raw_value):
        raise PydanticCustomError(
            "color", "{value} is not a colour; write it as #rrggbb", {"value": reprlib.repr(raw_value)}
        )
    return raw_value


def _parse_rgb(raw_value: object) -> Rgb:
    if isinstance(raw_value, tuple) and len(raw_value) == 3:
        return raw_value
    hex_digits = _check_hex(raw_value)[1:]
    if len(hex_digits) == 3:
        hex_digits = "".join(2 * digit for digit in hex_digits)
    red, green, blue = bytes.fromhex(hex_digits)
    return (red, green, blue)


def _hex_text(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _check_palette_number(raw_value: object) -> int:
    if not isinstance(raw_value, int) or isinstance(raw_value, bool) or not FIRST_FIXED <= raw_value <= 255:
        problem_template = "{value} is not one of the terminal's fixed colours; write its number, 16 to 255"
        raise PydanticCustomError("color", problem_template, {"value": reprlib.repr(raw_value)})
    return raw_value


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
        return {_VARIABLE_PREFIX + color_name: _hex_text(color) for color_name, color in self}

    @classmethod
    def from_variables(cls, theme_variables: Mapping[str, str]) -> CanvasColors:
        """Return the colours that a Textual theme's variables give, with defaults for missing ones."""
        return cls.model_validate(
            {
                color_name: theme_variables[_VARIABLE_PREFIX + color_name]
                for color_name in cls.model_fields
                if _VARIABLE_PREFIX + color_name in theme_variables
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

        shown_theme = self.in_256_colors() if depth == "256" else self
        return Theme(
            **shown_theme.model_dump(exclude={"canvas", "colors_256"}), variables=shown_theme.canvas.to_variables()
        )

    def in_256_colors(self) -> EditorTheme:
        """Return the theme with each colour replaced by one of the terminal's 256."""
        palette_numbers = self.colors_256
        widget_colors = {
            color_name: _hex_text(_palette_color(_parse_rgb(getattr(self, color_name)), palette_number))
            for color_name, palette_number in palette_numbers
            if color_name != "canvas"
        }
        canvas = {
            color_name: _palette_color(getattr(self.canvas, color_name), palette_number)
            for color_name, palette_number in palette_numbers.canvas
        }
        return self.model_copy(update={**widget_colors, "canvas": CanvasColors(**canvas)})


def _palette_color(color: Rgb, palette_number: int | None) -> Rgb:
    return xterm_colors()[nearest_number(color, "256") if palette_number is None else palette_number]


def bundled_theme_names() -> list[str]:
    """Return the names of the themes that come with the editor, sorted."""
    return sorted(theme_path.stem for theme_path in _bundled_directory().glob("*.toml"))


def theme_names() -> list[str]:
    """Return the names of all themes, sorted: the bundled ones and the user's own."""
    return sorted(_theme_paths())


def _bundled_directory() -> Path:
    """Return where the bundled themes are: inside the installed package, or beside it in a checkout."""
    package_directory = Path(__file__).parents[1]
    installed_directory = package_directory / "_themes"
    return installed_directory if installed_directory.is_dir() else package_directory.parent / "themes"


def _theme_paths() -> dict[str, Path]:
    """Return the files of all themes by name. A theme of the user replaces a bundled one of the same name."""
    toml_paths = (*_toml_files(_bundled_directory()), *_toml_files(config_directory() / "themes"))
    return {path.stem: path for path in toml_paths}


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
        except RuntimeError as home_error:
            raise ThemeError(
                f"theme {name_or_path}: there is no such home directory; give the whole path"
            ) from home_error
    theme_paths = _theme_paths()
    if name_or_path not in theme_paths:
        raise ThemeError(f"no theme is called {name_or_path!r}; choose from: {', '.join(sorted(theme_paths))}")
    return _read_theme(theme_paths[name_or_path])


def _read_theme(theme_path: Path) -> EditorTheme:
    def make_error(error_message: str) -> ThemeError:
        return ThemeError(f"theme {theme_path}: {error_message}")

    return parse_toml(read_toml_text(theme_path, make_error), EditorTheme, make_error)
