"""The table of pairs in the side panel; the selected row has the accent colour."""

from __future__ import annotations

from textual.content import Content

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.geometry import Point, distance

from .inspector_state import InspectorState
from .inspector_text import ACCENT, MUTED

TABLE_WIDTH = 30
_TARGET_WIDTH = 11  # columns of a target, its mark, and the space before it


def pair_header(state: InspectorState) -> Content:
    """Return the names of the columns, or an empty text while no pairs are shown."""
    if state.points_text or not state.edit.pairs:
        return Content("")
    number_width, coordinate_digits = _column_widths(state.edit)
    return Content.styled(
        _row(" " * (number_width + 1), f"{'handle':>{2 * coordinate_digits + 1}} ", "target ", "left"), MUTED
    )


def pair_table(state: InspectorState) -> Content:
    """Return a row for each pair, or what to do first.

    `~` marks a handle on a flat patch, `!` a point that the mask blocks.
    """
    if state.points_text:
        return Content.styled(state.points_text, MUTED)
    if not state.edit.pairs:
        return Content.styled(f"Go to a point to drag,\nthen press {state.place_key}.", MUTED)
    return Content("\n").join(_pair_row(state, pair_index) for pair_index in range(len(state.edit.pairs)))


def target_texts(pair: PointPair) -> tuple[str, str]:
    """Return the texts for a pair's target and for the distance to it."""
    if pair.target is None:
        return "target?", "" if pair.enabled else "off"
    pixel_distance = distance(pair.handle, pair.target)
    distance_text = (
        "off" if not pair.enabled else f"{pixel_distance:.1f}" if pixel_distance < 1000 else f"{pixel_distance:.0f}"
    )
    return "pin" if pair.target == pair.handle else _point_text(pair.target, 0), distance_text


def _pair_row(state: InspectorState, pair_index: int) -> Content:
    number_width, coordinate_digits = _column_widths(state.edit)
    pair = state.edit.pairs[pair_index]
    is_selected, blocked_point = pair_index == state.selected, state.blocked_points.get(pair_index)
    target_text, distance_text = target_texts(pair)
    if pair.target is not None and target_text != "pin":
        target_text = _point_text(pair.target, coordinate_digits)
    number_text = f"{'▸' if is_selected else ' '}{pair_index + 1:>{number_width}}"
    handle_mark = "!" if blocked_point == "handle" else "~" if pair_index in state.flat_handles else " "
    target_mark = "!" if blocked_point == "target" else " "
    row_text = _row(
        number_text, _point_text(pair.handle, coordinate_digits) + handle_mark, target_text + target_mark, distance_text
    )
    if is_selected:
        return Content.styled(row_text, f"bold {ACCENT}" if pair.enabled else ACCENT)
    return Content(row_text) if pair.enabled else Content.styled(row_text, MUTED)


def _row(number_text: str, handle_text: str, target_text: str, distance_text: str) -> str:
    """Return a row. The texts of handle and target end with their marks."""
    row_start = f"{number_text} {handle_text}{target_text:>{_TARGET_WIDTH}}"
    return f"{row_start}{distance_text:>{TABLE_WIDTH - len(row_start)}}"


def _point_text(point: Point, coordinate_digits: int) -> str:
    return f"{point[0]:{coordinate_digits}.0f} {point[1]:{coordinate_digits}.0f}"


def _column_widths(edit: Edit) -> tuple[int, int]:
    """Return the columns of a pair's number, and of a coordinate."""
    pair_points = [point for pair in edit.pairs for point in (pair.handle, pair.target) if point is not None]
    largest_coordinate = max(coordinate for point in pair_points for coordinate in point)
    return len(str(len(edit.pairs))), max(len(f"{largest_coordinate:.0f}"), 3)
