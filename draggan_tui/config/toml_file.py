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


def read_toml_text(toml_path: Path, make_error: MakeError) -> str:
    """Return the text of a file.

    Raises:
        InputError: the one of `make_error`; the file cannot be read or is not UTF-8.
    """
    try:
        return toml_path.read_text(encoding="utf-8-sig")  # some text editors begin files with a byte order mark
    except OSError as read_error:
        raise make_error(f"the file cannot be read ({read_error.strerror}); check the path") from read_error
    except UnicodeDecodeError as read_error:
        raise make_error("the file is not UTF-8 text; save it as UTF-8") from read_error
    except ValueError as read_error:
        raise make_error("the path contains a null character; check the path") from read_error


def parse_toml(toml_text: str, table_type: type[Table], make_error: MakeError) -> Table:
    """Return the table that a text describes.

    Raises:
        InputError: the one of `make_error`; the text is not TOML, a key is unknown or missing, or a value is wrong.
    """
    try:
        toml_values = tomllib.loads(toml_text)
        return table_type.model_validate(toml_values)
    except tomllib.TOMLDecodeError as parse_error:
        last_line = max(1, len(toml_text.splitlines()))
        parse_reason = str(parse_error).replace("at end of document", f"at line {last_line}, the end of the file")
        raise make_error(f"the file is not TOML: {parse_reason}") from parse_error
    except RecursionError as parse_error:
        raise make_error("the values are nested too deeply; write fewer brackets or dots") from parse_error
    except ValidationError as parse_error:
        problem_texts = [
            _problem(
                toml_text,
                table_type,
                [str(part) for part in error_detail["loc"]],
                error_detail["type"],
                error_detail["msg"],
            )
            for error_detail in parse_error.errors(include_input=False)
        ]
        raise make_error("; ".join(problem_texts)) from parse_error


def _problem(
    toml_text: str, table_type: type[TomlTable], key_path: Sequence[str], error_type: str, error_message: str
) -> str:
    """Return what is wrong with a key, in words: the key, its line and pydantic's message."""
    key_place = ".".join(key_path) + in_line(line_of_key(toml_text, ".".join(key_path[:-1]), key_path[-1]))
    if error_type == "extra_forbidden":
        return (
            f"{key_place} is an unknown key; there are {', '.join(_keys_of(_table_type_at(table_type, key_path[:-1])))}"
        )
    if error_type == "missing":
        return f"{key_place} is missing"
    return f"{key_place}: {error_message[:1].lower()}{error_message[1:]}"


def _table_type_at(table_type: type[TomlTable], key_path: Sequence[str]) -> type[TomlTable]:
    """Return the type of the table under some keys."""
    for key in key_path:
        field_type = next(
            field_info.annotation
            for field_name, field_info in table_type.model_fields.items()
            if key in (field_name, field_info.alias)
        )
        assert isinstance(field_type, type) and issubclass(field_type, TomlTable)
        table_type = field_type
    return table_type


def _keys_of(table_type: type[TomlTable]) -> list[str]:
    return [field_info.alias or field_name for field_name, field_info in table_type.model_fields.items()]


def in_line(line_number: int | None) -> str:
    """Return ` (line 3)`, or nothing for None."""
    return "" if line_number is None else f" (line {line_number})"


def line_of_key(toml_text: str, table_name: str, key: str) -> int | None:
    """Return the line, counted from 1, on which a table's key is set; None if it is not recognised.

    The TOML parser does not keep lines, so this recognises the usual ways to write a key.

    Args:
        table_name: the table's dotted name; empty for the top of the file.
    """
    quoted_key = rf"""["']?{re.escape(key)}["']?"""
    setting_pattern = re.compile(rf"\s*{quoted_key}\s*[=.]")
    dotted_pattern = re.compile(rf"\s*{re.escape(table_name)}\s*\.\s*{quoted_key}\s*=")
    header_pattern = re.compile(r"\s*\[+\s*([^\]]*?)\s*\]")
    current_table = ""
    for line_number, line in enumerate(toml_text.splitlines(), 1):
        if header_match := header_pattern.match(line):
            current_table = header_match[1].strip("\"'")
            if not table_name and current_table.split(".")[0].strip("\"' ") == key:
                return line_number
        elif (current_table == table_name and setting_pattern.match(line)) or (
            table_name and not current_table and dotted_pattern.match(line)
        ):
            return line_number
    inline_pattern = re.compile(rf"\s*{re.escape(table_name)}\s*=.*[{{,]\s*{quoted_key}\s*=")
    return next(
        (
            line_number
            for line_number, line in enumerate(toml_text.splitlines(), 1)
            if table_name and inline_pattern.match(line)
        ),
        None,
    )
