"""Which cells the glyphs of the points take: ● or ◎ at a point, o or x for a disabled pair, and the number beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from draggan_engine.core.geometry import Point

HANDLE_GLYPH, TARGET_GLYPH = "●", "◎"
# Letters, because they are one cell wide in every font, and ○ looks too much like ◎.
DISABLED_HANDLE_GLYPH, DISABLED_TARGET_GLYPH = "o", "x"


@dataclass(frozen=True, slots=True)
class PairMark:
    """A pair of points over the shown image. Points outside it are not drawn.

    Attributes:
        exact_handle, exact_target: (column, row) in screen pixels, without rounding; 0 is the middle of the first one.
    """

    number: int
    exact_handle: Point
    exact_target: Point | None = None
    selected: bool = False
    enabled: bool = True

    @property
    def handle(self) -> tuple[int, int]:
        """The screen pixel of the handle."""
        return _nearest_pixel(self.exact_handle)

    @property
    def target(self) -> tuple[int, int] | None:
        """The screen pixel of the target."""
        return None if self.exact_target is None else _nearest_pixel(self.exact_target)


def _nearest_pixel(position: Point) -> tuple[int, int]:
    return (ceil(position[0] - 0.5), ceil(position[1] - 0.5))


class Glyph(NamedTuple):
    """One cell of a point's mark."""

    row: int
    column: int
    char: str
    is_handle: bool
    selected: bool
    enabled: bool


def place_glyphs(pairs: Sequence[PairMark], rows: int, columns: int) -> list[Glyph]:
    """Return glyphs in the order in which they are drawn: the last one at a cell is visible.

    Points cover numbers, handles cover targets, and the selected pair covers all others. A number stands right of its
    point, or left of it if the right is taken or outside; it is left out if neither place is free.
    """
    # Points are drawn in this order, so those of the selected pair come last. Numbers take free cells, first come
    # first served, so they are placed in the opposite order.
    point_glyphs = list(_point_glyphs(sorted(pairs, key=lambda pair: pair.selected), rows, columns))
    occupied_cells = {(glyph.row, glyph.column) for glyph, _ in point_glyphs}
    number_glyphs: list[Glyph] = []
    for glyph, number_text in reversed(point_glyphs):
        for number_column in (glyph.column + 1, glyph.column - len(number_text)):
            digit_glyphs = [glyph._replace(column=number_column + i, char=digit) for i, digit in enumerate(number_text)]
            digit_cells = {(digit.row, digit.column) for digit in digit_glyphs}
            if all(0 <= digit.column < columns for digit in digit_glyphs) and not digit_cells & occupied_cells:
                number_glyphs += digit_glyphs
                occupied_cells |= digit_cells
                break
    return number_glyphs + [glyph for glyph, _ in point_glyphs]


def _point_glyphs(pairs: Sequence[PairMark], rows: int, columns: int) -> Iterator[tuple[Glyph, str]]:
    """Yield the glyph of each point inside the grid, and its number; targets first. A handle hides its own target."""
    for is_handle in (False, True):
        for pair in pairs:
            point_position = pair.handle if is_handle else pair.target
            if point_position is None:
                continue
            row, column = point_position[1] // 2, point_position[0]
            if not (0 <= row < rows and 0 <= column < columns):
                continue
            if not is_handle and (row, column) == (pair.handle[1] // 2, pair.handle[0]):
                continue
            if pair.enabled:
                char = HANDLE_GLYPH if is_handle else TARGET_GLYPH
            else:
                char = DISABLED_HANDLE_GLYPH if is_handle else DISABLED_TARGET_GLYPH
            yield Glyph(row, column, char, is_handle, pair.selected, pair.enabled), str(pair.number)
