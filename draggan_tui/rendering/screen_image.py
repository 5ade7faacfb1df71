"""The cells of images on the whole screen: what they should show, and what the terminal shows.

A frame is the difference between the two. It is written in texts of a few cells, and between them what the user waits for
comes first, so the terminal may show parts of two frames. Cells count as shown once their text has been handed out.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from draggan_tui.rendering.ansi_encoding import EncodedCells, encode_changes
from draggan_tui.rendering.cell_strip import CellStrip
from draggan_tui.rendering.cells import CURSOR, Cells
from draggan_tui.rendering.color_difference import visible_differences
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.terminal.screen_update import ImageRow

BLACK = (0, 0, 0)


class ScreenImage:
    """Implements `ImageSource` of the driver's writer. Its methods are called by one thread at a time."""

    def __init__(self) -> None:
        self._depth: ColorDepth = "truecolor"
        self._frame_cells = Cells.blank(0, 0, BLACK, BLACK)
        self._frame_runs: deque[EncodedCells] = deque()
        self._first_row = 0  # the next frame begins here
        self.resize(0, 0)

    def resize(self, columns: int, rows: int) -> None:
        """Forget everything: there are no cells of images on the screen, and nobody knows what it shows."""
        self._wanted = Cells.blank(rows, columns, BLACK, BLACK)
        self._shown = Cells.blank(rows, columns, BLACK, BLACK)
        self._is_image = np.zeros((rows, columns), dtype=np.bool_)
        self._is_known = np.zeros((rows, columns), dtype=np.bool_)
        self._frame_runs.clear()

    def cover(self, row: int, column: int, end_column: int) -> None:
        """Note that these cells show something else than an image."""
        if row >= self._wanted.rows or not self._is_image[row, column:end_column].any():
            return
        self._frame_runs.clear()
        self._is_image[row, column:end_column] = self._is_known[row, column:end_column] = False

    def put(self, image_row: ImageRow) -> None:
        """Note what some cells should show."""
        row, column, strip = image_row.row, image_row.column, image_row.strip
        assert isinstance(strip, CellStrip), "only these are images"
        if strip.depth != self._depth:
            self._depth = strip.depth
            self._is_known[:] = False
            self._frame_runs.clear()
        cells = strip.cells.take(columns=slice(0, max(self._wanted.columns - column, 0)))
        self._wanted.paste(cells, row, column)
        self._is_image[row, column : column + cells.columns] = True

    # Frames -------------------------------------------------------------------------------------------

    def begin_frame(self, least_difference: float) -> None:
        """Begin a frame of what differs now, in which the rows come first that the last frame may not have reached.

        Args:
            least_difference: ΔE from which on cells differ, see `visible_differences`.
        """
        self._frame_cells = self._wanted.copy()
        frame_runs = self._encode(self._changes(least_difference))
        first_runs = [run for run in frame_runs if run.row >= self._first_row]
        self._frame_runs = deque(first_runs + frame_runs[: len(frame_runs) - len(first_runs)])

    @property
    def is_writing_frame(self) -> bool:
        """Whether a part of the frame has not been handed out."""
        return bool(self._frame_runs)

    def take_part(self, most_bytes: int) -> str:
        """Return as much of the rest of the frame as has at most so many bytes, but at least one text."""
        part_texts: list[str] = []
        part_bytes = 0
        while self._frame_runs:
            next_run = self._frame_runs[0]
            part_bytes += len(next_run.text.encode())
            if part_texts and part_bytes > most_bytes:
                break
            part_texts.append(next_run.text)
            self._mark_shown(self._frame_runs.popleft(), self._frame_cells)
            self._first_row = next_run.row + 1
        if not self._frame_runs:
            self._first_row = 0
        return "".join(part_texts)

    def take_cursor(self) -> str:
        """Return the cells that the cursor has entered or left, now; the rest of the frame is dropped, because it shows
        the cursor elsewhere."""
        has_cursor = (self._wanted.style & CURSOR) != (self._shown.style & CURSOR)
        if not (has_cursor & self._is_known & self._is_image).any():
            return ""
        is_near_cursor = ((self._wanted.style | self._shown.style) & CURSOR) != 0
        cursor_runs = self._encode(self._changes(0.0) & self._is_known & is_near_cursor)
        for run in cursor_runs:
            self._mark_shown(run, self._wanted)
        self._frame_runs.clear()
        return "".join(run.text for run in cursor_runs)

    def _changes(self, least_difference: float) -> NDArray[np.bool_]:
        is_different = visible_differences(self._wanted, self._shown, least_difference)
        return self._is_image & (is_different | ~self._is_known)

    def _encode(self, is_changed: NDArray[np.bool_]) -> list[EncodedCells]:
        return encode_changes(self._wanted, is_changed, self._depth)

    def _mark_shown(self, run: EncodedCells, cells: Cells) -> None:
        """Note that the terminal shows the cells of a text as they are there."""
        row, columns = run.row, run.columns
        self._shown.put(cells.take(row, columns), row, columns)
        self._is_known[row, columns] = True
