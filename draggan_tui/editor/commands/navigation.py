"""The way through the history, and to other pictures."""

from __future__ import annotations

from draggan_engine.core import edit_ops
from draggan_engine.core.errors import EditError
from draggan_tui.editor.history_cursor import HistoryCursor, nearest_drag, unread
from draggan_tui.editor.state import State


class TravelTools(State):
    """Undo, redo, scrubbing, branches; seeds, classes, the latent space."""

    def undo(self) -> None:
        """As many changes back as the count says, or as there are."""
        self.at_rest()
        if self.history.current_revision.parent is None:
            raise EditError("there is nothing to undo")
        history = self.history
        for _ in range(self._take_count()):
            history = history.undo()
        self._travel(HistoryCursor(history), keep=False)

    def redo(self) -> None:
        """As many changes forward as the count says, or as there are; from within a drag, first to its end."""
        self.at_rest()
        history, inside = self.history, self.history_cursor.step_index is not None
        if not inside and history.current not in history.last_child:
            raise EditError("there is nothing to redo")
        for _ in range(self._take_count() - inside):
            history = history.redo()
        self._travel(HistoryCursor(history), keep=False)

    def unread(self) -> tuple[int, ...]:
        """The drags whose ways must be read before one can scrub."""
        return unread(self.history, self.trajectories)

    def scrub(self, direction: int) -> None:
        """A step on or back, times the count: of drags, and of the entries between them."""
        self.at_rest()
        place, steps = self.history_cursor, direction * self._take_count()
        for _ in range(abs(steps)):
            place = place.forward(self.trajectories) if steps > 0 else place.back(self.trajectories)
        self._arrive(place, "this is the end of the history" if steps > 0 else "this is where the history begins")

    def skip(self, direction: int) -> None:
        """On or back to where a drag begins or ends, times the count."""
        self.at_rest()
        place, drags = self.history_cursor, direction * self._take_count()
        for _ in range(abs(drags)):
            place = nearest_drag(place, drags)
        self._arrive(place, "there is no drag further on" if drags > 0 else "there is no drag further back")

    def _arrive(self, place: HistoryCursor, otherwise: str) -> None:
        if place == self.history_cursor:
            raise EditError(otherwise)
        self._travel(place, keep=False)

    def go(self, id: int) -> None:
        """To an entry anywhere in the history."""
        self.at_rest()
        self._travel(HistoryCursor(self.history.jump_to(id)), keep=False)

    def compare_with(self, id: int | None) -> None:
        """Before and after are compared with that entry; None: with what the drags started from."""
        self.reference = id

    def reseed(self, step: int) -> None:
        """The picture of a seed further on or back."""
        self.at_rest()
        self.change(edit_ops.change_seed(self.edit, step * self._take_count()), keep=False)

    def reclass(self, step: int) -> None:
        """The picture of a class further on or back."""
        self.at_rest()
        model, times = self._model(), self._take_count()
        if not model.classes:
            raise EditError(f"{model.name} has no classes")
        self.change(edit_ops.change_class(self.edit, step * times, model.classes), keep=False)

    def toggle_space(self) -> None:
        self.at_rest()
        self.change(edit_ops.toggle_space(self.edit))
