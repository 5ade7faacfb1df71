"""The pairs as a table: numbers right-aligned under each other, the selected row in the accent colour."""

from __future__ import annotations

from textual.content import Content

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.geometry import Point, distance

from .inspector_state import InspectorState
from .inspector_text import ACCENT, MUTED

TABLE_WIDTH = 30
_TARGET = 11  # columns of a target, its mark, and the space before it


def pair_header(edit: Edit) -> Content:
    """The names of the columns; nothing while there are no pairs."""
    if not edit.pairs:
        return Content("")
    number, digits = _widths(edit)
    return Content.styled(_row(" " * (number + 1), f"{'handle':>{2 * digits + 1}} ", "target ", "left"), MUTED)


def pair_table(state: InspectorState) -> Content:
    """Return a row for each pair, or what to do first.

    `~` marks a handle on a flat patch, `!` a point that the mask blocks.
    """
    if not state.edit.pairs:
        return Content.styled(f"Move to what you want to move,\nthen press {state.place_key}.", MUTED)
    return Content("\n").join(_pair_row(state, index) for index in range(len(state.edit.pairs)))


def handle_and_target(pair: PointPair) -> tuple[str, str]:
    """What the table, or a line, says of the pair's target and of the distance to it."""
    if pair.target is None:
        return "target?", "" if pair.enabled else "off"
    pixels = distance(pair.handle, pair.target)
    left = "off" if not pair.enabled else f"{pixels:.1f}" if pixels < 1000 else f"{pixels:.0f}"
    return "pin" if pair.target == pair.handle else _point(pair.target, 0), left


def _pair_row(state: InspectorState, index: int) -> Content:
    number_width, digits = _widths(state.edit)
    pair = state.edit.pairs[index]
    selected, blocked = index == state.selected, state.blocked_points.get(index)
    target, left = handle_and_target(pair)
    if pair.target is not None and target != "pin":
        target = _point(pair.target, digits)
    number = f"{'▸' if selected else ' '}{index + 1:>{number_width}}"
    handle_mark = "!" if blocked == "handle" else "~" if index in state.flat_handles else " "
    target_mark = "!" if blocked == "target" else " "
    row = _row(number, _point(pair.handle, digits) + handle_mark, target + target_mark, left)
    if selected:
        return Content.styled(row, f"bold {ACCENT}" if pair.enabled else ACCENT)
    return Content(row) if pair.enabled else Content.styled(row, MUTED)


def _row(number: str, handle: str, target: str, left: str) -> str:
    """Handle and target end with the column of their marks."""
    start = f"{number} {handle}{target:>{_TARGET}}"
    return f"{start}{left:>{TABLE_WIDTH - len(start)}}"


def _point(point: Point, digits: int) -> str:
    return f"{point[0]:{digits}.0f} {point[1]:{digits}.0f}"


def _widths(edit: Edit) -> tuple[int, int]:
    """Columns of the pair's number, and of a coordinate."""
    points = [point for pair in edit.pairs for point in (pair.handle, pair.target) if point is not None]
    largest = max(coordinate for point in points for coordinate in point)
    return len(str(len(edit.pairs))), max(len(f"{largest:.0f}"), 3)
