"""Base class of the dialogs that open over the editor."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

DialogResult = TypeVar("DialogResult")


class Dialog(ModalScreen[DialogResult]):
    """A dialog that closes only once: over a slow line two Enters may arrive together, and both are meant for it."""

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "dismiss", show=False, id="interrupt"),
        Binding("ctrl+l", "app.redraw", show=False, id="redraw"),
        Binding("ctrl+z", "app.suspend_process", show=False, id="suspend"),
    ]

    def dismiss(self, result: DialogResult | None = None) -> AwaitComplete:
        """Close the dialog, unless it is closed already: then Textual would close the screen below, even the editor."""
        if self.app.screen is not self:
            return AwaitComplete()
        return super().dismiss(result)
