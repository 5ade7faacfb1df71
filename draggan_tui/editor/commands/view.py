"""Commands that move the cursor and the view."""

from __future__ import annotations

from draggan_engine.core import edit_ops
from draggan_engine.core.geometry import Point
from draggan_tui.editor.modes import Pen
from draggan_tui.editor.viewport import SCALES, SCROLL_MARGIN

from .context import CommandContext

MAX_COUNT = 9999


def type_digit(context: CommandContext, digit: int) -> None:
    """Append a digit to the count of the next command."""
    context.state.count = min(context.count * 10 + digit, MAX_COUNT)


def move_cursor(context: CommandContext, dx: int, dy: int) -> None:
    """Move the cursor by screen pixels, times the count. The pen paints the whole way, as one change."""
    state, cursor = context.state, context.state.placed_cursor
    view = state.viewport
    column, row = view.pixel(cursor)
    last_column = min(max(column + dx * context.repeat, 0), view.grid.width - 1)
    last_row = min(max(row + dy * context.repeat, 0), view.grid.height - 1)
    passed_points: list[Point] = []
    while (column, row) != (last_column, last_row):
        column += _sign(last_column - column)
        row += _sign(last_row - row)
        cursor = _with_axes(cursor, view.point((column, row)), replace_x=bool(dx), replace_y=bool(dy))
        passed_points.append(cursor)
    state.place_cursor(cursor, SCROLL_MARGIN)
    if isinstance(state.mode, Pen) and passed_points:
        state.change(edit_ops.paint_stroke(state.edit, passed_points, state.brush, view.grid, state.image_size))


def move_to_edge(context: CommandContext, x: int, y: int) -> None:
    """Move the cursor to the image's edge in a direction, without painting."""
    state, cursor = context.state, context.state.placed_cursor
    view = state.viewport
    column, row = view.pixel(cursor)
    edge_column = {-1: 0, 0: column, 1: view.grid.width - 1}[x]
    edge_row = {-1: 0, 0: row, 1: view.grid.height - 1}[y]
    edge_point = view.point((edge_column, edge_row))
    state.place_cursor(_with_axes(cursor, edge_point, replace_x=bool(x), replace_y=bool(y)), SCROLL_MARGIN)


def go_to(context: CommandContext, point: Point) -> None:
    """Move the cursor to a point of the image."""
    _ = context.state.model
    context.state.place_cursor(point, SCROLL_MARGIN)


def zoom(context: CommandContext, direction: int) -> None:
    """Zoom in (1) or out (-1) about the cursor, as many scales as the count says."""
    zoom_about(context, direction * context.repeat, context.state.placed_cursor)


def zoom_about(context: CommandContext, scale_steps: int, point: Point) -> None:
    """Zoom in, or out if `scale_steps` is negative, about a point. The cursor moves if it would be out of view."""
    state, cursor = context.state, context.state.placed_cursor
    state.viewport = state.viewport.zoomed(scale_steps, point)
    state.place_cursor(state.viewport.nearest_shown(cursor))
    _report_zoom(context)


def zoom_to_fit(context: CommandContext) -> None:
    """Show the whole image."""
    _ = context.state.model
    context.state.viewport = context.state.viewport.fitted()
    _report_zoom(context)


def _report_zoom(context: CommandContext) -> None:
    view = context.state.viewport
    limit_text = ", the largest" if view.scale == SCALES[-1] else ""
    context.report(f"zoom {view.ratio}{limit_text}" if view.ratio else "the whole image is shown")


def _with_axes(point: Point, other_point: Point, *, replace_x: bool, replace_y: bool) -> Point:
    """Return a point with some coordinates of another one: an axis that does not move keeps its fraction of a pixel."""
    return (other_point[0] if replace_x else point[0], other_point[1] if replace_y else point[1])


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
