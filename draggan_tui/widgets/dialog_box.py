"""The frame of a dialog."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import VerticalScroll

from draggan_tui.rendering.dialog_hints import dialog_hints

BORDER_CORNERS = 6  # cells of a border that its text leaves free


class DialogBox(VerticalScroll):
    """Its title is in the top border, what the keys do in the bottom one. As high as what is in it; what does not fit on
    the screen scrolls, between children of the classes `head` and `foot`, which stay.

    Args:
        title: plain text.
        hints: key and what it does, the most important first, how to get out last.
        can_focus: whether keys scroll it.
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
        self._hints = hints
        self.name_in_border(title)

    def name_in_border(self, title: str) -> None:
        """Shows a title, which may hold brackets."""
        self.border_title = title.replace("[", r"\[")

    def on_resize(self) -> None:
        self.border_subtitle = dialog_hints(self._hints, self.outer_size.width - BORDER_CORNERS)
