"""The user's configuration: one TOML file. `[editor]` gives the defaults of the editor's options, `[keys]` its keys.

It is looked at in two steps, because Textual reads at its import how many colours to use: `read` knows no Textual,
`keymap` does.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from draggan_engine.core.errors import ConfigError, StorageError, ThemeError
from draggan_tui import DEFAULT_MODEL
from draggan_tui.config import paths, themes

Text = Annotated[str, StringConstraints(min_length=1)]

_MODIFIERS = {"alt", "ctrl", "hyper", "meta", "shift", "super"}
_EXAMPLES = "write it as z, Z, ctrl+r, f5, left, space, escape, comma, question_mark, …"
# Textual ends the application with it from every screen, before the editor's own keys are looked at.
_ALWAYS_QUITS = "ctrl+q"
# Bindings that came later: a configuration that has given their keys to something else stays valid.
_YIELDING = {"image-only", "interrupt", "redraw", "side-panel", "suspend"}


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EditorDefaults(_Table):
    """What the editor does without an option on the command line."""

    theme: Text = "dark"
    color: Literal["auto", "truecolor", "256", "16", "none"] = "auto"
    model: Text = DEFAULT_MODEL
    device: Text = "auto"
    escape_delay: Annotated[int, Field(ge=0, le=10_000)] = 0


class Config(_Table):
    """What the file may say."""

    editor: EditorDefaults = EditorDefaults()
    keys: dict[str, str] = {}


@dataclass(frozen=True)
class ConfigFile:
    """A configuration, and the text that it was read from, to say where in it something is."""

    path: Path
    text: str
    config: Config

    def error(self, table: str, key: str, problem: str) -> ConfigError:
        return ConfigError(f"{self.path}: {table}.{key}{_at(line_of(self.text, table, key))}: {problem}")


def config_path() -> Path:
    """Where the file is, or would be."""
    return paths.config_directory() / "config.toml"


def read_config(path: Path | None = None) -> ConfigFile:
    """The user's configuration; the defaults if there is none.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has an unknown field or a wrong value.
    """
    path = config_path() if path is None else path
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin files with a byte order mark
    except OSError as error:
        if not _is_there(path):
            return ConfigFile(path, "", Config())
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check what is there") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: it is not UTF-8 text; save it as such") from error
    return ConfigFile(path, text, _parse(path, text))


def _is_there(path: Path) -> bool:
    """Whether there is a file, as far as this user may look: an unreadable home directory has none."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def _parse(path: Path, text: str) -> Config:
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        last = max(1, len(text.splitlines()))
        reason = str(error).replace("at end of document", f"at line {last}, the end of the file")
        raise ConfigError(f"{path}: it is not TOML: {reason}") from error
    try:
        return Config.model_validate(table)
    except ValidationError as error:
        wrong = "; ".join(_explain(text, item["loc"], item["type"], item["msg"]) for item in error.errors())
        raise ConfigError(f"{path}: {wrong}") from error


def _explain(text: str, loc: tuple[Any, ...], kind: str, message: str) -> str:
    names = [str(part) for part in loc]
    line = line_of(text, names[0], names[1]) if len(names) > 1 else line_of(text, "", names[0])
    where = f"{'.'.join(names)}{_at(line)}"
    if kind == "extra_forbidden":
        known = EditorDefaults if len(names) > 1 else Config
        return f"{where} is unknown; there are {', '.join(known.model_fields)}"
    return f"{where}: {message[:1].lower()}{message[1:]}"


def _at(line: int | None) -> str:
    return "" if line is None else f" (line {line})"


def line_of(text: str, table: str, key: str) -> int | None:
    """The line, from 1, on which a table's key is set ("" is the top of the file); None if it cannot be told.

    The parser does not keep lines, so this reads the ways in which people write TOML, not all of them.
    """
    name = rf"""["']?{re.escape(key)}["']?"""
    setting, dotted = re.compile(rf"\s*{name}\s*[=.]"), re.compile(rf"\s*{re.escape(table)}\s*\.\s*{name}\s*=")
    header = re.compile(r"\s*\[+\s*([^\]]*?)\s*\]")
    present = ""
    for number, line in enumerate(text.splitlines(), 1):
        if found := header.match(line):
            present = found[1].strip("\"'")
            if not table and present.split(".")[0].strip("\"' ") == key:
                return number
        elif (present == table and setting.match(line)) or (table and not present and dotted.match(line)):
            return number
    inline = re.compile(rf"\s*{re.escape(table)}\s*=.*[{{,]\s*{name}\s*=")
    return next((number for number, line in enumerate(text.splitlines(), 1) if table and inline.match(line)), None)


def configured_theme(file: ConfigFile) -> themes.EditorTheme:
    """The theme that the configuration names; the path of one is relative to the configuration.

    Raises:
        ConfigError: no such theme, or one that cannot be used.
    """
    name = file.config.editor.theme
    if themes.is_theme_path(name) and not name.startswith("~"):
        name = str(file.path.parent / name)
    try:
        return themes.load_theme(name)
    except ThemeError as error:
        raise file.error("editor", "theme", str(error)) from error


def default_keys() -> dict[str, str]:
    """The editor's own keys: id → "key" or "key,key"."""
    from draggan_tui.keymap import COUNTS, KEYS

    return {binding.id or "": binding.key for bindings in (*KEYS.values(), COUNTS) for binding in bindings}


def keys_in_use(changes: Mapping[str, str]) -> dict[str, str]:
    """All keys, as `default_keys` gives them, with those that a configuration has changed or taken away."""
    taken = {key for keys in changes.values() for key in keys.split(",")}
    free = {name: [key for key in keys.split(",") if key not in taken] for name, keys in default_keys().items()}
    keys = {name: changes.get(name) or ",".join(free[name]) for name in free}
    return {name: key for name, key in keys.items() if key}


def changed_keys(file: ConfigFile) -> dict[str, str]:
    """The keys that the configuration changes, as Textual takes them: id → "key,key".

    Raises:
        ConfigError: an unknown id, something that is no key, or one key for two things.
    """
    if not file.config.keys:
        return {}
    defaults = default_keys()
    changed: dict[str, str] = {}
    for name, keys in file.config.keys.items():
        if name not in defaults:
            raise file.error("keys", name, f"it is unknown; there are {', '.join(defaults)}")
        changed[name] = ",".join(_normalized(file, name, key.strip()) for key in keys.split(","))
    _check_once(file, {**defaults, **changed}, changed)
    return changed


def _normalized(file: ConfigFile, name: str, key: str) -> str:
    """A key as Textual calls it: full_stop for ".", ctrl+slash for "ctrl+/"."""
    from textual.keys import _character_to_key, key_to_character

    if not key:
        raise file.error(
            "keys", name, "a key is empty; several are separated by one comma, and the comma's own is comma"
        )
    if len(key) == 1:
        modifiers, last = [], key
    else:
        *modifiers, last = key.split("+")
    if len(last) == 1 and last.isprintable():
        if "shift" in modifiers and last.isalpha():
            raise file.error("keys", name, f"terminals do not send {key!r}; a capital letter is {last.upper()!r}")
        last = _character_to_key(last)
    sign = key_to_character(last)  # also that of a name which Textual does not use, such as "esc"
    known = last in _key_names() or (sign is not None and sign.isprintable() and _character_to_key(sign) == last)
    if not known or not _MODIFIERS.issuperset(modifiers) or len(set(modifiers)) < len(modifiers):
        raise file.error("keys", name, f"{key!r} is no key; {_EXAMPLES}")
    whole = "+".join([*sorted(modifiers), last])
    if whole == _ALWAYS_QUITS and name != "quit":
        raise file.error("keys", name, f"{whole} always quits; take another key")
    return whole


def _key_names() -> set[str]:
    """The names of keys that are no signs, and of signs that Textual calls otherwise than Unicode does."""
    from textual.keys import KEY_NAME_REPLACEMENTS, Keys

    keys = {key.value.rpartition("+")[2] for key in Keys if not key.value.startswith("<")}
    return (keys | set(KEY_NAME_REPLACEMENTS.values())) - {"return", "ctrl-at"}  # which no terminal sends


def _check_once(file: ConfigFile, keys: Mapping[str, str], changed: Mapping[str, str]) -> None:
    owners: dict[str, str] = {}
    # The user's come last, so that the message is about an entry of the file.
    for name in sorted(keys, key=list(changed).__contains__):
        for key in keys[name].split(","):
            other = owners.setdefault(key, name)
            if other != name and (other not in _YIELDING or other in changed):
                raise file.error(
                    "keys", name, f"{key} is the key of {other} too; give one of the two another, under [keys]"
                )


def config_to_toml(config: Config, keys: Mapping[str, str]) -> str:
    """A configuration in full, with the keys as they are bound."""
    editor = [f"{name} = {_quoted(value)}" for name, value in config.editor]
    return "\n".join(["[editor]", *editor, "", "[keys]", *(f"{name} = {_quoted(keys[name])}" for name in keys), ""])


def _quoted(value: str | int) -> str:
    # JSON's strings are TOML's, but for one sign.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def config_template() -> str:
    """A file that says everything and changes nothing: all that is in it are comments and the tables' names."""
    from draggan_tui.keymap import KEYS, what

    defaults = EditorDefaults()
    says = {
        "theme": f"{', '.join(themes.bundled_theme_names())}, the name of one in themes/ beside this file, or a path",
        "color": "auto, truecolor, 256, 16 or none",
        "model": "auto (the bundled one that suits the machine), a name (draggan-tui models list) or a full path",
        "device": "auto, cpu, cuda, cuda:1, mps",
        "escape_delay": "how long Escape waits for the rest of a key's sequence, in milliseconds; 0: 100, over SSH 500",
    }
    lines = ["# draggan-tui. Take the # away from a line to change it; options on the command line come first.", ""]
    lines += ["[editor]"]
    for name, value in defaults:
        lines += [f"# {says[name]}", f"#{name} = {_quoted(value)}"]
    lines += ["", "[keys]", '# One key, or several: "x,delete". A key can do one thing only.']
    for topic, bindings in KEYS.items():
        lines += ["", f"# {topic}"]
        lines += [f"#{binding.id} = {_quoted(binding.key)}  # {what(binding)}" for binding in bindings]
    return "\n".join([*lines, ""])


def create_config(path: Path) -> bool:
    """Writes the template if there is no such file; whether it did.

    Raises:
        StorageError: it could not be written.
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
