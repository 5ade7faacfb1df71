"""The panel of wide terminals: the image before the drags, and the selected handle enlarged."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.containers import Vertical

from draggan_engine.core.geometry import Size
from draggan_tui.rendering.loupe import CloseUp
from draggan_tui.widgets.before_image import BeforeImage
from draggan_tui.widgets.loupe import Loupe
from draggan_tui.widgets.text_lines import TextLines

NARROWEST_PANEL, WIDEST_PANEL = 34, 62
"""Columns of the panel, including one of padding on each side."""
NO_DRAG, NO_HANDLE = "The image before the first drag\nappears here.", "The selected handle, enlarged,\nappears here."


class WidePanel(Vertical):
    """Shows the image before the drags above, and the selected handle below."""

    DEFAULT_CSS = """
    WidePanel { width: 34; padding: 0 1; background: $background; }
    WidePanel > Vertical { height: auto; }
    WidePanel #enlarged { height: 1fr; margin-top: 1; }
    WidePanel .title { color: $text-muted; }
    WidePanel BeforeImage { width: 1fr; height: auto; display: none; }
    WidePanel Loupe { width: 1fr; height: 1fr; display: none; }
    WidePanel .filled BeforeImage, WidePanel .filled Loupe { display: block; }
    """

    def compose(self) -> ComposeResult:
        with Vertical(id="before"):
            yield TextLines(NO_DRAG, classes="title")
            yield BeforeImage()
        with Vertical(id="enlarged"):
            yield TextLines(NO_HANDLE, classes="title")
            yield Loupe()

    def show_before(self, image: NDArray[np.uint8] | None, full_size: Size) -> None:
        """Show the image that the present one is compared with.

        Args:
            image: `uint8 [H, W, 3]`. None: there is no such image.
            full_size: size of the full-resolution image.
        """
        self._set_title("#before", NO_DRAG if image is None else "before", is_filled=image is not None)
        if image is not None:
            before_image = self.query_one(BeforeImage)
            image_rows = ceil(self.content_size.width * full_size.height / full_size.width / 2)
            before_image.styles.height = min(image_rows, self.size.height // 2)
            before_image.show(image, full_size)

    def show_handle(self, close_up: CloseUp | None) -> None:
        """Show the selected handle. None: no handle is selected, or there is no image."""
        self._set_title("#enlarged", NO_HANDLE if close_up is None else close_up.title, is_filled=close_up is not None)
        if close_up is not None:
            self.query_one(Loupe).show(close_up)

    def _set_title(self, part_selector: str, title: str, *, is_filled: bool) -> None:
        self.query_one(part_selector).set_class(is_filled, "filled")
        self.query_one(f"{part_selector} .title", TextLines).update(title)


def wide_panel_width(screen_columns: int, image_columns: int, other_columns: int) -> int:
    """Return the columns that the image and the other panels leave, within the limits of the panel."""
    return min(max(screen_columns - image_columns - other_columns, NARROWEST_PANEL), WIDEST_PANEL)
