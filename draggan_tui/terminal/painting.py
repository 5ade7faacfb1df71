"""From the strips that Textual wants to be painted to what is sent for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.control import Control
from textual.app import App

from draggan_tui.terminal.screen_update import ImageRow, ScreenUpdate, TextSpan
from draggan_tui.terminal.textual_internals import LazyStrip, PlacedStrip

LONGEST_TEXT = 2000  # characters of a span, with the sequences that set colours


def screen_update(app: App[Any], placed_strips: Iterable[PlacedStrip], *, is_full: bool) -> ScreenUpdate:
    """Return what is to be painted, separated into text and images."""
    text_spans: list[TextSpan] = []
    image_rows: list[ImageRow] = []
    for placed_strip in placed_strips:
        row, column, strip = placed_strip
        if isinstance(strip, LazyStrip) and strip.is_image:
            image_rows.append(ImageRow(row, column, strip))
        else:
            text_spans += _text_spans(placed_strip, app.console)
    cursor_place = app.screen.outer_size.clamp_offset(app.cursor_position)
    return ScreenUpdate(text_spans, image_rows, is_full, (app.size.width, app.size.height), _move_to(*cursor_place))


def _text_spans(placed_strip: PlacedStrip, console: Console) -> Iterator[TextSpan]:
    """Yield a strip as text, in halves if it is too long to be written at once."""
    row, column, strip = placed_strip
    columns = strip.cell_length
    text = _move_to(column, row) + strip.render(console)
    if len(text) < LONGEST_TEXT or columns < 4:
        yield TextSpan(row, column, column + columns, text)
        return
    for half_strip in strip.divide([columns // 2, columns]):
        yield from _text_spans(PlacedStrip(row, column, half_strip), console)
        column += half_strip.cell_length


def _move_to(column: int, row: int) -> str:
    return Control.move_to(column, row).segment.text
