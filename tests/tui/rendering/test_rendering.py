from __future__ import annotations

import numpy as np
import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.segment import Segment
from rich.terminal_theme import MONOKAI
from textual.color import Color
from textual.filter import ANSIToTruecolor, Monochrome, NoColor
from textual.strip import Strip

from draggan_tui.config.themes import CanvasColors, bundled_theme_names, load_theme
from draggan_tui.rendering.ansi_encoding import encode_rows
from draggan_tui.rendering.cell_strip import CellStrip, segments
from draggan_tui.rendering.cells import BOLD, REVERSE, UNDERLINE, VISIBLE_STYLES, Cells
from draggan_tui.rendering.dithering import (
    ColorDepth,
    PaletteDepth,
    dither,
    linear_light,
    luma,
    nearest_numbers,
    oklab_array,
    palette_colors,
)
from draggan_tui.rendering.glyphs import place_glyphs
from draggan_tui.rendering.halfblocks import colored_shades, halfblocks, shades
from draggan_tui.rendering.line_drawing import cross, legible_ground, line_pixels, pale
from draggan_tui.rendering.overlay import CanvasStyle, Overlay, PairMark, compose
from draggan_tui.terminal.xterm_palette import nearest_number
from tests.support.paths import ROOT

ImageArray = NDArray[np.uint8]
DOCS = ROOT / "docs"

RED, GREEN, BLUE, BLACK, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)
COLORS = CanvasColors()
DEPTHS: list[ColorDepth] = ["truecolor", "256", "16", "none"]


def image_of(*rows: list[tuple[int, int, int]]) -> ImageArray:
    return np.array(rows, dtype=np.uint8)


def flat(width: int, height: int, color: tuple[int, int, int]) -> ImageArray:
    return np.full((height, width, 3), color, dtype=np.uint8)


def text(cells: Cells) -> list[str]:
    return ["".join(map(chr, row)) for row in cells.char.tolist()]


def images() -> st.SearchStrategy[ImageArray]:
    shape = st.tuples(st.integers(1, 5).map(lambda n: 2 * n), st.integers(1, 12), st.just(3))
    return shape.flatmap(lambda s: arrays(np.uint8, s, elements=st.sampled_from([0, 7, 95, 128, 135, 255])))


# Bytes ------------------------------------------------------------------------------------------------


def test_two_pixels_make_one_cell() -> None:
    cells = halfblocks(image_of([RED], [BLUE]))
    assert encode_rows(cells, "truecolor") == ["\x1b[38;2;255;0;0;48;2;0;0;255m▀\x1b[0m"]
    assert encode_rows(cells, "256") == ["\x1b[38;5;196;48;5;21m▀\x1b[0m"]
    assert encode_rows(cells, "16") == ["\x1b[91;44m▀\x1b[0m"]
    assert encode_rows(cells, "none") == ["▀\x1b[0m"]


def test_a_style_is_not_sent_again_if_it_does_not_change() -> None:
    cells = halfblocks(image_of([RED, RED, GREEN, GREEN], [BLUE, BLUE, BLUE, WHITE]))
    assert encode_rows(cells, "truecolor") == [
        "\x1b[38;2;255;0;0;48;2;0;0;255m▀▀\x1b[38;2;0;255;0m▀\x1b[48;2;255;255;255m▀\x1b[0m"
    ]


def test_a_cell_of_one_colour_is_sent_as_a_space_without_a_new_ink() -> None:
    cells = halfblocks(image_of([RED, GREEN, RED], [BLUE, GREEN, BLUE]))
    assert encode_rows(cells, "truecolor") == [
        "\x1b[38;2;255;0;0;48;2;0;0;255m▀\x1b[48;2;0;255;0m \x1b[48;2;0;0;255m▀\x1b[0m"
    ]
    assert encode_rows(halfblocks(flat(3, 2, RED)), "truecolor") == ["\x1b[48;2;255;0;0m   \x1b[0m"]


def test_a_row_starts_and_ends_in_the_default_style() -> None:
    cells = Cells.blank(1, 4, RED, BLACK)
    cells.char[0] = [ord(char) for char in "aéb●"]
    cells.style[0] = [0, BOLD | REVERSE, UNDERLINE, 0]
    assert encode_rows(cells, "truecolor") == [
        "\x1b[38;2;255;0;0;48;2;0;0;0ma"
        "\x1b[0;1;7;38;2;255;0;0;48;2;0;0;0mé"
        "\x1b[0;4;38;2;255;0;0;48;2;0;0;0mb"
        "\x1b[0;38;2;255;0;0;48;2;0;0;0m●\x1b[0m"
    ]
    assert encode_rows(cells, "none") == ["a\x1b[0;1;7mé\x1b[0;4mb\x1b[0m●\x1b[0m"]


def test_styled_spaces_keep_their_ink() -> None:
    cells = Cells.blank(1, 2, RED, BLACK)
    cells.style[0, 1] = REVERSE
    assert encode_rows(cells, "truecolor") == ["\x1b[48;2;0;0;0m \x1b[0;7;38;2;255;0;0;48;2;0;0;0m \x1b[0m"]


def test_empty_grids_are_encoded() -> None:
    assert encode_rows(Cells.blank(0, 3, RED, BLACK), "truecolor") == []
    assert encode_rows(Cells.blank(2, 0, RED, BLACK), "truecolor") == ["\x1b[0m", "\x1b[0m"]


@given(images())
def test_a_terminal_shows_the_image(pixels: ImageArray) -> None:
    height, width, _ = pixels.shape
    screen = pyte.Screen(width, height // 2)
    pyte.Stream(screen).feed("\r\n".join(encode_rows(halfblocks(pixels), "truecolor")))
    shown = np.zeros_like(pixels)
    for row in range(height // 2):
        for column in range(width):
            char = screen.buffer[row][column]
            shown[2 * row + 1, column] = list(bytes.fromhex(char.bg))
            shown[2 * row, column] = list(bytes.fromhex(char.fg if char.data == "▀" else char.bg))
    assert (shown == pixels).all()


@given(images(), st.sampled_from(DEPTHS))
def test_a_row_is_encoded_like_in_a_frame(pixels: ImageArray, depth: ColorDepth) -> None:
    cells = halfblocks(pixels)
    assert encode_rows(cells, depth) == [
        encode_rows(cells.take(slice(row, row + 1)), depth)[0] for row in range(cells.rows)
    ]


def test_shades_stretch_the_contrast_towards_the_ink() -> None:
    ramp = np.linspace(100, 150, 10).astype(np.uint8)
    pixels = np.broadcast_to(ramp[None, :, None], (2, 10, 3)).copy()
    assert text(shades(pixels, WHITE, BLACK)) == ["  ░░▒▒▓▓██"]
    assert text(shades(pixels, BLACK, WHITE)) == ["██▓▓▒▒░░  "]
    assert len(set(text(shades(flat(3, 2, RED), WHITE, BLACK))[0])) == 1


# Palettes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", ["256", "16"])
def test_a_palette_colour_is_nearest_to_itself(depth: PaletteDepth) -> None:
    colors = palette_colors(depth)[16 if depth == "256" else 0 :]
    nearest_colors = palette_colors(depth)[nearest_numbers(colors, depth)].astype(int)
    # Two of them may share their upper five bits, as the greys of 128 and 135 do.
    assert np.abs(nearest_colors - colors).max() <= 10


def test_of_256_colours_the_sixteen_that_users_can_change_are_not_used() -> None:
    every = np.arange(0, 256, 25, dtype=np.uint8)
    cube = np.stack(np.meshgrid(every, every, every), axis=-1).reshape(1, -1, 3)
    assert nearest_numbers(cube, "256").min() >= 16
    assert palette_colors("256").shape == (256, 3)
    assert palette_colors("256")[16:][[0, 215, 216, 239]].tolist() == [[0] * 3, [255] * 3, [8] * 3, [238] * 3]


def test_a_colour_between_two_of_the_palette_is_a_mix_of_both() -> None:
    between = flat(8, 8, (195, 155, 155))
    mixed = dither(between)
    plain = palette_colors("256")[nearest_numbers(between, "256")]
    assert len(np.unique(mixed.reshape(-1, 3), axis=0)) == 2
    assert blurred_error(mixed, between) < 0.5 * blurred_error(plain, between)


def test_dithering_leaves_palette_colours_alone() -> None:
    for color in palette_colors("256")[16:].tolist():
        # Two greys of the palette may be nearer to each other than colours are looked up.
        assert np.abs(dither(flat(4, 4, color)).astype(int) - color).max() <= 10, color


def blurred_error(shown: ImageArray, image: ImageArray) -> float:
    """Return the mean distance in OKLab of two images, blurred by 2×2 pixels in linear light, as the eye does."""
    means = []
    for pixels in (shown, image):
        light = linear_light(pixels.astype(np.uint8))
        means.append(oklab_array((light[1:, 1:] + light[1:, :-1] + light[:-1, 1:] + light[:-1, :-1]) / 4))
    return float(np.linalg.norm(means[0] - means[1], axis=-1).mean())


def critter(number: int, size: int) -> ImageArray:
    """Return one of the sample images in docs/ at the size of a canvas."""
    sheet = Image.open(DOCS / "critters-samples.jpg").convert("RGB")
    side = sheet.width // 8
    box = (number % 8 * side, number // 8 * side, (number % 8 + 1) * side, (number // 8 + 1) * side)
    return np.asarray(sheet.crop(box).resize((size, size), Image.Resampling.BOX))


@pytest.mark.parametrize("size", [42, 96])
def test_dithered_images_are_close_to_the_image_and_have_little_noise(size: int) -> None:
    """The limits are from the table in docs/colours.md."""
    images = [critter(number, size) for number in range(0, 64, 9)]
    shown = [dither(image) for image in images]
    plain = [palette_colors("256")[nearest_numbers(image, "256")] for image in images]
    error = np.mean([blurred_error(*pair) for pair in zip(shown, images, strict=True)])
    plain_error = np.mean([blurred_error(*pair) for pair in zip(plain, images, strict=True)])
    assert error < 0.0163
    assert error < 2 / 3 * plain_error


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_at_most_two_similar_colours_are_mixed(color: tuple[int, int, int]) -> None:
    colors = np.unique(dither(flat(4, 4, color)).reshape(-1, 3), axis=0)
    assert len(colors) <= 2
    lab = oklab_array(linear_light(colors))
    assert np.linalg.norm(lab[0] - lab[-1]) <= 0.18


@given(st.integers(0, 255))
def test_greys_stay_grey(level: int) -> None:
    """This includes nearly grey colours, which dark themes use."""
    for color in ((level,) * 3, (level, level, min(level + 9, 255))):
        for number in (nearest_numbers(flat(1, 1, color), "256")[0, 0], nearest_number(color, "16")):
            assert len(set(palette_colors("256")[number].tolist())) == 1, color


def test_16_colours_show_shades_and_use_hues_only_for_vivid_colours() -> None:
    def shown(color: tuple[int, int, int]) -> tuple[str, list[int], list[int]]:
        cells = colored_shades(flat(2, 2, color))
        return text(cells)[0], *(nearest_numbers(side, "16")[0].tolist() for side in (cells.bg, cells.fg))

    assert shown(BLACK)[:2] == ("  ", [0, 0])
    assert shown((127, 127, 127))[:2] == ("  ", [8, 8])
    assert shown((100, 100, 100)) == ("▓▓", [0, 0], [8, 8])
    assert shown((185, 185, 185)) == ("▒▒", [8, 8], [7, 7])
    assert shown((156, 154, 158)) == ("░░", [8, 8], [7, 7])
    _, below, above = shown((235, 40, 40))
    assert {9, 1} & {*below, *above}


def test_in_16_colours_marks_are_drawn_in_half_cells_over_shades() -> None:
    cells = compose(flat(5, 6, (100, 100, 100)), Overlay(cursor=(2, 2)), CanvasStyle("16", COLORS))
    assert text(cells) == ["▓▓▀▓▓", "▀▀▀▀▀", "▓▓▀▓▓"]
    pixels = np.stack([cells.fg, cells.bg], axis=1).reshape(6, 5, 3)
    assert pixels[2, 1].tolist() == list(COLORS.cursor) and pixels[3, 1].tolist() == [127] * 3


# Overlay ----------------------------------------------------------------------------------------------


def test_glyphs_over_an_image() -> None:
    pairs = (PairMark(1, (1, 0), (6, 5)), PairMark(12, (4, 3), selected=True))
    cells = compose(flat(8, 6, BLACK), Overlay(pairs=pairs), CanvasStyle("truecolor", COLORS))
    assert text(cells) == ["▀●1▀▀▀▀▀", "▀▀▀▀●12▀", "▀▀▀▀▀▀◎1"]
    assert cells.fg[0, 1].tolist() == list(COLORS.handle)
    assert cells.fg[2, 6].tolist() == list(COLORS.target)
    assert cells.style[0].tolist() == [0, BOLD, BOLD, 0, 0, 0, 0, 0]
    assert (cells.style[1, 4:7] == BOLD | REVERSE).all()
    # The dotted line: every other pixel, as long as it is clear of both ends.
    assert cells.fg[1, 3].tolist() == list(COLORS.line)
    assert cells.bg[0, 2].tolist() == cells.bg[1, 3].tolist() == list(BLACK)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("ground", [BLACK, WHITE, (120, 120, 120)])
def test_letters_cover_points_and_contrast_with_every_ground(depth: ColorDepth, ground: tuple[int, int, int]) -> None:
    overlay = Overlay(
        cursor=(1, 0), pairs=(PairMark(1, (1, 0)),), labels={"a": (1, 0), "b": (4, 3), "c": (9, 0), "d": (0, -2)}
    )
    cells = compose(flat(6, 4, ground), overlay, CanvasStyle(depth, COLORS))
    assert (text(cells)[0][1], text(cells)[1][4]) == ("a", "b")
    assert not set("cd") & set("".join(text(cells)))
    for row, column in ((0, 1), (1, 4)):
        assert cells.style[row, column] & VISIBLE_STYLES == (BOLD | REVERSE if depth == "none" else BOLD)
        assert {tuple(cells.fg[row, column]), tuple(cells.bg[row, column])} == {BLACK, WHITE}


def test_a_disabled_pair_has_other_paler_glyphs_and_no_line() -> None:
    pairs = (PairMark(1, (1, 0), (8, 0)), PairMark(2, (1, 2), (8, 2), enabled=False))
    for depth in ("truecolor", "none"):
        overlay = Overlay(pairs=(*pairs, PairMark(3, (1, 4), (8, 4), selected=True, enabled=False)))
        cells = compose(flat(10, 6, BLACK), overlay, CanvasStyle(depth, COLORS))
        rows = [row.replace("▀", " ") for row in text(cells)]
        assert [row.replace("·", " ") for row in rows] == [" ●1     ◎1", " o2     x2", " o3     x3"]
        assert [bool(cells.style[row, 1] & BOLD) for row in range(3)] == [True, False, False]
        assert [bool(cells.style[row, 1] & REVERSE) for row in range(3)] == [False, False, True]
        if depth == "none":
            assert ["·" in row for row in rows] == [True, False, False]
        else:
            assert tuple(cells.fg[0, 1]) == COLORS.handle
            assert tuple(cells.fg[1, 1]) == pale(COLORS.handle) and tuple(cells.fg[1, 8]) == pale(COLORS.target)
            assert cells.fg[1, 3:8].max() == 0 < cells.fg[0, 3:8].max(), "the line"


def test_a_number_stands_left_of_its_point_at_the_right_border_and_is_left_out_without_room() -> None:
    def shown(width: int, *pairs: PairMark) -> str:
        return text(compose(flat(width, 2, BLACK), Overlay(pairs=pairs), CanvasStyle("none", COLORS)))[0]

    assert shown(4, PairMark(1, (3, 0))) == "  1●"
    assert shown(1, PairMark(1, (0, 1))) == "●"
    assert shown(2, PairMark(10, (0, 1))) == "● "
    assert shown(4, PairMark(1, (1, 0)), PairMark(2, (2, 0))) == "1●●2"


def test_a_handle_hides_its_target_below_it_and_points_outside_are_not_drawn() -> None:
    pairs = (PairMark(1, (0, 0), (0, 1)), PairMark(2, (-1, 0), (4, 900)))
    assert text(compose(flat(4, 2, BLACK), Overlay((99, -7), pairs), CanvasStyle("none", COLORS))) == ["●1  "]


@given(
    st.integers(1, 12),
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(1, 120), *[st.integers(-2, 13)] * 4, st.booleans()), max_size=8),
)
def test_every_point_inside_has_a_glyph(columns: int, rows: int, points: list[tuple[int, ...]]) -> None:
    pairs = [PairMark(n, (a, b), (c, d), bool(selected)) for n, a, b, c, d, selected in points]
    last = {(sign.row, sign.column): sign for sign in place_glyphs(pairs, rows, columns)}
    assert all(0 <= row < rows and 0 <= column < columns for row, column in last)
    for pair in pairs:
        column, row = pair.handle
        if 0 <= column < columns and 0 <= row < 2 * rows:
            assert last[row // 2, column].char in "●◎"


def test_the_cursor_is_exact_to_half_a_cell_and_does_not_cover_its_pixel() -> None:
    cells = compose(flat(5, 6, (90, 90, 90)), Overlay(cursor=(2, 2)), CanvasStyle("truecolor", COLORS))
    pixels = np.stack([cells.fg, cells.bg], axis=1).reshape(6, 5, 3)
    changed = (pixels != 90).any(axis=2)
    assert changed.astype(int).tolist() == [
        [0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0],
        [1, 1, 0, 1, 1],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize("depth", ["truecolor", "256", "16"])
@pytest.mark.parametrize("dark_columns", range(9))
def test_the_cursor_has_a_single_colour_on_any_image(depth: ColorDepth, dark_columns: int) -> None:
    ground = flat(8, 8, (250, 240, 200))
    ground[:, :dark_columns] = (20, 25, 30)
    cells = compose(ground, Overlay(cursor=(4, 4)), CanvasStyle(depth, COLORS))
    pixels = np.stack([cells.fg, cells.bg], axis=1).reshape(8, 8, 3)
    arms = cross((4, 4))
    (color,) = {tuple(pixels[row, column].tolist()) for column, row in arms}
    contrast = np.abs(luma(np.array(color)) - luma(ground[arms[:, 1], arms[:, 0]]))
    assert (contrast >= 0.34).sum() >= 4, "it is seen on most of its ground"


@given(st.tuples(*[st.integers(0, 255)] * 3), st.sampled_from(bundled_theme_names()))
def test_the_cursor_and_lines_are_visible_on_every_background(ground: tuple[int, int, int], theme: str) -> None:
    overlay = Overlay((2, 2), (PairMark(1, (0, 5), (11, 5)),))
    cells = compose(flat(12, 6, ground), overlay, CanvasStyle("truecolor", load_theme(theme).canvas))
    pixels = np.stack([cells.fg, cells.bg], axis=1).reshape(6, 12, 3)
    apart = np.abs(luma(pixels) - luma(np.array(ground)))
    assert apart[2, 1] >= 0.34
    assert apart[5, 4] >= 0.34


@given(st.tuples(*[st.integers(0, 255)] * 3), st.sampled_from(bundled_theme_names()))
def test_glyphs_are_legible_on_every_background(ground: tuple[int, int, int], theme: str) -> None:
    colors = load_theme(theme).canvas
    for color in (colors.handle, colors.target):
        below = legible_ground(np.array(ground, dtype=np.float64), color)
        assert abs(luma(below) - luma(np.array(color))) >= 0.34


def test_a_handle_under_the_cursor_is_legible() -> None:
    overlay = Overlay((3, 2), (PairMark(7, (3, 2)),))
    assert text(compose(flat(8, 6, BLACK), overlay, CanvasStyle("truecolor", COLORS)))[1] == "▀▀▀●7▀▀▀"
    assert text(compose(flat(8, 6, BLACK), overlay, CanvasStyle("none", COLORS)))[1] == "  [●7   "


def test_without_colours_the_cursor_shows_which_half_of_a_cell() -> None:
    for row, char in ((2, "▀"), (3, "▄")):
        cells = compose(flat(5, 6, BLACK), Overlay(cursor=(2, row)), CanvasStyle("none", COLORS))
        assert text(cells) == ["     ", f" [{char}] ", "     "]


def test_the_mask_is_a_tint_with_a_stronger_edge() -> None:
    mask = np.zeros((6, 6), dtype=np.uint8)
    mask[:, 2:] = 1
    cells = compose(flat(6, 6, BLACK), Overlay(mask=mask), CanvasStyle("truecolor", COLORS))
    light = luma(cells.fg)[1]
    assert light[0] == light[1] == 0 and light[2] > light[3] > 0 and light[3] == light[5]
    assert text(compose(flat(6, 6, BLACK), Overlay(mask=mask), CanvasStyle("none", COLORS))) == [
        "  : : ",
        "  :   ",
        "  : : ",
    ]


def test_in_16_colours_the_edge_of_the_mask_is_drawn() -> None:
    mask = np.zeros((6, 6), dtype=np.uint8)
    mask[:, 2:] = 1
    cells = compose(flat(6, 6, (100, 100, 100)), Overlay(mask=mask), CanvasStyle("16", COLORS))
    pixels = np.stack([cells.fg, cells.bg], axis=1).reshape(6, 6, 3)
    is_edge = (pixels == np.array(COLORS.mask)).all(axis=2)
    assert is_edge[:, 2].all() and not is_edge[:, [0, 1, 3, 4, 5]].any()


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="size"):
        compose(flat(6, 6, BLACK), Overlay(mask=np.ones((4, 6), dtype=np.uint8)), CanvasStyle("truecolor", COLORS))


def test_a_shape_is_an_outline_also_at_the_border() -> None:
    shape = np.zeros((6, 6), dtype=np.uint8)
    shape[2:, :4] = 1
    cells = compose(flat(6, 6, BLACK), Overlay(shape=shape), CanvasStyle("truecolor", COLORS))
    lit = np.stack([cells.fg, cells.bg], axis=1).reshape(6, 6, 3).any(axis=2)
    expected = shape.astype(bool)
    expected[3:5, 1:3] = False
    assert np.array_equal(lit, expected)
    assert text(compose(flat(6, 6, BLACK), Overlay(shape=shape), CanvasStyle("none", COLORS))) == [
        "      ",
        "++++  ",
        "++++  ",
    ]


@pytest.mark.parametrize("depth", DEPTHS)
def test_composing_does_not_change_the_image(depth: ColorDepth) -> None:
    pixels = flat(8, 6, (10, 200, 30))
    pixels.setflags(write=False)
    mask = np.ones((6, 8), dtype=np.uint8)
    compose(pixels, Overlay((1, 1), (PairMark(1, (2, 2), (7, 5)),), mask), CanvasStyle(depth, COLORS))


def test_in_16_colours_handles_and_targets_keep_their_hues() -> None:
    for theme in bundled_theme_names():
        colors = load_theme(theme).canvas
        color_numbers = nearest_numbers(np.array([colors.handle, colors.target], dtype=np.uint8), "16").tolist()
        assert color_numbers[0] in (5, 13) and color_numbers[1] in (2, 10)


def test_a_line_does_not_include_its_ends() -> None:
    assert line_pixels((0, 0), (6, 3)).tolist() == [[2, 1], [4, 2]]
    assert line_pixels((3, 3), (3, 3)).tolist() == []
    assert line_pixels((0, 0), (1, 1)).tolist() == []


# Strips -----------------------------------------------------------------------------------------------


def strip_of(depth: ColorDepth = "truecolor") -> CellStrip:
    cells = halfblocks(image_of([RED, RED, GREEN, BLUE], [BLUE, BLUE, BLUE, WHITE]))
    return CellStrip(cells, depth)


def test_a_strip_makes_segments_when_they_are_needed() -> None:
    strip = strip_of()
    assert (strip.cell_length, strip.cell_count, bool(strip)) == (4, 4, True)
    assert strip.text == "▀▀▀▀"
    assert [segment.text for segment in strip] == ["▀▀", "▀", "▀"]
    style = next(iter(strip)).style
    assert style is not None and str(style) == "#ff0000 on #0000ff"


@pytest.mark.parametrize("depth", ["truecolor", "256", "16"])
def test_segments_render_to_the_same_screen(depth: ColorDepth) -> None:
    strip = strip_of(depth)
    system = {"truecolor": "truecolor", "256": "256", "16": "standard"}[depth]
    console = Console(color_system=system, force_terminal=True, _environ={})  # type: ignore[arg-type]
    screens = []
    for sent in (strip.render(console), Strip(list(strip), 4).render(console)):
        screen = pyte.Screen(4, 1)
        pyte.Stream(screen).feed(sent)
        screens.append([(char.data, char.fg, char.bg) for char in (screen.buffer[0][column] for column in range(4))])
    assert screens[0] == screens[1]


def test_crop_and_divide_keep_cells_and_their_bytes() -> None:
    strip, console = strip_of(), Console()
    assert strip.crop(0, 4) is strip and strip.crop(0) is strip
    assert strip.crop(3, 9).render(console) == "\x1b[38;2;0;0;255;48;2;255;255;255m▀\x1b[0m"
    assert (strip.crop(3, 2).cell_length, bool(strip.crop(3, 2)), strip.crop(3, 2).text) == (0, False, "")
    left, middle, right = strip.divide([1, 3, 4])
    assert [part.cell_length for part in (left, middle, right)] == [1, 2, 1]
    assert Strip.join([left, middle, right]).text == "▀▀▀▀"
    assert Strip.join([left, middle, right]) != Strip([])
    assert strip.divide([4]) == [strip]


def test_filters_of_strips() -> None:
    strip, ground = strip_of(), Color(0, 0, 0)
    assert strip.apply_filter(ANSIToTruecolor(MONOKAI), ground) is strip
    grey = strip.apply_filter(Monochrome(), ground)
    for segment in grey:
        assert segment.style is not None
        for color in (segment.style.color, segment.style.bgcolor):
            assert color is not None and color.triplet is not None and len(set(color.triplet)) == 1
    bare = strip.apply_filter(NoColor(), ground)
    assert "\x1b[38" not in bare.render(Console())


def test_without_colours_a_strip_has_few_segments_in_ink_on_paper() -> None:
    cells = shades(flat(6, 2, RED), (1, 2, 3), (4, 5, 6))
    made = segments(cells, "none")
    assert [type(part) for part in made] == [Segment] and len(made[0].text) == 6
    assert str(made[0].style) == "#010203 on #040506"
    assert "38;2;1;2;3" in CellStrip(cells, "none").render(Console(color_system="truecolor", force_terminal=True))


@pytest.mark.parametrize("depth", ["truecolor", "none"])
def test_a_quiet_overlay_draws_only_the_edge_of_the_mask(depth: ColorDepth) -> None:
    grey_image = np.full((12, 12, 3), 128, np.uint8)
    mask = np.zeros((12, 12), np.bool_)
    mask[2:10, 2:10] = True
    plain, quiet = (
        compose(grey_image, Overlay(mask=mask, quiet=quiet), CanvasStyle(depth, CanvasColors()))
        for quiet in (False, True)
    )
    bare = compose(grey_image, Overlay(), CanvasStyle(depth, CanvasColors()))
    assert plain.differences(bare)[2:4, 3:9].any()
    assert not quiet.differences(bare)[2:4, 3:9].any()
    assert quiet.differences(bare)[1, 2:10].any()
