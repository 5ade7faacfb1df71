"""Cells of four, six and eight parts: their characters, their colours, and what lies over them."""

from __future__ import annotations

import itertools
import unicodedata

import numpy as np
import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_tui.config.themes import CanvasColors
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.ansi_encoding import encode_rows
from draggan_tui.rendering.cell_parts import PARTS, characters
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.compare import ComparedImages
from draggan_tui.rendering.halfblocks import halfblocks
from draggan_tui.rendering.overlay import CanvasStyle, Overlay, PairMark, compose
from draggan_tui.rendering.two_color_cells import screen_means, two_color_cells
from draggan_tui.rendering.view_sampling import sample_view
from draggan_tui.terminal.cell_shape import CELL_SHAPES, CellShape, cell_shape_of, guess_cell_shape

FINE_SHAPES: tuple[CellShape, ...] = ("quadrant", "sextant", "octant")
ImageArray = NDArray[np.uint8]


def shown_image(cells: Cells, shape: CellShape) -> ImageArray:
    """Return what a terminal shows, one pixel for each part of a cell."""
    parts, patterns = PARTS[shape], {int(character): i for i, character in enumerate(characters(shape))}
    image = np.empty((cells.rows * parts.height, cells.columns * parts.width, 3), dtype=np.uint8)
    for row, column in np.ndindex(cells.char.shape):
        pattern = patterns[int(cells.char[row, column])]
        for part in range(parts.width * parts.height):
            color = cells.fg[row, column] if pattern >> part & 1 else cells.bg[row, column]
            image[row * parts.height + part // parts.width, column * parts.width + part % parts.width] = color
    return image


def images_of(shape: CellShape, rows: int, columns: int) -> st.SearchStrategy[ImageArray]:
    return arrays(np.uint8, (rows * PARTS[shape].height, columns * PARTS[shape].width, 3))


# Characters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", FINE_SHAPES)
def test_each_pattern_has_a_character_of_its_own(shape: CellShape) -> None:
    table = characters(shape)
    assert len(np.unique(table)) == len(table) == 2 ** (PARTS[shape].width * PARTS[shape].height)
    assert (chr(table[0]), chr(table[-1])) == (" ", "█")


def test_quadrants_and_sextants_have_the_parts_that_unicode_names() -> None:
    numbers = {"UPPER LEFT": 1, "UPPER RIGHT": 2, "LOWER LEFT": 4, "LOWER RIGHT": 8}
    for pattern, code_point in enumerate(characters("quadrant").tolist()):
        if (name := unicodedata.name(chr(code_point))).startswith("QUADRANT "):
            assert pattern == sum(numbers[part] for part in name.removeprefix("QUADRANT ").split(" AND "))
    sextants = 0
    for pattern, code_point in enumerate(characters("sextant").tolist()):
        if (name := unicodedata.name(chr(code_point))).startswith("BLOCK SEXTANT-"):
            assert pattern == sum(1 << int(digit) - 1 for digit in name.removeprefix("BLOCK SEXTANT-"))
            sextants += 1
    assert sextants == 60


def test_octants_are_those_of_unicode_16() -> None:
    table = characters("octant")
    block = sorted(int(code_point) for code_point in table if 0x1CD00 <= code_point <= 0x1CDE5)
    assert block == list(range(0x1CD00, 0x1CDE6))
    octants = {"3": 0x1CD00, "23": 0x1CD01, "123": 0x1CD02, "4": 0x1CD03, "14": 0x1CD04, "124": 0x1CD05, "25": 0x1CD0B}
    octants |= {
        "2345678": 0x1CDE5,
        "1": 0x1CEA8,
        "2": 0x1CEAB,
        "7": 0x1CEA3,
        "8": 0x1CEA0,
        "35": 0x1FBE6,
        "46": 0x1FBE7,
    }
    octants |= {"1234": ord("▀"), "1357": ord("▌"), "13": ord("▘"), "78": ord("▂"), "12": 0x1FB82, "123456": 0x1FB85}
    for digits, code_point in octants.items():
        assert table[sum(1 << int(digit) - 1 for digit in digits)] == code_point


@pytest.mark.parametrize("shape", FINE_SHAPES)
def test_the_bytes_of_every_character_are_its_utf8(shape: CellShape) -> None:
    table = characters(shape)[None]
    cells = Cells.blank(1, table.shape[1], (255, 255, 255), (0, 0, 0))
    cells.char[:] = table
    assert "".join(chr(code_point) for code_point in table[0]) in encode_rows(cells, "none")[0]


# Colours ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", FINE_SHAPES)
def test_two_colours_in_each_cell_are_shown_exactly(shape: CellShape) -> None:
    parts, rng = PARTS[shape], np.random.default_rng(0)
    colors = rng.integers(0, 256, (40, 70, 2, 3), dtype=np.uint8).repeat(parts.height, 0).repeat(parts.width, 1)
    chosen = rng.integers(0, 2, colors.shape[:2])
    image = np.take_along_axis(colors, chosen[:, :, None, None], axis=2)[:, :, 0]
    assert np.array_equal(shown_image(two_color_cells(image, shape), shape), image)


@pytest.mark.parametrize("shape", FINE_SHAPES)
@settings(max_examples=20)
@given(data=st.data())
def test_no_other_division_has_a_smaller_error(shape: CellShape, data: st.DataObject) -> None:
    image = data.draw(images_of(shape, 1, 1))
    colors = image.reshape(-1, 3).astype(float)
    least_error = min(
        sum(((group - group.mean(axis=0)) ** 2).sum() for group in (colors[inside], colors[~inside]) if len(group))
        for inside in (np.array(pattern) for pattern in itertools.product((False, True), repeat=len(colors)))
    )
    shown = shown_image(two_color_cells(image, shape), shape).reshape(-1, 3)
    error = ((shown - colors) ** 2).sum()
    assert error <= least_error + 0.25 * colors.size + 1e-3 * least_error  # colours are rounded
    assert np.abs(shown.mean(axis=0) - colors.mean(axis=0)).max() <= 0.51


def test_more_parts_show_an_image_more_exactly() -> None:
    rows, columns = np.mgrid[:240, :240]
    rings = 127 + 120 * np.sin(np.hypot(rows - 120, columns - 120) / 6)
    image = np.stack([rings, columns, 255 - rows], axis=-1).astype(np.uint8)
    errors = []
    for shape in CELL_SHAPES:
        parts = PARTS[shape]
        part_rows, part_columns = 240 // (20 * parts.height), 240 // (20 * parts.width)
        averaged = image.reshape(20 * parts.height, part_rows, 20 * parts.width, part_columns, 3).mean(axis=(1, 3))
        pixels = averaged.astype(np.uint8)
        cells = halfblocks(pixels) if shape == "half" else two_color_cells(pixels, shape)
        shown = shown_image(cells, shape) if shape != "half" else pixels
        errors.append(float(((shown.repeat(part_rows, 0).repeat(part_columns, 1) - image.astype(float)) ** 2).mean()))
    assert errors[3] == min(errors)
    assert errors[0] == max(errors)


@given(image=arrays(np.uint8, (6, 4, 3)))
def test_screen_pixels_are_means_of_the_parts(image: ImageArray) -> None:
    as_octants = image.repeat(4, axis=0)  # of 6 rows of cells; each part has two rows
    assert np.array_equal(
        screen_means(as_octants, PARTS["octant"]), as_octants[::2].reshape(12, 2, 2, 3).mean(2).round()
    )
    means = screen_means(image, PARTS["sextant"]).astype(float)
    upper_parts = image[0::3].astype(float).reshape(2, 2, 2, 3).mean(axis=2)
    middle_parts = image[1::3].astype(float).reshape(2, 2, 2, 3).mean(axis=2)
    assert np.abs(means[0::2] - (2 * upper_parts + middle_parts) / 3).max() <= 0.5001
    assert screen_means(image, PARTS["half"]) is image


# The canvas ---------------------------------------------------------------------------------------------

COLORS = CanvasColors()


def style(shape: CellShape, depth: str = "truecolor") -> CanvasStyle:
    return CanvasStyle(depth, COLORS, shape=shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", FINE_SHAPES)
def test_the_sampled_image_has_a_pixel_for_each_part_and_the_same_means(shape: CellShape) -> None:
    rows, columns = np.mgrid[:240, :240]
    image = np.stack([rows, columns, (rows + columns) // 2], axis=-1).astype(np.uint8)
    view, parts = Viewport(Size(240, 240), Size(40, 40)), PARTS[shape]
    sampled = sample_view(image, view, parts)
    assert sampled.shape == (20 * parts.height, 40 * parts.width, 3)
    assert np.abs(screen_means(sampled, parts).astype(int) - sample_view(image, view)).max() <= 1


@pytest.mark.parametrize("shape", CELL_SHAPES)
def test_square_pixels_stay_square(shape: CellShape) -> None:
    image = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    view, parts = Viewport(Size(8, 8), Size(96, 96)), PARTS[shape]
    sampled = sample_view(image, view, parts)
    assert np.array_equal(sampled, image.repeat(6 * parts.height, axis=0).repeat(12 * parts.width, axis=1))


@pytest.mark.parametrize("shape", FINE_SHAPES)
def test_before_and_after_meet_at_the_same_column(shape: CellShape) -> None:
    before, after = np.zeros((40, 40, 3), np.uint8), np.full((40, 40, 3), 200, np.uint8)
    view, parts = Viewport(Size(40, 40), Size(40, 40)), PARTS[shape]
    sampled = ComparedImages(before, after, "split", 0.5).sampled(view, parts)
    assert (sampled[:, : 20 * parts.width] == 0).all()
    assert (sampled[:, 20 * parts.width + 1 :] == 200).all()


@pytest.mark.parametrize("shape", FINE_SHAPES)
def test_marks_and_glyphs_are_as_in_half_cells(shape: CellShape) -> None:
    parts = PARTS[shape]
    image = np.full((20, 30, 3), (60, 120, 90), dtype=np.uint8)
    area = np.zeros((20, 30), dtype=np.uint8)
    area[4:12, 5:20] = 1
    overlay = Overlay((15, 9), (PairMark(1, (3, 5), (22, 14), True), PairMark(2, (8, 8), None, False)), shape=area)
    fine_image = np.full((10 * parts.height, 30 * parts.width, 3), (60, 120, 90), dtype=np.uint8)
    fine_cells, half_cells = (
        compose(fine_image, overlay, style(shape)),
        compose(image, overlay, style("half")),
    )
    plain_color = half_cells.fg[0, 0]
    is_marked = ((half_cells.fg != plain_color) | (half_cells.bg != half_cells.bg[0, 0])).any(axis=2)
    assert np.array_equal(fine_cells.char[is_marked], half_cells.char[is_marked])
    for color in (COLORS.handle, COLORS.target):
        where = (half_cells.fg == color).all(axis=2)
        assert where.any() and (fine_cells.fg[where] == color).all()
        assert np.array_equal(fine_cells.char[where], half_cells.char[where])
    cursor_cells = (half_cells.fg == COLORS.cursor).all(axis=2) | (half_cells.bg == COLORS.cursor).all(axis=2)
    cursor_shown = (fine_cells.fg == COLORS.cursor).all(axis=2) | (fine_cells.bg == COLORS.cursor).all(axis=2)
    assert np.array_equal(cursor_cells, cursor_shown)


@pytest.mark.parametrize("shape", FINE_SHAPES)
def test_the_mask_is_a_tint_of_the_parts_with_a_stronger_edge(shape: CellShape) -> None:
    parts = PARTS[shape]
    image = np.full((10 * parts.height, 20 * parts.width, 3), 100, dtype=np.uint8)
    mask = np.zeros((20, 20), dtype=np.uint8)
    mask[:, :10] = 1
    shown = shown_image(compose(image, Overlay(mask=mask), style(shape)), shape).astype(int)
    assert (shown[:, 10 * parts.width :] == 100).all()
    tinted, edge = shown[5, 5], shown[5, 10 * parts.width - 1]
    assert (
        np.abs(edge - COLORS.mask).sum()
        < np.abs(tinted - COLORS.mask).sum()
        < np.abs(np.array(COLORS.mask) - 100).sum()
    )
    with pytest.raises(ValueError, match="not of the image's size"):
        compose(image, Overlay(mask=mask[:4]), style(shape))


@pytest.mark.parametrize("depth", ["256", "16", "none"])
def test_with_fewer_colours_cells_are_as_always(depth: str) -> None:
    image = np.random.default_rng(3).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    assert style("octant", depth).parts == PARTS["half"]
    fine_cells, half_cells = (compose(image, Overlay((4, 4)), style(shape, depth)) for shape in ("octant", "half"))
    assert not fine_cells.differences(half_cells).any()


@pytest.mark.parametrize("shape", FINE_SHAPES)
def test_a_terminal_shows_the_characters(shape: CellShape) -> None:
    image = np.random.default_rng(4).integers(0, 256, (5 * PARTS[shape].height, 9 * PARTS[shape].width, 3), np.uint8)
    cells = compose(image, Overlay(), style(shape))
    screen = pyte.Screen(9, 5)
    pyte.Stream(screen).feed("\r\n".join(encode_rows(cells, "truecolor")))
    for row, column in np.ndindex(5, 9):
        cell = screen.buffer[row][column]
        assert ord(cell.data) == cells.char[row, column]
        assert bytes.fromhex(cell.bg) == cells.bg[row, column].tobytes()


@pytest.mark.parametrize(
    ("terminal_name", "shape"),
    [
        ("xterm-kitty", "sextant"), ("foot", "sextant"), ("xterm-ghostty", "sextant"), ("wezterm", "sextant"),
        ("xterm-256color", "half"), ("tmux-256color", "half"), ("screen", "half"), ("", "half"),
    ],
)  # fmt: skip
def test_only_terminals_that_draw_sextants_themselves_get_them(terminal_name: str, shape: CellShape) -> None:
    assert guess_cell_shape({"TERM": terminal_name} if terminal_name else {}) == shape


@pytest.mark.parametrize(
    ("version", "shape"),
    [
        ("foot(1.16.2)", "sextant"),
        ("kitty(0.26.5)", "sextant"),
        ("ghostty 1.2.0", "sextant"),
        ("WezTerm 20240203-110809-5046fc22", "sextant"),
        ("VTE(7600)", "sextant"),
        ("XTerm(379)", "half"),
        ("tmux 3.3a", "half"),
        ("", "half"),
    ],
)
def test_a_terminal_that_says_its_name_gets_what_it_draws(version: str, shape: CellShape) -> None:
    assert cell_shape_of(version) == shape
