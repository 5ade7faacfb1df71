"""What is in the hand: a point of a pair that goes where the cursor goes, until it is dropped or put back."""

from __future__ import annotations

from dataclasses import dataclass

from draggan_engine.core.edit import Edit
from draggan_engine.core.edit_ops import PairPoint, move_point, set_point
from draggan_engine.core.errors import EditError, Remedy
from draggan_engine.core.geometry import Point, Size


@dataclass(frozen=True)
class Grab:
    """A pair's handle or its target."""

    pair: int
    part: PairPoint

    def __str__(self) -> str:
        return f"{self.part} {self.pair + 1}"

    def origin(self, edit: Edit) -> Point:
        """Where the point is that is grabbed, or would be.

        Raises:
            EditError: the pair has no target yet.
        """
        pair = edit.pairs[self.pair]
        point = pair.handle if self.part == "handle" else pair.target
        if point is None:
            raise EditError(f"pair {self.pair + 1} has no target yet", Remedy.place_target)
        return point

    def held(self, edit: Edit, cursor: Point) -> Edit:
        """The edit as it is to be shown meanwhile."""
        return set_point(edit, self.pair, self.part, cursor)

    def dropped(self, edit: Edit, cursor: Point, picture: Size) -> Edit:
        """The edit with the point where the cursor is.

        Raises:
            EditError: that is on the pair's other point.
        """
        return move_point(edit, self.pair, self.part, cursor, picture)
