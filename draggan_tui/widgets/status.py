"""The line above the keys: what just happened, what is wrong, or what a newcomer does next."""

from __future__ import annotations

import textwrap
from typing import Literal

from rich.text import Text
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

Kind = Literal["plain", "good", "warning", "bad"]


class StatusLine(Widget):
    """A message, or while there is none the next step, on the left; mode and count on the right. One row, or over the
    canvas as many as the text of a problem or a warning needs."""

    DEFAULT_CSS = """
    StatusLine { height: auto; max-height: 6; padding: 0 1; background: $panel; }
    StatusLine.good { color: $text-success; }
    StatusLine.warning { color: $text-warning; }
    StatusLine.bad { color: $text-error; text-style: bold; }
    """

    message: reactive[str] = reactive("", layout=True)
    next_step: reactive[str] = reactive("")
    mode: reactive[str] = reactive("")

    def say(self, message: str, kind: Kind = "plain") -> None:
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
        """The mode stands in the first; only a problem or a warning gets more than one."""
        room = max(width - len(self.mode) - 1, 1)
        text = self.message or self.next_step
        first, *rest = textwrap.wrap(text, room) or [""]
        if rest and not (self.has_class("bad") or self.has_class("warning")):
            first, rest = text, []
        line = Text(first)
        line.truncate(room, overflow="ellipsis", pad=True)
        return [line + Text(" " + self.mode, style="bold"), *map(Text, rest)]
