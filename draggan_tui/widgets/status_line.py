"""The line above the keys: what just happened, what is wrong, or what a newcomer does next."""

from __future__ import annotations

import textwrap
from typing import Literal

from rich.text import Text
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

MessageKind = Literal["plain", "good", "warning", "bad"]


class StatusLine(Widget):
    """A message, or while there is none the next step, on the left; mode and count on the right. One row, or
    as many as a message needs: it may end with a path."""

    DEFAULT_CSS = """
    StatusLine { height: auto; max-height: 6; padding: 0 1; background: $panel; }
    StatusLine.good { color: $text-success; }
    StatusLine.warning { color: $text-warning; }
    StatusLine.bad { color: $text-error; text-style: bold; }
    """

    message: reactive[str] = reactive("", layout=True)
    next_step: reactive[str] = reactive("")
    mode: reactive[str] = reactive("")

    def say(self, message: str, kind: MessageKind = "plain") -> None:
        """Shows a message until the next one, or until it is cleared."""
        self.set_class(kind == "good", "good")
        self.set_class(kind == "warning", "warning")
        self.set_class(kind == "bad", "bad")
        self.set_class(bool(message), "speaking")
        self.message = message

    def clear(self) -> None:
        """Remove the message: it has been read."""
        if self.message:
            self.say("")

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 (Textual's)
        return len(self._lines(width))

    def render(self) -> Text:
        return Text("\n").join(self._lines(self.content_size.width))

    def _lines(self, width: int) -> list[Text]:
        """The mode stands in the first; only a message gets more than one."""
        room = max(width - len(self.mode) - 1, 1)
        first, *rest = textwrap.wrap(self.message, room) or [self.next_step]
        line = Text(first)
        line.truncate(room, overflow="ellipsis", pad=True)
        return [line + Text(" " + self.mode, style="bold"), *map(Text, rest)]
