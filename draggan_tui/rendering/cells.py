"""A block of terminal cells, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from draggan_tui.terminal.xterm_palette import Rgb

BOLD, UNDERLINE, REVERSE = 1, 2, 4
CURSOR = 8
"""The cursor is in the cell. The terminal is told nothing of it: such cells are painted before others."""
VISIBLE_STYLES = BOLD | UNDERLINE | REVERSE
UPPER_HALF = ord("▀")

Index = slice | Sequence[int] | NDArray[np.intp] | int
"""Which rows or columns."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A grid of terminal cells. Every character is one cell wide.

    Attributes:
        char: `uint32 [rows, columns]`, code points.
        fg, bg: `uint8 [rows, columns, 3]`, RGB of the character and of its background.
        style: `uint8 [rows, columns]`, a sum of BOLD, UNDERLINE, REVERSE and CURSOR.
        graphic: `uint8 [rows, columns, 3]`: the number of a graphic that the terminal has, and which row and which column of
            it the cell shows in place of its character. The number 0 stands for none. None: no cell shows a graphic.
    """

    char: NDArray[np.uint32]
    fg: NDArray[np.uint8]
    bg: NDArray[np.uint8]
    style: NDArray[np.uint8]
    graphic: NDArray[np.uint8] | None = None

    @classmethod
    def blank(cls, rows: int, columns: int, ink: Rgb, paper: Rgb) -> Cells:
        """Return a grid of spaces."""
        return cls(
            np.full((rows, columns), ord(" "), dtype=np.uint32),
            np.full((rows, columns, 3), ink, dtype=np.uint8),
            np.full((rows, columns, 3), paper, dtype=np.uint8),
            np.zeros((rows, columns), dtype=np.uint8),
            np.zeros((rows, columns, 3), dtype=np.uint8),
        )

    @property
    def rows(self) -> int:
        return len(self.char)

    @property
    def columns(self) -> int:
        return int(self.char.shape[1])

    def take(self, rows: Index = slice(None), columns: Index = slice(None)) -> Cells:
        """Return some rows and columns, or the cells at pairs of a row and a column.

        If both are slices, the result shares memory with this grid.
        """
        return Cells(
            self.char[rows, columns],
            self.fg[rows, columns],
            self.bg[rows, columns],
            self.style[rows, columns],
            None if self.graphic is None else self.graphic[rows, columns],
        )

    def copy(self) -> Cells:
        """Return a grid that shares no memory with this one."""
        return Cells(
            self.char.copy(),
            self.fg.copy(),
            self.bg.copy(),
            self.style.copy(),
            None if self.graphic is None else self.graphic.copy(),
        )

    def paste(self, block: Cells, row: int, column: int) -> None:
        """Copy a block into this grid, which must have been made by `blank`. The block must fit."""
        self.put(block, slice(row, row + block.rows), slice(column, column + block.columns))

    def put(self, cells: Cells, rows: Index, columns: Index) -> None:
        """Replace some cells of this grid, which must have been made by `blank`, as `take` numbers them."""
        self.char[rows, columns], self.fg[rows, columns], self.bg[rows, columns] = cells.char, cells.fg, cells.bg
        self.style[rows, columns] = cells.style
        if self.graphic is not None:
            self.graphic[rows, columns] = 0 if cells.graphic is None else cells.graphic

    def differences(self, other_cells: Cells) -> NDArray[np.bool_]:
        """Return `bool [rows, columns]`: the cells that look different in another grid of the same size."""
        differs = np.asarray(
            (self.char != other_cells.char)
            | (self.style != other_cells.style)
            | (self.fg != other_cells.fg).any(axis=2)
            | (self.bg != other_cells.bg).any(axis=2)
        )
        graphic, other_graphic = self.graphics, other_cells.graphics
        shows_graphic = (graphic[..., 0] > 0) | (other_graphic[..., 0] > 0)
        return np.where(shows_graphic, (graphic != other_graphic).any(axis=2), differs)

    @property
    def graphics(self) -> NDArray[np.uint8]:
        """`graphic`, with zeros for None."""
        return np.zeros((*self.char.shape, 3), dtype=np.uint8) if self.graphic is None else self.graphic
