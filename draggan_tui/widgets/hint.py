"""The line that leads a new user through the first minute, and then goes for good."""

from __future__ import annotations

from textual.widgets import Static

from draggan_engine.protocol.edit import Edit
from draggan_tui import paths


def next_step(edit: Edit, dragging: bool) -> str:
    """What a newcomer does next; keys are named by their bindings."""
    if dragging:
        return "watch it go; {drag} stops it"
    if edit.latent:
        return "{save} saves, {undo} takes it back, {help} shows all keys; {cancel} ends these hints"
    if not edit.pairs:
        return "move with {left} {down} {up} {right} to what you want to drag, a nose perhaps, then {place}"
    if any(pair.target is None for pair in edit.pairs):
        return "now move to where that shall go, then {place}"
    return "{drag} drags it there"


class Hint(Static):
    """One row above the status line, until it has been read to its end once."""

    DEFAULT_CSS = """
    Hint { height: 1; padding: 0 1; display: none;
           background: $panel; color: $text-accent; text-wrap: nowrap; text-overflow: ellipsis; }
    Hint.open { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._wanted = paths.is_first_use()

    def say(self, text: str) -> None:
        """Shows a step, unless the hints have ended."""
        self.set_class(self._wanted, "open")
        if self._wanted and text != self.content:
            self.update(text)

    def end(self) -> None:
        """No hints any more: neither now nor the next time."""
        if self._wanted:
            self._wanted = False
            self.remove_class("open")
            paths.end_first_use()
