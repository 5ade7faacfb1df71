"""What opens over the editor."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """Closes once: over a slow line two Enters come together, and both mean this one."""

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Nothing if it is closed: Textual would close what is below, the editor too, and nothing would be left."""
        if self.app.screen is not self:
            return AwaitComplete()
        return super().dismiss(result)
