"""A branch in the list of branches: a small image of how it ends, and beside it what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

from draggan_engine.core.geometry import Size
from draggan_tui.config.themes import CanvasColors
from draggan_tui.editor.viewport import Viewport
from draggan_tui.terminal.xterm_palette import Rgb

from .cell_strip import segments
from .cells import Cells
from .dithering import ColorDepth
from .overlay import Overlay, compose
from .view_sampling import sample_view

THUMBNAIL_GAP = 2


def thumbnail(
    image: NDArray[np.uint8], rows: int, depth: ColorDepth, colors: CanvasColors, ink: Rgb, paper: Rgb
) -> Cells:
    """An image as cells: that many rows, twice as many columns, the image in the middle.

    Args:
        image: `uint8 [H, W, 3]`.
    """
    view = Viewport(Size(image.shape[1], image.shape[0]), Size(2 * rows, 2 * rows))
    cells = Cells.blank(rows, 2 * rows, ink, paper)
    left, top = view.corner
    cells.paste(compose(sample_view(image, view), Overlay(), depth, colors, ink=ink, paper=paper), top // 2, left)
    return cells


@dataclass(frozen=True, eq=False)
class BranchOption:
    """A Rich renderable of `rows` lines.

    Attributes:
        lines: what the branch is, the first one in bold.
        rows: how high the thumbnail is.
        cells: the thumbnail; None: its image has not come yet.
    """

    lines: Sequence[str]
    rows: int
    cells: Cells | None
    depth: ColorDepth

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(2 * self.rows + THUMBNAIL_GAP, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - 2 * self.rows - THUMBNAIL_GAP
        texts = [*self.lines, *[""] * self.rows][: self.rows]
        for row, text in enumerate(texts):
            if self.cells is None:
                yield Segment("·".center(2 * self.rows) if row == self.rows // 2 else " " * 2 * self.rows)
            else:
                yield from segments(self.cells.take(slice(row, row + 1)), self.depth)
            cut = text if len(text) <= room else f"{text[: room - 1]}…"
            yield Segment(" " * THUMBNAIL_GAP + cut, Style(bold=True) if row == 0 else Style())
            yield Segment.line()
