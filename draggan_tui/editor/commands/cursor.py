"""The cursor."""

from __future__ import annotations

from draggan_engine.core import edit_ops
from draggan_engine.core.geometry import Point, Size, convert
from draggan_tui.editor.state import State

MAX_COUNT = 9999


class CursorTools(State):
    """Moving, by half-cells, and typing a count."""

    def type_digit(self, digit: int) -> None:
        self.count = min(self.count * 10 + digit, MAX_COUNT)

    def move(self, dx: int, dy: int, grid: Size) -> None:
        """Moves the cursor by preview pixels, times the count; the pen paints all on the way as one change."""
        times = self._take_count()
        passed: list[Point] = []
        column, row = self.pixel(self._cursor(), grid)
        end = (min(max(column + dx * times, 0), grid.width - 1), min(max(row + dy * times, 0), grid.height - 1))
        while (column, row) != end:
            column += _sign(end[0] - column)
            row += _sign(end[1] - row)
            self._step_to((column, row), bool(dx), bool(dy), grid)
            passed.append(self._cursor())
        if self.pen and passed and not self.dragging:
            self.change(edit_ops.paint_stroke(self.edit, passed, self.brush, grid, self.picture))

    def move_to(self, point: Point) -> None:
        self._cursor()
        self.cursor = point

    def to_edge(self, x: int, y: int, grid: Size) -> None:
        """To the last preview pixel in that direction, without painting."""
        column, row = self.pixel(self._cursor(), grid)
        column = column if x == 0 else (grid.width - 1 if x > 0 else 0)
        row = row if y == 0 else (grid.height - 1 if y > 0 else 0)
        self._step_to((column, row), bool(x), bool(y), grid)

    def _step_to(self, pixel: tuple[int, int], across: bool, down: bool, grid: Size) -> None:
        """The middle of a preview pixel; the axis that does not move keeps its place to the fraction."""
        x, y = self._cursor()
        new_x, new_y = convert(pixel, grid, self.picture)
        self.cursor = (new_x if across else x, new_y if down else y)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
