"""The last row of the screen: the keys that are useful now, as `Enter place  d drag            ? help`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content

from .inspector_text import ACCENT

_GAP = 2


class KeyHint(NamedTuple):
    """One hint of the key line.

    Attributes:
        keys: as people read them.
        description: what the keys do.
        action: what a click on the hint runs.
    """

    keys: str
    description: str
    action: str = ""

    @property
    def width(self) -> int:
        return len(self.keys) + 1 + len(self.description)


def placed_hints(hints: Sequence[KeyHint], width: int) -> list[tuple[int, KeyHint]]:
    """Return the hints that fit into a width, each with its first column.

    The last hint stands at the right end and is never left out. Of the others the last ones are left out first.
    """
    if not hints:
        return []
    *others, last = hints
    last_column = max(width - last.width, 0)
    placed: list[tuple[int, KeyHint]] = []
    column = 0
    for hint in others:
        if column + hint.width + _GAP > last_column:
            break
        placed.append((column, hint))
        column += hint.width + _GAP
    return [*placed, (last_column, last)]


def key_line(hints: Sequence[KeyHint], width: int) -> Content:
    """Return the hints as one row of at most `width` columns."""
    line = Content("")
    for column, hint in placed_hints(hints, width):
        line += Content.assemble(" " * (column - len(line)), (hint.keys, f"bold {ACCENT}"), f" {hint.description}")
    return line
