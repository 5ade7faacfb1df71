"""What the mouse does on the image.

A click moves the cursor. A gesture that begins on a point moves that point; one that begins elsewhere draws a pair. With the
pen down it paints, and in shape mode it stretches the shape. In a live drag it moves the target. Until the button is
released a gesture changes nothing but its draft; then the draft is one change. An error ends the gesture.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from draggan_engine.core import edit_ops
from draggan_engine.core.edit import Edit
from draggan_engine.core.edit_ops import PairPoint
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point
from draggan_tui.editor.gesture import (
    DragLiveTarget,
    DrawPair,
    Gesture,
    GestureAction,
    MovePoint,
    PaintStroke,
    StretchShape,
)
from draggan_tui.editor.modes import AligningPhotograph, LiveDrag, Pen, ShapeMode, ViewingPhotograph
from draggan_tui.editor.state import EditorState
from draggan_tui.editor.viewport import Viewport

from . import points
from .context import CommandContext


class NearPoint(NamedTuple):
    """A pair's handle or target that is shown at the mouse."""

    pair_index: int
    part: PairPoint


def press(context: CommandContext, point: Point) -> None:
    """Begin a gesture where the left button goes down."""
    state = context.state
    state.gesture = None
    _ = state.model
    if isinstance(state.mode, AligningPhotograph | ViewingPhotograph):
        state.place_cursor(point)
        return
    near_point = None if isinstance(state.mode, LiveDrag) else point_near(state, point)
    state.place_cursor(point)
    if near_point is not None:
        state.selected_pair = near_point.pair_index
    gesture_action = _gesture_action(state, near_point)
    state.gesture = Gesture(gesture_action, point, state.edit, has_moved=isinstance(gesture_action, PaintStroke))
    if isinstance(gesture_action, PaintStroke):
        _continue(state, state.gesture, point)


def _gesture_action(state: EditorState, near_point: NearPoint | None) -> GestureAction:
    if isinstance(state.mode, LiveDrag):
        return DragLiveTarget()
    if isinstance(state.mode, Pen):
        return PaintStroke()
    if isinstance(state.mode, ShapeMode):
        return StretchShape()
    return DrawPair() if near_point is None else MovePoint(*near_point)


def move(context: CommandContext, point: Point) -> None:
    """Continue the gesture where the mouse is now; a movement within one cell is none yet."""
    state, gesture = context.state, context.state.gesture
    if gesture is None:
        return
    if gesture.edit != state.edit:
        state.gesture = None
    elif gesture.has_moved or _cell(point, state.viewport) != _cell(gesture.start, state.viewport):
        _continue(state, replace(gesture, has_moved=True), point)


def release(context: CommandContext, point: Point) -> None:
    """Continue the gesture to where the button is released, and make its draft a change."""
    move(context, point)
    state, gesture = context.state, context.state.gesture
    state.gesture = None
    if gesture is None or gesture.draft is None:
        return
    pair_count = len(state.edit.pairs)
    state.change(gesture.draft)
    if len(state.edit.pairs) > pair_count:
        state.selected_pair = pair_count
    if state.edit == gesture.edit:
        return
    if isinstance(gesture.action, MovePoint):
        context.report_or_warn(f"{gesture.action.part} {gesture.action.pair_index + 1} is moved")
    elif isinstance(gesture.action, DrawPair):
        context.report_or_warn(f"pair {pair_count + 1} is set")


def abandon(context: CommandContext) -> None:
    """Leave the gesture; nothing changes."""
    context.state.gesture = None


def delete_at(context: CommandContext, point: Point) -> None:
    """Delete the pair that has a point there, if there is one."""
    near_point = (
        None
        if isinstance(context.state.mode, AligningPhotograph | ViewingPhotograph)
        else point_near(context.state, point)
    )
    if near_point is not None:
        context.state.gesture = None
        context.state.selected_pair = near_point.pair_index
        points.delete(context)


def _continue(state: EditorState, gesture: Gesture, point: Point) -> None:
    state.gesture = gesture
    try:
        _follow_mouse(state, gesture, point)
    except EditError:
        state.gesture = None
        raise


def _follow_mouse(state: EditorState, gesture: Gesture, point: Point) -> None:
    """Make the gesture's draft, and move the cursor."""
    match gesture.action:
        case PaintStroke():
            passed_points = _pixels_between(state.placed_cursor, point, state.viewport)
            draft = edit_ops.paint_stroke(
                state.drawn_edit, passed_points, state.brush, state.viewport.grid, state.image_size
            )
            _draw(state, gesture, draft)
        case StretchShape():
            if isinstance(state.mode, ShapeMode):
                state.mode = replace(state.mode, start=gesture.start)
        case MovePoint(pair_index, part):
            point = _move_point(state, gesture, pair_index, part, point)
        case DrawPair():
            _draw(state, gesture, edit_ops.add_pair(state.edit, gesture.start, point, state.image_size))
        case DragLiveTarget():
            pass
    state.place_cursor(point)


def _move_point(state: EditorState, gesture: Gesture, pair_index: int, part: PairPoint, point: Point) -> Point:
    """Move a point as far as the mouse has moved, so that it does not jump to the mouse; return where it is then."""
    x, y = getattr(state.edit.pairs[pair_index], part)
    moved_point = (x + point[0] - gesture.start[0], y + point[1] - gesture.start[1])
    draft = edit_ops.move_point(state.edit, pair_index, part, moved_point, state.image_size)
    _draw(state, gesture, draft)
    new_position: Point = getattr(draft.pairs[pair_index], part)
    return new_position


def _draw(state: EditorState, gesture: Gesture, draft: Edit) -> None:
    state.check_can_edit()
    state.gesture = replace(gesture, draft=draft)


def point_near(state: EditorState, point: Point) -> NearPoint | None:
    """Return the point of a pair that is shown within a cell of the mouse: the nearest one, handles before targets, the
    selected pair before others."""
    column, row = _cell(point, state.viewport)
    near_points: list[tuple[int, bool, bool, int]] = []
    for pair_index, pair in enumerate(state.edit.pairs):
        for is_target, point_position in ((False, pair.handle), (True, pair.target)):
            if point_position is not None:
                pair_column, pair_row = _cell(point_position, state.viewport)
                cells_away = max(abs(pair_column - column), abs(pair_row - row))
                if cells_away <= 1:
                    near_points.append((cells_away, is_target, pair_index != state.selected_pair, pair_index))
    if not near_points:
        return None
    _, is_target, _, pair_index = min(near_points)
    return NearPoint(pair_index, "target" if is_target else "handle")


def _cell(point: Point, view: Viewport) -> tuple[int, int]:
    """Return (column, row) of the cell that shows a point."""
    column, row = view.place(point)
    return (column, row // 2)


def _pixels_between(start_point: Point, end_point: Point, view: Viewport) -> list[Point]:
    """Return the centres of the screen pixels on the straight line between two points."""
    (left, top), (right, bottom) = view.pixel(start_point), view.pixel(end_point)
    step_count = max(abs(right - left), abs(bottom - top), 1)
    return [
        view.point((round(left + (right - left) * i / step_count), round(top + (bottom - top) * i / step_count)))
        for i in range(step_count + 1)
    ]
