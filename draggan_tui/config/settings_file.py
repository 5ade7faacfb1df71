"""The user's configuration, one TOML file: `[editor]` has defaults for the editor's options, `[keys]` changes its keys.

Reading it must not import Textual, whose number of colours the configuration decides. The keys, for which Textual is
needed, are checked later, by `key_settings`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from draggan_engine import MOST_PREVIEWS_PER_SECOND
from draggan_engine.core.errors import ConfigError, StorageError, ThemeError
from draggan_engine.storage.user_directories import config_directory
from draggan_tui import DEFAULT_MODEL
from draggan_tui.config import themes
from draggan_tui.config.toml_file import TomlTable, in_line, line_of_key, parse_toml, read_toml_text

Text = Annotated[str, StringConstraints(min_length=1)]


class EditorDefaults(TomlTable):
    """The table `[editor]`: what the editor does without an option on the command line."""

    theme: Text = "dark"
    color: Literal["auto", "truecolor", "256", "16", "none"] = "auto"
    cells: Literal["auto", "half", "quadrant", "sextant", "octant"] = "auto"
    fps: Annotated[int, Field(ge=1, le=MOST_PREVIEWS_PER_SECOND)] = MOST_PREVIEWS_PER_SECOND
    graphics: Literal["auto", "kitty", "none"] = "auto"
    model: Text = DEFAULT_MODEL
    device: Text = "auto"
    escape_delay: Annotated[int, Field(ge=0, le=10_000)] = 0


class Config(TomlTable):
    """The whole file."""

    editor: EditorDefaults = EditorDefaults()
    keys: Mapping[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class ConfigFile:
    """A configuration, and the text that it was read from, to name the line of a mistake."""

    path: Path
    text: str
    config: Config

    def error(self, table: str, key: str, problem: str) -> ConfigError:
        """Return the error for a key whose value cannot be used."""
        return ConfigError(f"{self.path}: {table}.{key}{in_line(line_of_key(self.text, table, key))}: {problem}")


def config_path() -> Path:
    """Return the path of the file, which need not exist."""
    return config_directory() / "config.toml"


def read_config(path: Path | None = None) -> ConfigFile:
    """Read the user's configuration; without a file, this returns the defaults.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has an unknown key or a wrong value.
    """
    config_file = config_path() if path is None else path
    if not _exists(config_file):
        return ConfigFile(config_file, "", Config())

    def make_error(message: str) -> ConfigError:
        return ConfigError(f"{config_file}: {message}")

    toml_text = read_toml_text(config_file, make_error)
    return ConfigFile(config_file, toml_text, parse_toml(toml_text, Config, make_error))


def _exists(path: Path) -> bool:
    """Return whether there is a file; if its directory cannot be searched, there is none."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def configured_theme(config_file: ConfigFile) -> themes.EditorTheme:
    """Return the theme that the configuration names. The path of a theme is relative to the configuration.

    Raises:
        ConfigError: there is no such theme, or it cannot be used.
    """
    theme_name = config_file.config.editor.theme
    if themes.is_theme_path(theme_name) and not theme_name.startswith("~"):
        theme_name = str(config_file.path.parent / theme_name)
    try:
        return themes.load_theme(theme_name)
    except ThemeError as theme_error:
        raise config_file.error("editor", "theme", str(theme_error)) from theme_error


def config_to_toml(config: Config, keys: Mapping[str, str]) -> str:
    """Return the text of a configuration in full.

    Args:
        keys: id → "key,key".
    """
    editor_lines = [f"{field_name} = {_quoted(field_value)}" for field_name, field_value in config.editor]
    key_lines = [f"{binding_id} = {_quoted(keys[binding_id])}" for binding_id in keys]
    return "\n".join(["[editor]", *editor_lines, "", "[keys]", *key_lines, ""])


def _quoted(toml_value: str | int) -> str:
    # A string in JSON is one in TOML as well, except for this character.
    return json.dumps(toml_value, ensure_ascii=False).replace("\x7f", "\\u007f")


def config_template() -> str:
    """Return a configuration that explains everything and changes nothing, because its keys are commented out."""
    from draggan_tui.keymap import KEY_GROUPS

    field_descriptions = {
        "theme": f"{', '.join(themes.bundled_theme_names())}, the name of one in themes/ beside this file, or a path",
        "color": "auto, truecolor, 256, 16 or none",
        "cells": "how sharp images are in truecolor: auto, half, quadrant, sextant or octant",
        "fps": f"how many images of a drag are shown in a second at most, 1 to {MOST_PREVIEWS_PER_SECOND}",
        "graphics": "how the image is shown in pixels instead of cells: auto, kitty (its protocol) or none",
        "model": "auto (the bundled one that suits the machine), a name (draggan-tui models list) or a full path",
        "device": "auto, cpu, cuda, cuda:1, mps",
        "escape_delay": "how long Escape waits for the rest of a key's sequence, in milliseconds; 0: 100, over SSH 500",
    }
    template_lines = [
        "# draggan-tui. Take the # away from a line to change it; options on the command line come first.",
        "",
    ]
    template_lines += ["[editor]"]
    for field_name, field_value in EditorDefaults():
        template_lines += [f"# {field_descriptions[field_name]}", f"#{field_name} = {_quoted(field_value)}"]
    template_lines += ["", "[keys]", '# One key, or several: "x,delete". A key can do one thing only.']
    for group_title, group_bindings in KEY_GROUPS.items():
        template_lines += ["", f"# {group_title}"]
        template_lines += [f"#{binding.id} = {_quoted(binding.keys)}  # {binding.help}" for binding in group_bindings]
    return "\n".join([*template_lines, ""])


def create_config(path: Path) -> bool:
    """Write the template if there is no file yet, and return whether it was written.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as toml_file:
            toml_file.write(config_template())
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise StorageError(f"{path}: {path.parent} is not a directory; move it away") from None
    except OSError as write_error:
        raise StorageError.of(path, write_error) from write_error
    return True
