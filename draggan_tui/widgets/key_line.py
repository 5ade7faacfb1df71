"""The last row of the screen: the keys that are useful now."""

from __future__ import annotations

from textual.content import Content
from textual.events import Click
from textual.reactive import reactive
from textual.widget import Widget

from draggan_tui.rendering.key_line import KeyHint, key_line, placed_hints


class KeyLine(Widget):
    """Shows key hints. A click on a hint does what its key does."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyLine { dock: bottom; height: 1; padding: 0 1; background: $surface; }
    """

    hints: reactive[tuple[KeyHint, ...]] = reactive[tuple[KeyHint, ...]](())

    def render(self) -> Content:
        return key_line(self.hints, self.content_size.width)

    async def on_click(self, click_event: Click) -> None:
        click_column = click_event.x - self.gutter.left
        for start_column, hint in placed_hints(self.hints, self.content_size.width):
            if start_column <= click_column < start_column + hint.width and hint.action:
                await self.screen.run_action(hint.action)
