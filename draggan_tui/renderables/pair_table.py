"""The pairs as a table: numbers right-aligned under each other, the selected row in the accent colour."""

from __future__ import annotations

from collections.abc import Collection

from textual.content import Content

from draggan_engine.protocol.edit import Edit, PointPair
from draggan_engine.protocol.geometry import Point, distance

from .facts import ACCENT, MUTED

WIDTH = 30
_TARGET = 10  # columns of a target, and of the space before it


def pair_header(edit: Edit) -> Content:
    """The names of the columns; nothing while there are no pairs."""
    if not edit.pairs:
        return Content("")
    number, digits = _widths(edit)
    return Content.styled(_row(" " * (number + 1), f"{'handle':>{2 * digits + 1}}", " ", "target", "left"), MUTED)


def pair_table(edit: Edit, selected: int | None, flat: Collection[int], place_key: str) -> Content:
    """A row for each pair, or what to do first.

    Args:
        edit: with the handles where they are now.
        selected: index of the selected pair.
        flat: indices of the pairs whose handles are on flat patches.
        place_key: the key that places a point.
    """
    if not edit.pairs:
        return Content.styled(f"Move to what you want to move,\nthen press {place_key}.", MUTED)
    return Content("\n").join(
        _pair_row(index, edit, index == selected, index in flat) for index in range(len(edit.pairs))
    )


def handle_and_target(pair: PointPair) -> tuple[str, str]:
    """What the table, or a line, says of the pair's target and of the distance to it."""
    if pair.target is None:
        return "target?", "" if pair.enabled else "off"
    pixels = distance(pair.handle, pair.target)
    left = "off" if not pair.enabled else f"{pixels:.1f}" if pixels < 1000 else f"{pixels:.0f}"
    return "pin" if pair.target == pair.handle else _point(pair.target, 0), left


def _pair_row(index: int, edit: Edit, selected: bool, flat: bool) -> Content:
    number_width, digits = _widths(edit)
    pair = edit.pairs[index]
    target, left = handle_and_target(pair)
    if pair.target is not None and target != "pin":
        target = _point(pair.target, digits)
    number = f"{'▸' if selected else ' '}{index + 1:>{number_width}}"
    row = _row(number, _point(pair.handle, digits), "~" if flat else " ", target, left)
    if selected:
        return Content.styled(row, f"bold {ACCENT}" if pair.enabled else ACCENT)
    return Content(row) if pair.enabled else Content.styled(row, MUTED)


def _row(number: str, handle: str, mark: str, target: str, left: str) -> str:
    start = f"{number} {handle}{mark}{target:>{_TARGET}}"
    return f"{start}{left:>{WIDTH - len(start)}}"


def _point(point: Point, digits: int) -> str:
    return f"{point[0]:{digits}.0f} {point[1]:{digits}.0f}"


def _widths(edit: Edit) -> tuple[int, int]:
    """Columns of the pair's number, and of a coordinate."""
    points = [point for pair in edit.pairs for point in (pair.handle, pair.target) if point is not None]
    largest = max(coordinate for point in points for coordinate in point)
    return len(str(len(edit.pairs))), max(len(f"{largest:.0f}"), 3)
