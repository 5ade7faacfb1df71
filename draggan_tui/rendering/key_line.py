"""The last row of the screen: the keys that are useful now, as `Enter place  d drag            ? help`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content

from .inspector_text import ACCENT

_HINT_GAP = 2


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
    *earlier_hints, last_hint = hints
    last_column = max(width - last_hint.width, 0)
    fitting_hints: list[tuple[int, KeyHint]] = []
    hint_column = 0
    for hint in earlier_hints:
        if hint_column + hint.width + _HINT_GAP > last_column:
            break
        fitting_hints.append((hint_column, hint))
        hint_column += hint.width + _HINT_GAP
    return [*fitting_hints, (last_column, last_hint)]


def key_line(hints: Sequence[KeyHint], width: int) -> Content:
    """Return the hints as one row of at most `width` columns."""
    row_content = Content("")
    for hint_column, hint in placed_hints(hints, width):
        row_content += Content.assemble(
            " " * (hint_column - len(row_content)), (hint.keys, f"bold {ACCENT}"), f" {hint.description}"
        )
    return row_content
