"""What opens over the editor."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

DialogResult = TypeVar("DialogResult")


class Dialog(ModalScreen[DialogResult]):
    """Closes once: over a slow line two Enters come together, and both mean this one."""

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "dismiss", show=False, id="interrupt"),
        Binding("ctrl+l", "app.redraw", show=False, id="redraw"),
        Binding("ctrl+z", "app.suspend_process", show=False, id="suspend"),
    ]

    def dismiss(self, result: DialogResult | None = None) -> AwaitComplete:
        """Nothing if it is closed: Textual would close what is below, the editor too, and nothing would be left."""
        if self.app.screen is not self:
            return AwaitComplete()
        return super().dismiss(result)
