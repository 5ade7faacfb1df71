"""A line of text in a dialog, for keys that come in bursts, as over a slow line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.events import Key
from textual.widgets import Input


class TextField(Input):
    """Every key is done in its turn, before the letters that follow it: Enter and Escape, and also what Textual would look
    up as a binding only later (Ctrl-U, Backspace, the arrows). Keys that come when one of them has closed the dialog
    belong to what is below.

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

    async def on_key(self, event: Key) -> None:
        if self.app.screen is not self.screen:
            self.app.post_message(Key(event.key, event.character))
        elif event.key in self._at_once:
            self._at_once[event.key]()
        elif (active := self.screen.active_bindings.get(event.key)) and active.node is self:
            await self.run_action(active.binding.action)
        else:
            return
        event.stop()
        event.prevent_default()
