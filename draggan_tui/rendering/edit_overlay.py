"""What lies over the image: the points, the mask, the shape and the cursor."""

from __future__ import annotations

from draggan_engine.core.geometry import Point
from draggan_tui.editor.mask_preview import preview_mask, preview_region
from draggan_tui.editor.state import EditorState
from draggan_tui.rendering.overlay import Overlay, PairMark


def overlay_of_edit(state: EditorState) -> Overlay:
    """Return points, mask, shape and cursor in pixels of the view's window, with the change that the mouse is making."""
    edit, view, shape_area = state.drawn_edit, state.viewport, state.shape_area
    grid, window = view.grid, view.window

    def pixel(point: Point) -> tuple[int, int]:
        column, row = view.pixel(point)
        return (column - window.left, row - window.top)

    pair_marks = tuple(
        PairMark(
            number=i + 1,
            handle=pixel(pair.handle),
            target=None if pair.target is None else pixel(pair.target),
            selected=i == state.selected_pair,
            enabled=pair.enabled,
        )
        for i, pair in enumerate(edit.pairs)
    )
    return Overlay(
        cursor=None if state.cursor is None else pixel(state.cursor),
        pairs=pair_marks,
        mask=None if edit.mask is None else preview_mask(edit.mask, grid, window),
        quiet=state.is_dragging or state.comparison != "after",
        shape=None if shape_area is None else preview_region(shape_area, grid, window),
    )
