"""The pairs of points."""

from __future__ import annotations

from draggan_engine.core import edit_ops
from draggan_engine.core.edit_ops import PairPoint
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size, clamp
from draggan_tui.editor.grab import Grab
from draggan_tui.editor.state import State

# How far a copy of a pair is from it, so that both can be seen: the first in preview pixels, and never less than the
# second in picture pixels.
COPY_CELLS, COPY_PIXELS = 3, 3


class PointTools(State):
    """Placing, selecting, moving, copying, disabling, deleting."""

    def place(self) -> bool:
        """A handle at the cursor, or the target of one that waits; returns whether a target is now awaited."""
        self.at_rest()
        edit, index = edit_ops.place_point(self.edit, self._cursor(), self.picture)
        self.selected = index
        self.change(edit)
        return edit.pairs[index].target is None

    def retarget(self) -> None:
        """The selected pair's target to the cursor."""
        self.at_rest()
        self.change(edit_ops.retarget(self.edit, self._selected(), self._cursor(), self.picture))

    def take(self, part: PairPoint) -> None:
        """Grabs a point of the selected pair: the cursor goes there, and then the point goes where the cursor goes."""
        self.at_rest()
        grab = Grab(self._selected(), part)
        self.cursor = grab.origin(self.edit)
        self.pen, self.shape, self.grab = False, None, grab

    def drop(self) -> Grab:
        """Leaves what is grabbed where it is, as one entry of the history; returns what that was."""
        if (grab := self.grab) is None:
            raise EditError("nothing is grabbed: {grab} grabs the selected handle, {grab-target} its target")
        self.change(grab.dropped(self.edit, self._cursor(), self.picture))
        self.grab = None
        return grab

    def nudge(self, dx: int, dy: int) -> None:
        """Moves what is grabbed, or else the selected handle, by picture pixels, times the count; the cursor goes there."""
        times = self._take_count()
        if self.grab is None:
            self.at_rest()
            index = self._selected()
            x, y = self.edit.pairs[index].handle
            point = (x + dx * times, y + dy * times)
            self.change(edit_ops.move_point(self.edit, index, "handle", point, self.picture))
            self.cursor = self.edit.pairs[index].handle
        else:
            x, y = self._cursor()
            self.cursor = clamp((x + dx * times, y + dy * times), self.picture)

    def duplicate(self, grid: Size) -> None:
        """A copy of the selected pair beside it, which is then the selected one."""
        self.at_rest()
        step = max(COPY_CELLS * self.picture.width / grid.width, COPY_PIXELS)
        self.change(edit_ops.duplicate_pair(self.edit, self._selected(), step, self.picture))
        self.selected = len(self.edit.pairs) - 1
        self.cursor = self.edit.pairs[-1].handle

    def toggle_pair(self) -> bool:
        """Disables the selected pair, so that drags leave it out, or enables it; returns whether it is enabled now."""
        self.at_rest()
        index = self._selected()
        self.change(edit_ops.toggle_pair(self.edit, index))
        return self.edit.pairs[index].enabled

    def select(self, step: int) -> None:
        """The next pair, as often as the count says, and the cursor on its handle."""
        self._check_hands_free()
        times = self._take_count()
        if not self.edit.pairs:
            raise EditError("there is no pair to select: {place} places a handle")
        self.selected = ((-1 if self.selected is None else self.selected) + step * times) % len(self.edit.pairs)
        self.cursor = self.drawn.pairs[self.selected].handle

    def delete(self) -> None:
        """The selected pair goes, and those after it up to the count: one change."""
        self.at_rest()
        first, edit = self._selected(), self.edit
        for _ in self.edit.pairs[first : first + self._take_count()]:
            edit = edit_ops.remove_pair(edit, first)
        self.change(edit)

    def cancel(self) -> str:
        """Put back what is grabbed, or leave the shape, or else forget the count, lift the pen and drop a handle that waits
        for its target; return what that was, in words, or nothing if there was nothing to cancel."""
        if (grab := self.grab) is not None:
            self.cursor, self.grab, self.count = grab.origin(self.edit), None, 0
            return f"{grab} is back where it was"
        if (shape := self.shape) is not None:
            self.shape, self.count = None, 0
            return f"no {shape.form} is painted"
        cancelled = "pen up" if self.pen else "no count" if self.count else ""
        self.count, self.pen = 0, False
        waiting = next((i for i, pair in enumerate(self.edit.pairs) if pair.target is None), None)
        if waiting is not None and not self.dragging and self.loading is None:
            self.change(edit_ops.remove_pair(self.edit, waiting))
            return f"handle {waiting + 1} is deleted"
        return cancelled
