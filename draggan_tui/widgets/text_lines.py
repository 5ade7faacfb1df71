"""Lines of text in a panel that are updated often."""

from __future__ import annotations

from textual.visual import VisualType
from textual.widgets import Static


class TextLines(Static):
    """Lines that are cut instead of wrapped.

    They are drawn again only when the text changes, and the screen is laid out again only when the number of lines
    changes, because a layout takes several times as long as drawing.
    """

    DEFAULT_CSS = """
    TextLines { text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        if content != self.content or _spans(content) != _spans(self.content):
            super().update(content, layout=layout and _line_breaks(content) != _line_breaks(self.content))


def _spans(content: VisualType) -> object:
    return getattr(content, "spans", None)  # `Content` compares equal to another with the same text and other spans


def _line_breaks(content: VisualType) -> int:
    return str(content).count("\n")
