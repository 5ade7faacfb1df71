"""Themes: one TOML file each. What a file may say is what the models here say; anything else is an error that names it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from draggan_engine.core.errors import ThemeError
from draggan_tui.config import paths
from draggan_tui.terminal.color_depth import ColorDepth
from draggan_tui.terminal.xterm_palette import FIRST_FIXED, nearest_number, xterm_colors
from draggan_tui.terminal.xterm_palette import Rgb as Rgb

if TYPE_CHECKING:
    from textual.theme import Theme

_PREFIX = "canvas-"
_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


def _hex(value: object) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise PydanticCustomError("color", "{value} is not a colour; write it as #rrggbb", {"value": repr(value)})
    return value


def _rgb(value: object) -> Rgb:
    if isinstance(value, tuple) and len(value) == 3:
        return value
    digits = _hex(value)[1:]
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    red, green, blue = bytes.fromhex(digits)
    return (red, green, blue)


def _hex_of(color: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _palette_number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not FIRST_FIXED <= value <= 255:
        problem = "{value} is not one of the terminal's fixed colours; write its number, 16 to 255"
        raise PydanticCustomError("color", problem, {"value": repr(value)})
    return value


HexColor = Annotated[str, BeforeValidator(_hex)]
RgbColor = Annotated[Rgb, BeforeValidator(_rgb)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CanvasColors(_Table):
    """Colours of what lies over the picture, and around it; RGB, 0 … 255. In Textual they are the theme's variables
    `$canvas-handle`, `$canvas-target`, …"""

    handle: RgbColor = (255, 92, 216)
    target: RgbColor = (60, 255, 106)
    line: RgbColor = (255, 255, 255)
    cursor: RgbColor = (255, 225, 77)
    mask: RgbColor = (79, 179, 255)
    letterbox: RgbColor = (12, 13, 17)

    def to_variables(self) -> dict[str, str]:
        return {_PREFIX + name: _hex_of(color) for name, color in self}

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> CanvasColors:
        """The colours that a theme's variables give; the defaults for those that it does not have."""
        return cls.model_validate(
            {name: variables[_PREFIX + name] for name in cls.model_fields if _PREFIX + name in variables}
        )


PaletteNumber = Annotated[int, BeforeValidator(_palette_number)]


class CanvasNumbers(_Table):
    """`CanvasColors` on a terminal with 256 colours: numbers of its palette."""

    handle: PaletteNumber | None = None
    target: PaletteNumber | None = None
    line: PaletteNumber | None = None
    cursor: PaletteNumber | None = None
    mask: PaletteNumber | None = None
    letterbox: PaletteNumber | None = None


class PaletteNumbers(_Table):
    """A theme's colours on a terminal with 256 colours; for those left out, the nearest is taken."""

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


class EditorTheme(_Table):
    """One look of the editor."""

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
        """Textual's theme of that name, for a terminal with so many colours."""
        from textual.theme import Theme

        theme = self.in_256_colors() if depth == "256" else self
        return Theme(**theme.model_dump(exclude={"canvas", "colors_256"}), variables=theme.canvas.to_variables())

    def in_256_colors(self) -> EditorTheme:
        """The theme with each colour replaced by one of the terminal's 256."""
        numbers = self.colors_256
        widgets = {
            name: _hex_of(_in_256(_rgb(getattr(self, name)), number)) for name, number in numbers if name != "canvas"
        }
        canvas = {name: _in_256(getattr(self.canvas, name), number) for name, number in numbers.canvas}
        return self.model_copy(update={**widgets, "canvas": CanvasColors(**canvas)})


def _in_256(color: Rgb, number: int | None) -> Rgb:
    return xterm_colors()[nearest_number(color, "256") if number is None else number]


def _folder() -> Path:
    """Where the themes are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_themes"
    return installed if installed.is_dir() else package.parent / "themes"


def bundled_theme_names() -> list[str]:
    """The names of the themes that come with the editor, sorted."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def theme_names() -> list[str]:
    """The names of all themes, sorted: those that come with the editor, and the user's own."""
    return sorted(_by_name())


def _by_name() -> dict[str, Path]:
    # The user's come last: one that has the name of a bundled theme takes its place.
    return {path.stem: path for path in (*_files(_folder()), *_files(paths.config_directory() / "themes"))}


def _files(folder: Path) -> list[Path]:
    """The themes in a directory; none where it is not there, or may not be looked at."""
    try:
        return sorted(folder.glob("*.toml"))
    except OSError:
        return []


def is_theme_path(name_or_path: str) -> bool:
    """Whether it is the path of a theme, not its name."""
    return name_or_path.endswith(".toml") or "/" in name_or_path


def load_theme(name_or_path: str) -> EditorTheme:
    """A theme by name, or from a file: what ends in .toml or has a slash in it is a path.

    Raises:
        ThemeError: no such theme or file, not TOML, an unknown or missing key, a bad colour.
    """
    if is_theme_path(name_or_path):
        try:
            return _read(Path(name_or_path).expanduser())
        except RuntimeError as error:
            raise ThemeError(f"theme {name_or_path}: there is no such home directory; give the whole path") from error
    themes = _by_name()
    if name_or_path not in themes:
        raise ThemeError(f"no theme is called {name_or_path!r}; choose from: {', '.join(sorted(themes))}")
    return _read(themes[name_or_path])


def _read(path: Path) -> EditorTheme:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ThemeError(f"theme {path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise ThemeError(f"theme {path}: it is not UTF-8 text; save it as such") from error
    except tomllib.TOMLDecodeError as error:
        raise ThemeError(f"theme {path}: it is not TOML: {error}") from error
    try:
        return EditorTheme.model_validate(table)
    except ValidationError as error:
        wrong = "; ".join(_explain(item["loc"], item["type"], item["msg"]) for item in error.errors())
        raise ThemeError(f"theme {path}: {wrong}") from error


_TABLES: dict[tuple[str, ...], type[_Table]] = {
    ("canvas",): CanvasColors,
    ("colors-256",): PaletteNumbers,
    ("colors-256", "canvas"): CanvasNumbers,
}


def _explain(loc: tuple[Any, ...], kind: str, message: str) -> str:
    key = ".".join(str(part) for part in loc)
    if kind == "extra_forbidden":
        table = _TABLES.get(tuple(map(str, loc[:-1])), EditorTheme)
        names = (field.alias or name for name, field in table.model_fields.items())
        return f"{key} is an unknown key; there are {', '.join(names)}"
    if kind == "missing":
        return f"{key} is missing"
    return f"{key}: {message}"
