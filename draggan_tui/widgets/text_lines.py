"""Text in a panel that is often told what it shows already."""

from __future__ import annotations

from textual.visual import VisualType
from textual.widgets import Static


class TextLines(Static):
    """Lines that are cut where they are too long, not wrapped. Drawn again only when its text is another; the screen is
    laid out again only when there are more lines or fewer: a layout costs several times what drawing does."""

    DEFAULT_CSS = """
    TextLines { text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        if content != self.content or _style(content) != _style(self.content):
            super().update(content, layout=layout and _count(content) != _count(self.content))


def _style(content: VisualType) -> object:
    return getattr(content, "spans", None)  # which a Content's == does not look at


def _count(content: VisualType) -> int:
    return str(content).count("\n")
