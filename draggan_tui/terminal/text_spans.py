"""Text on the screen, by its place: what has not been written yet, and what the terminal shows."""

from __future__ import annotations

from collections.abc import Callable

from draggan_tui.terminal.screen_update import TextSpan, byte_count


class TextSpans:
    """Spans in the order in which they came. A span that covers an earlier one replaces it; one that the terminal shows
    already is not written again."""

    def __init__(self) -> None:
        self._waiting_spans: dict[int, list[TextSpan]] = {}  # by their rows
        self._shown_spans: dict[int, list[TextSpan]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting_spans)

    def put(self, text_span: TextSpan) -> None:
        """Add a span."""
        row, column, end_column = text_span.row, text_span.column, text_span.end_column
        _keep(self._waiting_spans, row, lambda span: span.column < column or span.end_column > end_column)
        if row in self._waiting_spans or text_span not in self._shown_spans.get(row, []):
            self._waiting_spans.setdefault(row, []).append(text_span)

    def cover(self, row: int, column: int, end_column: int) -> None:
        """Note that a part of a row is going to show something else; spans that lie in it need not be written."""
        _keep(self._waiting_spans, row, lambda span: span.column < column or span.end_column > end_column)
        _keep(self._shown_spans, row, lambda span: span.end_column <= column or span.column >= end_column)

    def clear(self) -> None:
        """Forget all spans, and what the terminal shows."""
        self._waiting_spans.clear()
        self._shown_spans.clear()

    def next_size(self) -> int:
        """Return the bytes of the span that `take_piece` begins with; 0 without one."""
        return next((byte_count(spans[0].text) for spans in self._waiting_spans.values()), 0)

    def take_piece(self, most_bytes: int) -> str:
        """Return as many spans as have at most so many bytes, but at least one, and count them as shown."""
        piece_text, free_bytes = "", most_bytes
        while self._waiting_spans and (not piece_text or self.next_size() <= free_bytes):
            free_bytes -= self.next_size()
            row, row_spans = next(iter(self._waiting_spans.items()))
            text_span = row_spans.pop(0)
            piece_text += text_span.text
            if not row_spans:
                del self._waiting_spans[row]
            self._mark_shown(text_span)
        return piece_text

    def _mark_shown(self, text_span: TextSpan) -> None:
        row, column, end_column = text_span.row, text_span.column, text_span.end_column
        _keep(self._shown_spans, row, lambda span: span.end_column <= column or span.column >= end_column)
        self._shown_spans.setdefault(row, []).append(text_span)


def _keep(spans_by_row: dict[int, list[TextSpan]], row: int, is_kept: Callable[[TextSpan], bool]) -> None:
    """Remove the spans of a row that are not to be kept."""
    kept_spans = list(filter(is_kept, spans_by_row.pop(row, [])))
    if kept_spans:
        spans_by_row[row] = kept_spans
