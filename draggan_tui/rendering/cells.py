"""A block of terminal cells, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from draggan_tui.terminal.xterm_palette import Rgb

BOLD, UNDERLINE, REVERSE = 1, 2, 4
UPPER_HALF = ord("▀")


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A grid of terminal cells. Every character is one cell wide.

    Attributes:
        char: `uint32 [rows, columns]`, code points.
        fg, bg: `uint8 [rows, columns, 3]`, RGB of the character and of its background.
        style: `uint8 [rows, columns]`, a sum of BOLD, UNDERLINE and REVERSE.
        picture: `uint8 [rows, columns, 3]`: the number of a picture that the terminal has, and which row and which column of
            it the cell shows in place of its character. The number 0 stands for none. None: no cell shows a picture.
    """

    char: NDArray[np.uint32]
    fg: NDArray[np.uint8]
    bg: NDArray[np.uint8]
    style: NDArray[np.uint8]
    picture: NDArray[np.uint8] | None = None

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
            self.char[rows, columns],
            self.fg[rows, columns],
            self.bg[rows, columns],
            self.style[rows, columns],
            None if self.picture is None else self.picture[rows, columns],
        )

    def paste(self, block: Cells, row: int, column: int) -> None:
        """Copy the characters of a block into this grid. The block must fit."""
        block_area = (slice(row, row + block.rows), slice(column, column + block.columns))
        self.char[block_area], self.fg[block_area], self.bg[block_area] = block.char, block.fg, block.bg
        self.style[block_area] = block.style

    def differences(self, other_cells: Cells) -> NDArray[np.bool_]:
        """Return `bool [rows, columns]`: the cells that look different in another grid of the same size."""
        differs = np.asarray(
            (self.char != other_cells.char)
            | (self.style != other_cells.style)
            | (self.fg != other_cells.fg).any(axis=2)
            | (self.bg != other_cells.bg).any(axis=2)
        )
        if self.picture is None and other_cells.picture is None:
            return differs
        pictures, other_pictures = self._pictures(), other_cells._pictures()
        shows_picture = (pictures[..., 0] > 0) | (other_pictures[..., 0] > 0)
        return np.where(shows_picture, (pictures != other_pictures).any(axis=2), differs)

    def _pictures(self) -> NDArray[np.uint8]:
        return np.zeros((*self.char.shape, 3), dtype=np.uint8) if self.picture is None else self.picture
