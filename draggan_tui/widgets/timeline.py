"""The line of the history under the canvas."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from draggan_tui.rendering.timeline import TimelineSection, timeline_row


class Timeline(Widget):
    """Shows the present line of the history, and in words where on it the editor is."""

    DEFAULT_CSS = """
    Timeline { height: 1; padding: 0 1; }
    """

    sections: reactive[tuple[TimelineSection, ...]] = reactive(())
    label: reactive[str] = reactive("")

    def show(self, sections: Sequence[TimelineSection], label: str) -> None:
        """Show the sections of the line and the label at its right end."""
        self.sections, self.label = tuple(sections), label

    def render(self) -> Content:
        return timeline_row(self.sections, self.content_size.width, self.label)
