"""Graphics: an image in pixels with what lies over it, and the cells that show them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_tui.config.themes import CanvasColors
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.ansi_encoding import encode_rows
from draggan_tui.rendering.cell_strip import segments
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.graphic import (
    MOST_PIXELS,
    GraphicSource,
    draw_graphic,
    fits_graphic,
    graphic_parts,
    place_graphic,
)
from draggan_tui.rendering.overlay import CanvasStyle, Overlay, PairMark, compose_view
from draggan_tui.rendering.view_sampling import sample_view

COLORS = CanvasColors()
PARTS = Size(10, 20)
GREY = np.full((8 * 20, 24 * 10, 3), 120, dtype=np.uint8)  # 24 columns, 8 rows


def centre_of(graphic: NDArray[np.uint8], color: tuple[int, int, int]) -> tuple[float, float]:
    """The middle of the pixels of a colour, in screen pixels (half-cells)."""
    rows, columns = np.nonzero((graphic == color).all(axis=2))
    return ((columns.mean() + 0.5) / PARTS.width - 0.5, (rows.mean() + 0.5) / (PARTS.height / 2) - 0.5)


def test_without_an_overlay_the_graphic_is_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 64, 3), dtype=np.uint8)
    view = Viewport(Size(64, 96), Size(40, 40)).zoomed(1, (20, 30))
    parts = graphic_parts(view, PARTS)
    graphic = GraphicSource(image, view, Overlay((3, 3)), COLORS, parts).draw()
    assert np.array_equal(graphic, sample_view(image, view, parts)), "the cursor is not in it"


@given(st.floats(2, 20), st.floats(2, 13))
def test_a_point_is_drawn_where_it_is_to_a_tenth_of_a_screen_pixel(x: float, y: float) -> None:
    graphic = draw_graphic(GREY, Overlay(pairs=(PairMark(1, (x, y)),)), COLORS, PARTS)
    assert centre_of(graphic, COLORS.handle) == pytest.approx((x, y), abs=0.1)


def test_target_line_and_selection() -> None:
    pair = PairMark(1, (3.0, 4.0), (15.25, 4.5))
    graphic = draw_graphic(GREY, Overlay(pairs=(pair,)), COLORS, PARTS)
    assert centre_of(graphic, COLORS.target) == pytest.approx((15.25, 4.5), abs=0.1)
    assert (graphic[45, 158] == 120).all() or (graphic[49, 157] != COLORS.target).any(), "a target has a hole"
    assert (graphic == COLORS.line).all(axis=2).sum() > 20
    disabled = draw_graphic(GREY, Overlay(pairs=(replace(pair, enabled=False),)), COLORS, PARTS)
    assert not (disabled == COLORS.line).all(axis=2).any() and not (disabled == COLORS.handle).all(axis=2).any()
    selected = draw_graphic(GREY, Overlay(pairs=(replace(pair, selected=True),)), COLORS, PARTS)
    assert (selected == COLORS.handle).all(axis=2).sum() > (graphic == COLORS.handle).all(axis=2).sum()


@given(st.floats(-40, 60), st.floats(-40, 60), st.floats(-40, 60), st.floats(-40, 60))
def test_points_outside_are_cut_off(x: float, y: float, target_x: float, target_y: float) -> None:
    pair = PairMark(1, (x, y), (target_x, target_y), selected=True)
    assert draw_graphic(GREY, Overlay(pairs=(pair,)), COLORS, PARTS).shape == GREY.shape


def test_the_mask_tints_and_has_an_edge_and_a_quiet_one_has_only_that() -> None:
    mask = np.zeros((16, 24), dtype=np.uint8)
    mask[4:12, 6:18] = 1
    graphic = draw_graphic(GREY, Overlay(mask=mask), COLORS, PARTS)
    quiet = draw_graphic(GREY, Overlay(mask=mask, quiet=True), COLORS, PARTS)
    assert (graphic[80, 60] == COLORS.mask).all() and (quiet[80, 60] == COLORS.mask).all()
    assert (graphic[80, 59] == 120).all()
    assert (graphic[80, 120] != 120).any() and (quiet[80, 120] == 120).all()
    outlined = draw_graphic(GREY, Overlay(shape=mask), COLORS, PARTS)
    assert (outlined[80, 60] != 120).any() and (outlined[80, 120] == 120).all()


def test_a_graphic_looks_the_same_if_only_the_cursor_moves() -> None:
    image, mask = np.zeros((16, 16, 3), np.uint8), np.ones((16, 16), np.uint8)
    view = Viewport(Size(16, 16), Size(16, 16))
    source = GraphicSource(image, view, Overlay((1, 1), (PairMark(1, (2, 2)),), mask), COLORS, PARTS)
    assert source.looks_like(replace(source, overlay=Overlay((5, 5), (PairMark(1, (2, 2)),), mask.copy())))
    for other in (
        replace(source, image=image.copy()),
        replace(source, overlay=Overlay((1, 1), (PairMark(1, (2, 2.5)),), mask)),
        replace(source, overlay=Overlay((1, 1), (PairMark(1, (2, 2)),), 0 * mask)),
        replace(source, overlay=Overlay((1, 1), (PairMark(1, (2, 2)),))),
        replace(source, view=Viewport(Size(16, 16), Size(20, 20))),
        replace(source, parts=Size(8, 16)),
    ):
        assert not source.looks_like(other)


@given(st.integers(1, 400), st.integers(1, 200), st.integers(16, 2048), st.integers(4, 40), st.integers(8, 80))
def test_graphics_have_a_bounded_number_of_pixels(
    columns: int, rows: int, side: int, cell_width: int, cell_height: int
) -> None:
    view = Viewport(Size(side, side), Size(columns, 2 * rows))
    parts = graphic_parts(view, Size(cell_width, cell_height))
    assert 1 <= parts.width <= cell_width
    pixel_count = view.window.width * parts.width * (view.window.height // 2) * parts.height
    assert pixel_count <= 1.5 * MOST_PIXELS or parts.width == 1


def test_a_screen_that_is_too_large_for_the_placeholders_has_cells() -> None:
    assert fits_graphic(Viewport(Size(100, 100), Size(200, 400)))
    assert not fits_graphic(Viewport(Size(600, 100), Size(300, 400)))


# Cells ----------------------------------------------------------------------------------------------------


def small_cells(number: int, overlay: Overlay | None = None) -> Cells:
    image = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3)
    view = Viewport(Size(3, 4), Size(5, 4))
    cells = compose_view(image, view, overlay or Overlay(), CanvasStyle("truecolor", COLORS))
    return place_graphic(cells, view, overlay or Overlay(), number)


def test_placeholders_have_the_graphics_number_as_colour_and_say_row_and_column() -> None:
    lines = encode_rows(small_cells(20), "truecolor")
    margin = "\x1b[48;2;0;0;0m "
    assert lines[0] == (
        f"{margin}\x1b[38;5;20m\U0010eeee\u0305\u0305\U0010eeee\u0305\u030d\U0010eeee\u0305\u030e \x1b[0m"
    )
    assert lines[1] == lines[0].replace("\u0305\u0305", "\u030d\u0305").replace("\u0305\u030d", "\u030d\u030d").replace(
        "\u0305\u030e", "\u030d\u030e"
    )
    assert "38;5;20" in encode_rows(small_cells(20), "256")[0] and "38;5;20" in encode_rows(small_cells(20), "16")[0]
    assert "\U0010eeee" not in encode_rows(small_cells(20), "none")[0]


def test_under_the_cursor_and_the_numbers_are_characters() -> None:
    shown = small_cells(20, Overlay((1, 1), (PairMark(7, (0, 3)),))).graphic
    assert shown is not None
    assert (shown[..., 0] > 0).tolist() == [[False] * 5, [False, True, False, True, False]]


def test_only_another_graphic_changes_the_cells_that_show_one() -> None:
    cells = small_cells(20)
    other_colors = replace(cells, fg=cells.fg // 2)
    assert not cells.differences(other_colors)[:, 1:4].any()
    assert cells.differences(small_cells(21))[:, 1:4].all()
    assert cells.differences(replace(cells, graphic=None))[:, 1:4].all()


def test_an_export_and_a_translucent_screen_get_characters() -> None:
    assert "\U0010eeee" not in "".join(segment.text for segment in segments(small_cells(20), "truecolor"))


def test_a_cut_row_keeps_its_places() -> None:
    cut = small_cells(20).take(slice(0, 1), slice(2, 4))
    assert encode_rows(cut, "truecolor") == [
        "\x1b[38;5;20;48;2;0;0;0m\U0010eeee\u0305\u030d\U0010eeee\u0305\u030e\x1b[0m"
    ]
