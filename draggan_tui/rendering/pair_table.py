"""The table of pairs in the side panel; the selected row has the accent colour."""

from __future__ import annotations

from textual.content import Content

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.geometry import Point, distance

from .inspector_state import InspectorState
from .inspector_text import ACCENT, MUTED

TABLE_WIDTH = 30
_TARGET_WIDTH = 11  # columns of a target, its mark, and the space before it


def pair_header(edit: Edit) -> Content:
    """Return the names of the columns, or an empty text while there are no pairs."""
    if not edit.pairs:
        return Content("")
    number_width, digits = _column_widths(edit)
    return Content.styled(_row(" " * (number_width + 1), f"{'handle':>{2 * digits + 1}} ", "target ", "left"), MUTED)


def pair_table(state: InspectorState) -> Content:
    """Return a row for each pair, or what to do first.

    `~` marks a handle on a flat patch, `!` a point that the mask blocks.
    """
    if not state.edit.pairs:
        return Content.styled(f"Move to what you want to move,\nthen press {state.place_key}.", MUTED)
    return Content("\n").join(_pair_row(state, index) for index in range(len(state.edit.pairs)))


def target_texts(pair: PointPair) -> tuple[str, str]:
    """Return the texts for a pair's target and for the distance to it."""
    if pair.target is None:
        return "target?", "" if pair.enabled else "off"
    pixels = distance(pair.handle, pair.target)
    distance_text = "off" if not pair.enabled else f"{pixels:.1f}" if pixels < 1000 else f"{pixels:.0f}"
    return "pin" if pair.target == pair.handle else _point_text(pair.target, 0), distance_text


def _pair_row(state: InspectorState, index: int) -> Content:
    number_width, digits = _column_widths(state.edit)
    pair = state.edit.pairs[index]
    selected, blocked = index == state.selected, state.blocked_points.get(index)
    target, distance_text = target_texts(pair)
    if pair.target is not None and target != "pin":
        target = _point_text(pair.target, digits)
    number = f"{'▸' if selected else ' '}{index + 1:>{number_width}}"
    handle_mark = "!" if blocked == "handle" else "~" if index in state.flat_handles else " "
    target_mark = "!" if blocked == "target" else " "
    row = _row(number, _point_text(pair.handle, digits) + handle_mark, target + target_mark, distance_text)
    if selected:
        return Content.styled(row, f"bold {ACCENT}" if pair.enabled else ACCENT)
    return Content(row) if pair.enabled else Content.styled(row, MUTED)


def _row(number: str, handle: str, target: str, distance_text: str) -> str:
    """Return a row. The texts of handle and target end with their marks."""
    start = f"{number} {handle}{target:>{_TARGET_WIDTH}}"
    return f"{start}{distance_text:>{TABLE_WIDTH - len(start)}}"


def _point_text(point: Point, digits: int) -> str:
    return f"{point[0]:{digits}.0f} {point[1]:{digits}.0f}"


def _column_widths(edit: Edit) -> tuple[int, int]:
    """Return the columns of a pair's number, and of a coordinate."""
    points = [point for pair in edit.pairs for point in (pair.handle, pair.target) if point is not None]
    largest = max(coordinate for point in points for coordinate in point)
    return len(str(len(edit.pairs))), max(len(f"{largest:.0f}"), 3)
