"""The line above the keys: what happened, what is wrong, or what a newcomer can do next."""

from __future__ import annotations

import textwrap

from rich.text import Text
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from draggan_tui.editor.commands.context import MessageKind


class StatusLine(Widget):
    """Shows a message on the left, or the next step while there is no message, and mode and count on the right.

    It has one row, or as many as a message needs, because messages may end with a path.
    """

    DEFAULT_CSS = """
    StatusLine { height: auto; max-height: 6; padding: 0 1; background: $panel; }
    StatusLine.good { color: $text-success; }
    StatusLine.warning { color: $text-warning; }
    StatusLine.bad { color: $text-error; text-style: bold; }
    """

    message: reactive[str] = reactive("", layout=True)
    next_step: reactive[str] = reactive("")
    mode: reactive[str] = reactive("")

    def show_message(self, message: str, kind: MessageKind = "plain") -> None:
        """Show a message until the next one, or until it is cleared."""
        self.set_class(kind == "good", "good")
        self.set_class(kind == "warning", "warning")
        self.set_class(kind == "bad", "bad")
        self.set_class(bool(message), "speaking")
        self.message = message

    def clear(self) -> None:
        """Remove the message."""
        if self.message:
            self.show_message("")

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 (Textual's)
        return len(self._lines(width))

    def render(self) -> Text:
        return Text("\n").join(self._lines(self.content_size.width))

    def _lines(self, width: int) -> list[Text]:
        """Return the rows; the first one ends with the mode, and only a message has more than one."""
        text_width = max(width - len(self.mode) - 1, 1)
        first_line, *other_lines = textwrap.wrap(self.message, text_width) or [self.next_step]
        first_row = Text(first_line)
        first_row.truncate(text_width, overflow="ellipsis", pad=True)
        return [first_row + Text(" " + self.mode, style="bold"), *map(Text, other_lines)]
