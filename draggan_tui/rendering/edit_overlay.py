"""What lies over the image: the points, the mask, the shape and the cursor; or over a photograph, its point and the cursor."""

from __future__ import annotations

from draggan_engine.core.geometry import Point, convert
from draggan_tui.editor.mask_preview import preview_mask, preview_region
from draggan_tui.editor.modes import AligningPhotograph, Labels
from draggan_tui.editor.state import EditorState
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.overlay import Overlay, PairMark

BORDER_REACH = 0.49
"""Screen pixels from the middle of the outermost pixels to where points on the border are drawn."""


def overlay_of_edit(state: EditorState) -> Overlay:
    """Return points, mask, shape and cursor in pixels of the view's window, with the change that the mouse is making."""
    edit, view, shape_area = state.drawn_edit, state.viewport, state.shape_area
    grid, window = view.grid, view.window
    pair_marks = tuple(
        PairMark(
            number=i + 1,
            exact_handle=_window_position(view, pair.handle),
            exact_target=None if pair.target is None else _window_position(view, pair.target),
            selected=i == state.selected_pair,
            enabled=pair.enabled,
        )
        for i, pair in enumerate(edit.pairs)
    )
    return Overlay(
        cursor=_cursor_pixel(state),
        pairs=pair_marks,
        mask=None if edit.mask is None else preview_mask(edit.mask, grid, window),
        quiet=state.is_dragging or state.comparison != "after",
        shape=None if shape_area is None else preview_region(shape_area, grid, window),
        labels=_label_pixels(state),
    )


def overlay_of_photograph(state: EditorState, aligning: AligningPhotograph) -> Overlay:
    """Return the first point that is set in a photograph, and the cursor, in pixels of the view's window."""
    if aligning.first_point is None:
        return overlay_of_cursor(state)
    first_mark = PairMark(number=1, exact_handle=_window_position(state.viewport, aligning.first_point))
    return Overlay(cursor=_cursor_pixel(state), pairs=(first_mark,))


def overlay_of_cursor(state: EditorState) -> Overlay:
    """Return the cursor alone, in pixels of the view's window."""
    return Overlay(cursor=_cursor_pixel(state))


def _label_pixels(state: EditorState) -> dict[str, tuple[int, int]]:
    if not isinstance(state.mode, Labels):
        return {}
    return {letter: _window_pixel(state.viewport, point) for letter, point in state.mode.points.items()}


def _cursor_pixel(state: EditorState) -> tuple[int, int] | None:
    return None if state.cursor is None else _window_pixel(state.viewport, state.cursor)


def _window_pixel(view: Viewport, point: Point) -> tuple[int, int]:
    """Return the pixel of the view's window that shows a point."""
    (column, row), window = view.pixel(point), view.window
    return (column - window.left, row - window.top)


def _window_position(view: Viewport, point: Point) -> Point:
    """Return where in the view's window a point is; one on the image's border belongs to the nearest pixel of the image."""
    grid, window = view.grid, view.window
    x, y = convert(point, view.image_size, grid)
    return (
        min(max(x, -BORDER_REACH), grid.width - 1 + BORDER_REACH) - window.left,
        min(max(y, -BORDER_REACH), grid.height - 1 + BORDER_REACH) - window.top,
    )
