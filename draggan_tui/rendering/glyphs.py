"""Which cells the signs of the points take: ● or ◎ where a point is, o or x of a disabled pair, its number beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

HANDLE_GLYPH, TARGET_GLYPH = "●", "◎"
# Letters, because they are one cell wide everywhere, and ○ is too like ◎.
DISABLED_HANDLE_GLYPH, DISABLED_TARGET_GLYPH = "o", "x"


@dataclass(frozen=True, slots=True)
class PairMark:
    """A pair of points on the preview; both (column, row) in its pixels. What is outside is not shown."""

    number: int
    handle: tuple[int, int]
    target: tuple[int, int] | None = None
    selected: bool = False
    enabled: bool = True


class Glyph(NamedTuple):
    """One cell of a sign."""

    row: int
    column: int
    char: str
    is_handle: bool
    selected: bool
    enabled: bool


def place_glyphs(pairs: Sequence[PairMark], rows: int, columns: int) -> list[Glyph]:
    """Signs in the order they are drawn: a cell may come twice, the last wins.

    The symbols win over numbers, handles over targets, and the selected pair over all. A number goes right of its
    symbol, or left of it where the right is taken or outside; it is left out where neither is free.
    """
    # The selected pair's come last here, so they win; for numbers the first takes its place, so these go backwards.
    symbols = list(_symbols(sorted(pairs, key=lambda pair: pair.selected), rows, columns))
    taken = {(symbol.row, symbol.column) for symbol, _ in symbols}
    numbers: list[Glyph] = []
    for symbol, number in reversed(symbols):
        for column in (symbol.column + 1, symbol.column - len(number)):
            cells = [symbol._replace(column=column + i, char=digit) for i, digit in enumerate(number)]
            free = all(0 <= cell.column < columns and (cell.row, cell.column) not in taken for cell in cells)
            if free:
                numbers += cells
                taken.update((cell.row, cell.column) for cell in cells)
                break
    return numbers + [symbol for symbol, _ in symbols]


def _symbols(pairs: Sequence[PairMark], rows: int, columns: int) -> Iterator[tuple[Glyph, str]]:
    """Each point's symbol inside the grid, with its number; targets first. A handle hides its own target."""
    for is_handle in (False, True):
        for pair in pairs:
            point = pair.handle if is_handle else pair.target
            if point is None:
                continue
            row, column = point[1] // 2, point[0]
            if not (0 <= row < rows and 0 <= column < columns):
                continue
            if not is_handle and (row, column) == (pair.handle[1] // 2, pair.handle[0]):
                continue
            handle, target = (
                (HANDLE_GLYPH, TARGET_GLYPH) if pair.enabled else (DISABLED_HANDLE_GLYPH, DISABLED_TARGET_GLYPH)
            )
            char = handle if is_handle else target
            yield Glyph(row, column, char, is_handle, pair.selected, pair.enabled), str(pair.number)
