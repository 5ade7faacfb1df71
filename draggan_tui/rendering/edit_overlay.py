"""What of a workspace lies over the picture, as a viewport shows it."""

from __future__ import annotations

from draggan_engine.core.geometry import Point
from draggan_tui.editor.mask_preview import preview_mask, preview_region
from draggan_tui.editor.viewport import Viewport
from draggan_tui.editor.workspace import EditorState
from draggan_tui.rendering.overlay import Overlay, PairMark


def overlay_of_edit(work: EditorState, view: Viewport, *, comparing: bool = False) -> Overlay:
    """Points, mask, shape and cursor, in pixels of the view's window; what the mouse is making included.

    Raises:
        EditError: the model is still loading.
    """
    edit, grid, window = work.drawn, view.grid, view.window

    def pixel(point: Point) -> tuple[int, int]:
        column, row = view.pixel(point)
        return (column - window.left, row - window.top)

    marks = tuple(
        PairMark(
            number=i + 1,
            handle=pixel(pair.handle),
            target=None if pair.target is None else pixel(pair.target),
            selected=i == work.selected,
            enabled=pair.enabled,
        )
        for i, pair in enumerate(edit.pairs)
    )
    area = work.shape_area(grid)
    return Overlay(
        cursor=None if work.cursor is None else pixel(work.cursor),
        pairs=marks,
        mask=None if edit.mask is None else preview_mask(edit.mask, grid, window),
        quiet=work.dragging or comparing,
        shape=None if area is None else preview_region(area, grid, window),
    )
