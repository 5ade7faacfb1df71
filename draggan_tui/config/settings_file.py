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

    text = read_toml_text(config_file, make_error)
    return ConfigFile(config_file, text, parse_toml(text, Config, make_error))


def _exists(path: Path) -> bool:
    """Return whether there is a file; if its directory cannot be searched, there is none."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def configured_theme(file: ConfigFile) -> themes.EditorTheme:
    """Return the theme that the configuration names. The path of a theme is relative to the configuration.

    Raises:
        ConfigError: there is no such theme, or it cannot be used.
    """
    name = file.config.editor.theme
    if themes.is_theme_path(name) and not name.startswith("~"):
        name = str(file.path.parent / name)
    try:
        return themes.load_theme(name)
    except ThemeError as error:
        raise file.error("editor", "theme", str(error)) from error


def config_to_toml(config: Config, keys: Mapping[str, str]) -> str:
    """Return the text of a configuration in full.

    Args:
        keys: id → "key,key".
    """
    editor_lines = [f"{name} = {_quoted(value)}" for name, value in config.editor]
    key_lines = [f"{binding_id} = {_quoted(keys[binding_id])}" for binding_id in keys]
    return "\n".join(["[editor]", *editor_lines, "", "[keys]", *key_lines, ""])


def _quoted(value: str | int) -> str:
    # A string in JSON is one in TOML as well, except for this character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def config_template() -> str:
    """Return a configuration that explains everything and changes nothing, because its keys are commented out."""
    from draggan_tui.keymap import KEY_GROUPS

    descriptions = {
        "theme": f"{', '.join(themes.bundled_theme_names())}, the name of one in themes/ beside this file, or a path",
        "color": "auto, truecolor, 256, 16 or none",
        "model": "auto (the bundled one that suits the machine), a name (draggan-tui models list) or a full path",
        "device": "auto, cpu, cuda, cuda:1, mps",
        "escape_delay": "how long Escape waits for the rest of a key's sequence, in milliseconds; 0: 100, over SSH 500",
    }
    lines = ["# draggan-tui. Take the # away from a line to change it; options on the command line come first.", ""]
    lines += ["[editor]"]
    for name, value in EditorDefaults():
        lines += [f"# {descriptions[name]}", f"#{name} = {_quoted(value)}"]
    lines += ["", "[keys]", '# One key, or several: "x,delete". A key can do one thing only.']
    for topic, bindings in KEY_GROUPS.items():
        lines += ["", f"# {topic}"]
        lines += [f"#{binding.id} = {_quoted(binding.keys)}  # {binding.help}" for binding in bindings]
    return "\n".join([*lines, ""])


def create_config(path: Path) -> bool:
    """Write the template if there is no file yet, and return whether it was written.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(config_template())
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise StorageError(f"{path}: {path.parent} is not a directory; move it away") from None
    except OSError as error:
        raise StorageError.of(path, error) from error
    return True
