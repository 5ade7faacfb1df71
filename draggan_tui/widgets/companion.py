"""The panel of wide terminals: the image before the drags, and the selected handle enlarged."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.containers import Vertical

from draggan_engine.core.geometry import Point, Size
from draggan_tui.widgets.loupe import Loupe
from draggan_tui.widgets.start_image import StartImage
from draggan_tui.widgets.text_panel import Lines

NARROWEST, WIDEST = 34, 62
"""Columns, one of margin on each side included."""
NO_DRAG, NO_HANDLE = "The image before the first drag\nappears here.", "The selected handle, enlarged,\nappears here."


class Companion(Vertical):
    """Shows what it is given; decides nothing."""

    DEFAULT_CSS = """
    Companion { width: 34; padding: 0 1; background: $background; }
    Companion > Vertical { height: auto; }
    Companion #enlarged { height: 1fr; margin-top: 1; }
    Companion .title { color: $text-muted; }
    Companion StartImage { width: 1fr; height: auto; display: none; }
    Companion Loupe { width: 1fr; height: 1fr; display: none; }
    Companion .filled StartImage, Companion .filled Loupe { display: block; }
    """

    def compose(self) -> ComposeResult:
        with Vertical(id="before"):
            yield Lines(NO_DRAG, classes="title")
            yield StartImage()
        with Vertical(id="enlarged"):
            yield Lines(NO_HANDLE, classes="title")
            yield Loupe()

    def show_before(self, rgb: NDArray[np.uint8] | None, image: Size) -> None:
        """The image that the present one is compared with; none: there is no other."""
        self._title("#before", NO_DRAG if rgb is None else "before", filled=rgb is not None)
        if rgb is not None:
            start_image = self.query_one(StartImage)
            rows = ceil(self.content_size.width * image.height / image.width / 2)
            start_image.styles.height = min(rows, self.size.height // 2)
            start_image.show(rgb, image)

    def show_handle(self, title: str, handle: Point, rgb: NDArray[np.uint8], image: Size) -> None:
        """The selected handle in the loupe; the other arguments are those of `Loupe.show`."""
        self._title("#enlarged", title, filled=True)
        self.query_one(Loupe).show(rgb, image, handle)

    def hide_handle(self) -> None:
        """None is selected, or there is no image."""
        self._title("#enlarged", NO_HANDLE, filled=False)

    def _title(self, part: str, title: str, *, filled: bool) -> None:
        self.query_one(part).set_class(filled, "filled")
        self.query_one(f"{part} .title", Lines).update(title)


def companion_width(columns: int, image_columns: int, others: int) -> int:
    """What the image and the other panels leave, within limits."""
    return min(max(columns - image_columns - others, NARROWEST), WIDEST)
