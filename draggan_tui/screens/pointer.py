"""What the mouse does on the picture, from press to release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from draggan_engine.core import edit_ops
from draggan_engine.core.edit import Edit
from draggan_engine.core.edit_ops import PairPoint
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point
from draggan_tui.editor.viewport import Viewport
from draggan_tui.editor.workspace import EditorState


@dataclass
class _Gesture:
    """
    start: where the button went down.
    edit: what was present then; when it is another, the gesture is over.
    make: takes the mouse's place and the view.
    done: what is said at the end.
    """

    start: Point
    edit: Edit
    make: Callable[[Point, Viewport], None]
    done: str = ""
    moved: bool = False


class Pointer:
    """A click moves the cursor. A drag that begins on a point moves that; one that begins elsewhere makes a pair; with
    the pen down it paints; while a shape is stretched it is the shape. Until the button is let go all this is the
    state's draft, and then one change. What is led by hand follows the mouse.

    Its methods raise `EditError`, and that ends what was begun.
    """

    def __init__(self, work: EditorState) -> None:
        self.work = work
        self._gesture: _Gesture | None = None

    @property
    def busy(self) -> bool:
        """Whether a button is down and its work not dropped."""
        return self._gesture is not None

    def press(self, point: Point, view: Viewport) -> None:
        """The left button goes down."""
        work = self.work
        self.drop()
        near = None if work.lead is not None else point_near(work, point, view)
        work.move_to(point)
        if near is not None:
            work.selected = near[0]
        if work.lead is not None:
            self._gesture = _Gesture(point, work.edit, self._lead)
        elif work.pen:
            self._gesture = _Gesture(point, work.edit, self._paint, moved=True)
            self._try(point, view)
        elif work.shape is not None:
            self._gesture = _Gesture(point, work.edit, partial(self._stretch, point))
        elif near is not None:
            index, part = near
            self._gesture = _Gesture(
                point, work.edit, partial(self._move, index, part, point), f"{part} {index + 1} is moved"
            )
        else:
            done = f"pair {len(work.edit.pairs) + 1} is set"
            self._gesture = _Gesture(point, work.edit, partial(self._connect, point), done)

    def drag(self, point: Point, view: Viewport) -> None:
        """The mouse has moved with the left button down; less than a cell is no move yet."""
        gesture = self._gesture
        if gesture is None:
            return
        if gesture.edit != self.work.edit:
            self.drop()
        elif gesture.moved or _cell(point, view) != _cell(gesture.start, view):
            gesture.moved = True
            self._try(point, view)

    def release(self, point: Point, view: Viewport) -> str:
        """The left button goes up. Returns what is to be said about it, if anything."""
        self.drag(point, view)
        gesture, self._gesture = self._gesture, None
        work = self.work
        pairs = len(work.edit.pairs)
        work.settle()
        if len(work.edit.pairs) > pairs:
            work.selected = pairs
        return gesture.done if gesture is not None and gesture.edit != work.edit else ""

    def delete(self, point: Point, view: Viewport) -> int | None:
        """Delete the pair that has a point there; return its index, or None if there is none."""
        near = point_near(self.work, point, view)
        if near is None:
            return None
        self.drop()
        self.work.selected = near[0]
        self.work.delete()
        return near[0]

    def drop(self) -> None:
        """What the button has begun is left."""
        self._gesture = self.work.draft = None

    # --------------------------------------------------------------------------------------------------

    def _try(self, point: Point, view: Viewport) -> None:
        """Does as the gesture does; with an error that is over."""
        assert self._gesture is not None
        try:
            self._gesture.make(point, view)
        except EditError:
            self.drop()
            raise

    def _lead(self, point: Point, _view: Viewport) -> None:
        self.work.move_to(point)

    def _paint(self, point: Point, view: Viewport) -> None:
        work = self.work
        assert work.cursor is not None, "pressed on a picture"
        way = _way(work.cursor, point, view)
        work.sketch(edit_ops.paint_stroke(work.drawn, way, work.brush, view.grid, view.picture))
        work.move_to(point)

    def _stretch(self, start: Point, point: Point, _view: Viewport) -> None:
        if self.work.shape is not None:
            self.work.shape = replace(self.work.shape, start=start)
            self.work.move_to(point)

    def _move(self, index: int, part: PairPoint, start: Point, point: Point, view: Viewport) -> None:
        """As far as the mouse has moved, so that the point does not jump to it."""
        place = getattr(self.work.edit.pairs[index], part)
        to = (place[0] + point[0] - start[0], place[1] + point[1] - start[1])
        edit = edit_ops.move_point(self.work.edit, index, part, to, view.picture)
        self.work.sketch(edit)
        self.work.move_to(getattr(edit.pairs[index], part))

    def _connect(self, start: Point, point: Point, view: Viewport) -> None:
        self.work.sketch(edit_ops.add_pair(self.work.edit, start, point, view.picture))
        self.work.move_to(point)


def point_near(work: EditorState, point: Point, view: Viewport) -> tuple[int, PairPoint] | None:
    """The pair and the part of it that is shown within a cell of a point: the nearest, handles before targets."""
    column, row = _cell(point, view)
    found: list[tuple[int, bool, bool, int]] = []
    for index, pair in enumerate(work.edit.pairs):
        for is_target, place in ((False, pair.handle), (True, pair.target)):
            if place is not None:
                x, y = _cell(place, view)
                away = max(abs(x - column), abs(y - row))
                if away <= 1:
                    found.append((away, is_target, index != work.selected, index))
    if not found:
        return None
    _, is_target, _, index = min(found)
    return index, "target" if is_target else "handle"


def _cell(point: Point, view: Viewport) -> tuple[int, int]:
    """Column and row of the cell that shows a point."""
    column, row = view.place(point)
    return (column, row // 2)


def _way(start: Point, end: Point, view: Viewport) -> list[Point]:
    """The middles of the screen pixels on the straight way between two points."""
    (left, top), (right, bottom) = view.pixel(start), view.pixel(end)
    steps = max(abs(right - left), abs(bottom - top), 1)
    return [
        view.point((round(left + (right - left) * i / steps), round(top + (bottom - top) * i / steps)))
        for i in range(steps + 1)
    ]
