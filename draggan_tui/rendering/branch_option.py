"""One entry of the list of branches: a small image of how the branch ends, and beside it what the branch is."""

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
from draggan_tui.editor.viewport import Viewport

from .cell_strip import segments
from .cells import Cells
from .dithering import ColorDepth
from .overlay import CanvasStyle, Overlay, compose_view
from .view_sampling import sample_view

THUMBNAIL_GAP = 2


def thumbnail(image: NDArray[np.uint8], rows: int, style: CanvasStyle) -> Cells:
    """Return an image as `rows` rows of twice as many columns, with the image in the middle.

    Args:
        image: `uint8 [H, W, 3]`.
    """
    thumbnail_view = Viewport(Size(image.shape[1], image.shape[0]), Size(2 * rows, 2 * rows))
    return compose_view(sample_view(image, thumbnail_view, style.parts), thumbnail_view, Overlay(), style)


@dataclass(frozen=True, eq=False)
class BranchOption:
    """A Rich renderable of `rows` lines.

    Attributes:
        lines: what the branch is; the first line is bold.
        rows: height of the thumbnail.
        thumbnail: None while its image has not arrived.
        depth: how many colours the terminal has.
    """

    lines: Sequence[str]
    rows: int
    thumbnail: Cells | None
    depth: ColorDepth

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(2 * self.rows + THUMBNAIL_GAP, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text_width = options.max_width - 2 * self.rows - THUMBNAIL_GAP
        shown_lines = [*self.lines, *[""] * self.rows][: self.rows]
        for line_index, line_text in enumerate(shown_lines):
            if self.thumbnail is None:
                yield Segment("·".center(2 * self.rows) if line_index == self.rows // 2 else " " * 2 * self.rows)
            else:
                yield from segments(self.thumbnail.take(slice(line_index, line_index + 1)), self.depth)
            visible_text = line_text if len(line_text) <= text_width else f"{line_text[: text_width - 1]}…"
            yield Segment(" " * THUMBNAIL_GAP + visible_text, Style(bold=True) if line_index == 0 else Style())
            yield Segment.line()
