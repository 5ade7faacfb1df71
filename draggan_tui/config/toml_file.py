"""Read TOML files into pydantic models, and say in which line a mistake is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from draggan_engine.core.errors import InputError

MakeError = Callable[[str], InputError]
"""Makes the error for a message about a file."""


class TomlTable(BaseModel):
    """A table of a file; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Table = TypeVar("Table", bound=TomlTable)


def read_toml_text(path: Path, make_error: MakeError) -> str:
    """Return the text of a file.

    Raises:
        InputError: the one of `make_error`; the file cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")  # some text editors begin files with a byte order mark
    except OSError as error:
        raise make_error(f"it cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise make_error("it is not UTF-8 text; save it as UTF-8") from error
    except ValueError as error:
        raise make_error("the path contains a null character; check the path") from error


def parse_toml(text: str, table_type: type[Table], make_error: MakeError) -> Table:
    """Return the table that a text describes.

    Raises:
        InputError: the one of `make_error`; the text is not TOML, a key is unknown or missing, or a value is wrong.
    """
    try:
        values = tomllib.loads(text)
        return table_type.model_validate(values)
    except tomllib.TOMLDecodeError as error:
        last_line = max(1, len(text.splitlines()))
        reason = str(error).replace("at end of document", f"at line {last_line}, the end of the file")
        raise make_error(f"it is not TOML: {reason}") from error
    except RecursionError as error:
        raise make_error("its values are nested too deeply; write fewer brackets or dots") from error
    except ValidationError as error:
        problems = [
            _problem(text, table_type, [str(part) for part in item["loc"]], item["type"], item["msg"])
            for item in error.errors(include_input=False)
        ]
        raise make_error("; ".join(problems)) from error


def _problem(text: str, table_type: type[TomlTable], keys: Sequence[str], kind: str, message: str) -> str:
    """Return what is wrong with a key, in words: the key, its line and pydantic's message."""
    place = ".".join(keys) + in_line(line_of_key(text, ".".join(keys[:-1]), keys[-1]))
    if kind == "extra_forbidden":
        return f"{place} is an unknown key; there are {', '.join(_keys_of(_table_type_at(table_type, keys[:-1])))}"
    if kind == "missing":
        return f"{place} is missing"
    return f"{place}: {message[:1].lower()}{message[1:]}"


def _table_type_at(table_type: type[TomlTable], keys: Sequence[str]) -> type[TomlTable]:
    """Return the type of the table under some keys."""
    for key in keys:
        annotation = next(
            field.annotation for name, field in table_type.model_fields.items() if key in (name, field.alias)
        )
        assert isinstance(annotation, type) and issubclass(annotation, TomlTable)
        table_type = annotation
    return table_type


def _keys_of(table_type: type[TomlTable]) -> list[str]:
    return [field.alias or name for name, field in table_type.model_fields.items()]


def in_line(line_number: int | None) -> str:
    """Return ` (line 3)`, or nothing for None."""
    return "" if line_number is None else f" (line {line_number})"


def line_of_key(text: str, table: str, key: str) -> int | None:
    """Return the line, counted from 1, on which a table's key is set; None if it is not recognised.

    The TOML parser does not keep lines, so this recognises the usual ways to write a key.

    Args:
        table: the table's dotted name; empty for the top of the file.
    """
    name = rf"""["']?{re.escape(key)}["']?"""
    setting, dotted = re.compile(rf"\s*{name}\s*[=.]"), re.compile(rf"\s*{re.escape(table)}\s*\.\s*{name}\s*=")
    header = re.compile(r"\s*\[+\s*([^\]]*?)\s*\]")
    current_table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := header.match(line):
            current_table = match[1].strip("\"'")
            if not table and current_table.split(".")[0].strip("\"' ") == key:
                return number
        elif (current_table == table and setting.match(line)) or (table and not current_table and dotted.match(line)):
            return number
    inline = re.compile(rf"\s*{re.escape(table)}\s*=.*[{{,]\s*{name}\s*=")
    return next((number for number, line in enumerate(text.splitlines(), 1) if table and inline.match(line)), None)
