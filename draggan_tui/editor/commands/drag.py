"""Drags, as the screen knows them."""

from __future__ import annotations

from collections.abc import Iterable

from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import distance
from draggan_engine.core.history import Revision
from draggan_tui.editor.history_cursor import HistoryCursor
from draggan_tui.editor.state import State


class DragTools(State):
    """What a drag is while it runs, by itself or by hand, and what it leaves."""

    def begin_drag(self) -> None:
        """The present edit is dragged."""
        self.at_rest()
        within = self.edit.settings.stop_distance_for(len(pairs := self.edit.check_drag(self.picture)))
        if all(distance(handle, target) <= within for handle, target in pairs):
            there = f"every handle is within {within:g} px of its target"
            raise EditError(f"nothing to drag: {there}; {{retarget}} sets a new one")
        self._hold_still(led=None)

    def begin_leading(self) -> int:
        """The selected pair is led by hand from its handle, where the cursor goes; returns its index."""
        self.at_rest()
        led = self._selected()
        self.edit.check_drag(self.picture, led)
        self.cursor = self.edit.pairs[led].handle
        self._hold_still(led)
        return led

    def _hold_still(self, led: int | None) -> None:
        """Nothing but the hand moves while a drag runs; it begins at an entry of the history that is kept."""
        self._land()
        self._dragged = tuple(self.edit.dragged_pairs(led))
        self.pen, self.shape, self.draft, self.dragging, self.moved = False, None, None, True, None
        self.led, self._let_go_at = led, None
        self.revision += 1

    def let_go(self) -> None:
        """The pair that was led by hand goes on to where the cursor is now, and the drag ends there."""
        self._let_go_at = self.cursor

    def end_drag(self, entry: Revision | None) -> None:
        """The drag is over; what it has made, if anything, is the present entry of the history."""
        self.dragging, self.moved, self.led = False, None, None
        if entry is not None:
            self._travel(HistoryCursor(self.history.merge([entry]).jump_to(entry.id)), keep=True)

    def adopt(self, entries: Iterable[Revision]) -> None:
        """Drags that the engine has kept, and of which it could not tell."""
        self.history_cursor = HistoryCursor(self.history.merge(entries), self.history_cursor.step_index)
