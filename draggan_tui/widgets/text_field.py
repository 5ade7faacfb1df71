"""The text field of a dialog."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.events import Key
from textual.widgets import Input


class TextField(Input):
    """A field in which keys act in their order, also when they arrive in a burst over a slow line.

    Textual looks up bindings (Ctrl-U, Backspace, arrows) later than letters; this field runs them at once. Keys that
    follow the key that closes the dialog go to the screen below.

    Args:
        key_actions: key → what it does, in addition to Escape and Ctrl-C, which close the dialog.
        placeholder: is shown while the field is empty.
    """

    def __init__(
        self,
        key_actions: Mapping[str, Callable[[], object]],
        placeholder: str = "",
        *,
        value: str = "",
        id: str | None = None,
    ) -> None:
        super().__init__(value, placeholder, id=id, compact=True)
        close_actions = {key: lambda: self.screen.dismiss(None) for key in ("escape", "ctrl+c")}
        self._key_actions = {**close_actions, **key_actions}

    async def on_key(self, key_event: Key) -> None:
        if self.app.screen is not self.screen:
            self.app.post_message(Key(key_event.key, key_event.character))
        elif key_event.key in self._key_actions:
            self._key_actions[key_event.key]()
        elif (active_binding := self.screen.active_bindings.get(key_event.key)) and active_binding.node is self:
            await self.run_action(active_binding.binding.action)
        else:
            return
        key_event.stop()
        key_event.prevent_default()
