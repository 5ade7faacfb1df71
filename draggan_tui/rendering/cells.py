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


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A grid of terminal cells. Every character is one cell wide.

    Attributes:
        char: `uint32 [rows, columns]`, code points.
        fg, bg: `uint8 [rows, columns, 3]`, RGB of the character and of its background.
        style: `uint8 [rows, columns]`, a sum of BOLD, UNDERLINE, REVERSE and CURSOR.
    """

    char: NDArray[np.uint32]
    fg: NDArray[np.uint8]
    bg: NDArray[np.uint8]
    style: NDArray[np.uint8]

    @classmethod
    def blank(cls, rows: int, columns: int, ink: Rgb, paper: Rgb) -> Cells:
        """Return a grid of spaces."""
        return cls(
            np.full((rows, columns), ord(" "), dtype=np.uint32),
            np.full((rows, columns, 3), ink, dtype=np.uint8),
            np.full((rows, columns, 3), paper, dtype=np.uint8),
            np.zeros((rows, columns), dtype=np.uint8),
        )

    @property
    def rows(self) -> int:
        return len(self.char)

    @property
    def columns(self) -> int:
        return int(self.char.shape[1])

    def take(self, rows: slice | Sequence[int] = slice(None), columns: slice = slice(None)) -> Cells:
        """Return some rows and columns. If both are slices, the result shares memory with this grid."""
        return Cells(
            self.char[rows, columns], self.fg[rows, columns], self.bg[rows, columns], self.style[rows, columns]
        )

    def at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Cells:
        """Return the cells at these places, arrays of the result's shape, as a copy."""
        return Cells(
            self.char[rows, columns], self.fg[rows, columns], self.bg[rows, columns], self.style[rows, columns]
        )

    def copy(self) -> Cells:
        """Return a grid that shares no memory with this one."""
        return Cells(self.char.copy(), self.fg.copy(), self.bg.copy(), self.style.copy())

    def paste(self, block: Cells, row: int, column: int) -> None:
        """Copy a block into this grid. The block must fit."""
        block_area = (slice(row, row + block.rows), slice(column, column + block.columns))
        self.char[block_area], self.fg[block_area], self.bg[block_area] = block.char, block.fg, block.bg
        self.style[block_area] = block.style

    def differences(self, other_cells: Cells) -> NDArray[np.bool_]:
        """Return `bool [rows, columns]`: the cells in which another grid of the same size differs."""
        return np.asarray(
            (self.char != other_cells.char)
            | (self.style != other_cells.style)
            | (self.fg != other_cells.fg).any(axis=2)
            | (self.bg != other_cells.bg).any(axis=2)
        )
