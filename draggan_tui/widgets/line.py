"""A line of text in a dialog, for keys that come in bursts, as over a slow line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.events import Key
from textual.widgets import Input


class Line(Input):
    """Enter and Escape, and what else would be looked up as a binding after the letters that follow it, are done at once, in
    their turn. Keys that come when that has closed the dialog belong to what is below.

    Args:
        at_once: key → what it does, besides Escape and Ctrl-C, which close the dialog, whatever is selected.
        placeholder: stands there while it is empty.
    """

    def __init__(
        self,
        at_once: Mapping[str, Callable[[], object]],
        placeholder: str = "",
        *,
        value: str = "",
        id: str | None = None,
    ) -> None:
        super().__init__(value, placeholder, id=id, compact=True)
        close = {key: lambda: self.screen.dismiss(None) for key in ("escape", "ctrl+c")}
        self._at_once = {**close, **at_once}

    def on_key(self, event: Key) -> None:
        if self.app.screen is not self.screen:
            event.stop()
            event.prevent_default()
            self.app.post_message(Key(event.key, event.character))
        elif event.key in self._at_once:
            event.stop()
            event.prevent_default()
            self._at_once[event.key]()
