"""The overlay of the editor's state: what lies over the image in a viewport."""

from __future__ import annotations

from draggan_engine.core.geometry import Point
from draggan_tui.editor.mask_preview import preview_mask, preview_region
from draggan_tui.editor.viewport import Viewport
from draggan_tui.editor.workspace import EditorState
from draggan_tui.rendering.overlay import Overlay, PairMark


def overlay_of_edit(state: EditorState, view: Viewport, *, comparing: bool = False) -> Overlay:
    """Return points, mask, shape and cursor in pixels of the viewport's window, including an unfinished mouse gesture.

    Raises:
        EditError: the model is still loading.
    """
    edit, grid, window = state.drawn, view.grid, view.window

    def pixel(point: Point) -> tuple[int, int]:
        column, row = view.pixel(point)
        return (column - window.left, row - window.top)

    marks = tuple(
        PairMark(
            number=i + 1,
            handle=pixel(pair.handle),
            target=None if pair.target is None else pixel(pair.target),
            selected=i == state.selected,
            enabled=pair.enabled,
        )
        for i, pair in enumerate(edit.pairs)
    )
    area = state.shape_area(grid)
    return Overlay(
        cursor=None if state.cursor is None else pixel(state.cursor),
        pairs=marks,
        mask=None if edit.mask is None else preview_mask(edit.mask, grid, window),
        quiet=state.dragging or comparing,
        shape=None if area is None else preview_region(area, grid, window),
    )
