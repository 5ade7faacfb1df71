"""The box of a dialog: a border with a title and hints, and scrolling content."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import VerticalScroll

from draggan_tui.rendering.dialog_hints import dialog_hints

BORDER_CORNERS = 6  # cells of the border that cannot hold text


class DialogBox(VerticalScroll):
    """A box with a title in the top border and hints for keys in the bottom border.

    It is as high as its content. Content that does not fit on the screen scrolls between children of the classes `head`
    and `foot`, which stay in place.

    Args:
        title: plain text.
        hints: pairs of a key and what it does, the most important first, and how to close the dialog last.
        can_focus: whether keys scroll the box.
    """

    DEFAULT_CSS = """
    DialogBox {
        width: 72;
        max-width: 100%;
        height: auto;
        max-height: 100%;
        padding: 0 1;
        background: $surface;
        border: round $accent;
        border-title-color: $foreground;
        border-title-style: bold;
        border-subtitle-color: $foreground;
        scrollbar-size-vertical: 1;
        scrollbar-color: $text-muted;
        scrollbar-background: $surface;
    }
    DialogBox .head { dock: top; }
    DialogBox .foot { dock: bottom; height: auto; }
    DialogBox .muted { color: $text-muted; }
    DialogBox #problem { color: $text-error; height: auto; }
    DialogBox OptionList {
        height: auto;
        background: $surface;
        background-tint: transparent;
        text-wrap: nowrap;
        text-overflow: ellipsis;
        scrollbar-size-vertical: 1;
        scrollbar-color: $text-muted;
        scrollbar-background: $surface;
    }
    DialogBox OptionList > .option-list--option-highlighted, DialogBox OptionList:focus > .option-list--option-highlighted {
        background: $accent;
        color: auto 95%;
        text-style: bold;
    }
    """

    def __init__(self, title: str, hints: Sequence[tuple[str, str]], *, can_focus: bool = False) -> None:
        super().__init__(can_focus=can_focus)
        self._key_hints = hints
        self.set_title(title)

    def set_title(self, title: str) -> None:
        """Show a title, which may contain brackets."""
        self.border_title = title.replace("[", r"\[")

    def on_resize(self) -> None:
        self.border_subtitle = dialog_hints(self._key_hints, self.outer_size.width - BORDER_CORNERS)
