"""Tables of TOML files as dataclasses. pydantic checks what a person wrote, and is imported only where there is such a
thing: with nothing of the user's a start does without it, a tenth of the time to the first frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

UNKNOWN = "unexpected_keyword_argument"  # pydantic's word for a key that a table does not have
FORBID = {"extra": "forbid"}
"""To be the `__pydantic_config__` of such a dataclass."""

Table = TypeVar("Table")


@dataclass(frozen=True)
class Check:
    """In an annotation: what makes the field's value of the written one; it raises what `wrong` gives."""

    value: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(self.value)


def wrong(kind: str, message: str, **words: str) -> Exception:
    """For a `Check` to raise: the message is pydantic's template, with {words}."""
    from pydantic_core import PydanticCustomError

    return PydanticCustomError(kind, message, words)


def checked(kind: type[Table], table: Mapping[str, Any]) -> Table:
    """A table as that dataclass.

    Raises:
        ValidationError: an unknown or missing key, or a wrong value.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(kind).validate_python(table)
