"""What lies over the image, in pixels of the window that the view shows."""

from __future__ import annotations

import numpy as np

from draggan_engine.core.geometry import Size
from draggan_tui.editor.commands import mask, points
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.edit_overlay import overlay_of_edit
from draggan_tui.rendering.overlay import PairMark
from tests.tui.editor.test_undo import IMAGE_SIZE, loaded

ROOM = Size(64, 48)
# Twice as large as the image; the window shows its 64 × 48 pixels from (32, 24).
VIEW = Viewport(IMAGE_SIZE, ROOM).zoomed(2, (31.5, 23.5))


def test_positions_in_the_whole_image_and_in_a_part_of_it() -> None:
    context = loaded()
    state = context.state
    for point in ((20.0, 20.0), (30.0, 20.0), (40.0, 30.0)):
        state.place_cursor(point)
        points.place(context)
    points.toggle_enabled(context)
    state.viewport = Viewport(IMAGE_SIZE, ROOM)
    whole = overlay_of_edit(state)
    assert (whole.cursor, whole.mask, whole.shape, whole.quiet) == ((40, 30), None, None, False)
    assert whole.pairs == (
        PairMark(number=1, exact_handle=(20, 20), exact_target=(30, 20), selected=False, enabled=True),
        PairMark(number=2, exact_handle=(40, 30), exact_target=None, selected=True, enabled=False),
    )
    assert (VIEW.scale, VIEW.window) == (2, (32, 24, 64, 48))
    state.viewport, state.comparison = VIEW, "split"
    part = overlay_of_edit(state)
    assert part.quiet
    assert [(mark.handle, mark.target) for mark in part.pairs] == [((8, 16), (28, 16)), ((48, 36), None)]
    assert [mark.exact_handle for mark in part.pairs] == [(8.5, 16.5), (48.5, 36.5)]


def test_mask_and_shape_cover_the_visible_part() -> None:
    context = loaded()
    state = context.state
    state.viewport = VIEW
    state.place_cursor((16.0, 12.0))
    mask.next_shape(context)
    state.place_cursor((19.0, 13.0))
    outline = overlay_of_edit(state).shape
    mask.finish_shape(context, paint=True)
    area = overlay_of_edit(state).mask
    assert outline is not None and area is not None
    assert area.shape == (48, 64)
    assert np.argwhere(area).min(axis=0).tolist() == [0, 0]
    assert np.argwhere(area).max(axis=0).tolist() == [3, 7], "four pixels by two, each shown as two by two"
    assert (outline == area).all()
