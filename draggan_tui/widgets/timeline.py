"""The line of the history under the canvas."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from draggan_tui.rendering.timeline import Stretch, timeline


class Timeline(Widget):
    """Says where in the history one is; decides nothing."""

    DEFAULT_CSS = """
    Timeline { height: 1; padding: 0 1; }
    """

    stretches: reactive[tuple[Stretch, ...]] = reactive(())
    label: reactive[str] = reactive("")

    def show(self, stretches: Sequence[Stretch], label: str) -> None:
        """What there is of the history on the present line, and in words where one is."""
        self.stretches, self.label = tuple(stretches), label

    def render(self) -> Content:
        return timeline(self.stretches, self.content_size.width, self.label)
