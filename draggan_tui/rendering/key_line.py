"""The keys that do something now, as one line: `Enter place  d drag            ? help`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content

from .inspector_text import ACCENT

_GAP = 2


class KeyHint(NamedTuple):
    """`keys` as people read them, what they do, and the action that a click on them runs."""

    keys: str
    words: str
    action: str = ""

    @property
    def width(self) -> int:
        return len(self.keys) + 1 + len(self.words)


def placed_hints(hints: Sequence[KeyHint], width: int) -> list[tuple[int, KeyHint]]:
    """The hints that fit into so many columns, each with its first column. The last one stands at the right end and is
    never left out; of the others those at the end go first."""
    if not hints:
        return []
    *others, last = hints
    end = max(width - last.width, 0)
    placed: list[tuple[int, KeyHint]] = []
    column = 0
    for hint in others:
        if column + hint.width + _GAP > end:
            break
        placed.append((column, hint))
        column += hint.width + _GAP
    return [*placed, (end, last)]


def key_line(hints: Sequence[KeyHint], width: int) -> Content:
    """One row of at most `width` columns."""
    line = Content("")
    for column, hint in placed_hints(hints, width):
        line += Content.assemble(" " * (column - len(line)), (hint.keys, f"bold {ACCENT}"), f" {hint.words}")
    return line
