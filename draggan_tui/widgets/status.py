"""The line above the keys: what just happened, what is wrong, and what is being typed."""

from __future__ import annotations

from typing import Literal

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

Kind = Literal["plain", "good", "bad"]


class StatusLine(Widget):
    """One row: a message on the left, count and mode on the right."""

    DEFAULT_CSS = """
    StatusLine { height: 1; padding: 0 1; background: $panel; }
    StatusLine.good { color: $text-success; }
    StatusLine.bad { color: $text-error; text-style: bold; }
    """

    message: reactive[str] = reactive("")
    mode: reactive[str] = reactive("")

    def say(self, message: str, kind: Kind = "plain") -> None:
        """Shows a message until the next one."""
        self.message = message
        self.set_class(kind == "good", "good")
        self.set_class(kind == "bad", "bad")

    def render(self) -> Text:
        room = max(self.content_size.width - len(self.mode) - 1, 0)
        text = Text(self.message)
        text.truncate(room, overflow="ellipsis", pad=True)
        return text + Text(" " + self.mode, style="bold")
