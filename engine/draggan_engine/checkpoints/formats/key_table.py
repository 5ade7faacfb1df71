"""Rename the tensors of a state dict by a table of patterns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

_Value = TypeVar("_Value")


class KeyTable:
    """Patterns of keys and what replaces them. A key becomes what the first pattern that matches the whole of it says, and
    stays as it is if there is none.

    Args:
        replacements: patterns, as in `re`, and the replacements, in which `\\1` stands for the first group.
    """

    def __init__(self, replacements: Mapping[str, str]) -> None:
        self._rules = [(re.compile(pattern), replacement) for pattern, replacement in replacements.items()]

    def rename(self, state: Mapping[str, _Value]) -> dict[str, _Value]:
        """Return the values under their new keys."""
        return {self._new_key(key): value for key, value in state.items()}

    def _new_key(self, key: str) -> str:
        for pattern, replacement in self._rules:
            if match := pattern.fullmatch(key):
                return match.expand(replacement)
        return key
