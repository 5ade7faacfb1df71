"""What is sent for the images on the screen: only what differs from what the terminal shows."""

from __future__ import annotations

import numpy as np
import pyte
import pytest
from numpy.typing import NDArray

from draggan_tui.config.themes import CanvasColors
from draggan_tui.rendering.ansi_encoding import LONGEST_RUN, encode_changes
from draggan_tui.rendering.cell_strip import CellStrip
from draggan_tui.rendering.cells import Cells
from draggan_tui.rendering.color_difference import visible_differences
from draggan_tui.rendering.dithering import ColorDepth
from draggan_tui.rendering.halfblocks import halfblocks
from draggan_tui.rendering.overlay import CanvasStyle, Overlay, compose
from draggan_tui.rendering.screen_image import ScreenImage
from draggan_tui.terminal.screen_update import ImageRow

COLUMNS, ROWS = 48, 21
ImageArray = NDArray[np.uint8]
random_generator = np.random.default_rng(7)


def noise(rows: int = ROWS, columns: int = COLUMNS) -> ImageArray:
    """An image in which every cell has colours of its own, as in a photograph."""
    return random_generator.integers(20, 235, (2 * rows, columns, 3), dtype=np.uint8)


def put(
    screen_image: ScreenImage, cells: Cells, depth: ColorDepth = "truecolor", row: int = 0, column: int = 0
) -> None:
    for cell_row in range(cells.rows):
        strip = CellStrip(cells.take(slice(cell_row, cell_row + 1)), depth)
        screen_image.put(ImageRow(row + cell_row, column, strip))


def frame(screen_image: ScreenImage, least_difference: float = 0.0, most_bytes: int = 4000) -> list[str]:
    """The parts of a frame."""
    screen_image.begin_frame(least_difference)
    parts = []
    while screen_image.is_writing_frame:
        parts.append(screen_image.take_part(most_bytes))
    return parts


class Shown:
    """A terminal, and a screen image that writes to it."""

    def __init__(self, rows: int = ROWS, columns: int = COLUMNS) -> None:
        self.image = ScreenImage()
        self.image.resize(columns, rows)
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)

    def write(self, *parts: str) -> int:
        for part in parts:
            self.stream.feed(part)
        return len("".join(parts).encode())

    def pixels(self) -> ImageArray:
        """The half-cells, `uint8 [2 × rows, columns, 3]`."""
        rows, columns = self.screen.lines, self.screen.columns
        half_cells = np.zeros((2 * rows, columns, 3), np.uint8)
        for row in range(rows):
            for column in range(columns):
                char = self.screen.buffer[row][column]
                half_cells[2 * row, column] = list(bytes.fromhex(char.fg if char.data == "▀" else char.bg))
                half_cells[2 * row + 1, column] = list(bytes.fromhex(char.bg))
        return half_cells


@pytest.mark.parametrize("is_scattered", [True, False])
def test_a_frame_in_which_a_tenth_of_the_cells_changed_has_a_fifth_of_the_bytes_at_most(is_scattered: bool) -> None:
    shown, before, after = Shown(), noise(), noise()
    put(shown.image, halfblocks(before))
    full_bytes = shown.write(*frame(shown.image))
    is_changed = np.zeros(ROWS * COLUMNS, dtype=np.bool_)
    is_changed[: ROWS * COLUMNS // 10] = True
    if is_scattered:
        random_generator.shuffle(is_changed)
    changed_pixels = is_changed.reshape(ROWS, COLUMNS).repeat(2, axis=0)[..., None]
    image = np.where(changed_pixels, after, before)
    put(shown.image, halfblocks(image))
    changed_bytes = shown.write(*frame(shown.image))
    assert 0 < changed_bytes <= 0.2 * full_bytes
    assert (shown.pixels() == image).all()


def test_a_frame_goes_out_in_parts_of_at_most_so_many_bytes() -> None:
    shown, image = Shown(48, 160), noise(48, 160)
    put(shown.image, halfblocks(image))
    parts = frame(shown.image, most_bytes=4000)
    assert max(len(part.encode()) for part in parts) <= 4000
    assert len(parts) < 1.6 * sum(len(part.encode()) for part in parts) / 4000, "the parts are no crumbs"
    shown.write(*parts)
    assert (shown.pixels() == image).all()


@pytest.mark.parametrize("depth", ["truecolor", "256", "16"])
def test_the_longest_cells_fit_into_a_piece(depth: ColorDepth) -> None:
    cells = halfblocks(np.full((2, 400, 3), 255, np.uint8))
    cells.fg[:, ::2], cells.bg[:, 1::2] = 101, 102
    cells.char[:] = ord("▀")
    cells.style[:] = np.where(np.arange(400) % 2, 7, 0)
    for is_changed in (np.ones((1, 400), np.bool_), (np.arange(400) % 100 == 0)[None]):
        runs = encode_changes(cells, is_changed, depth)
        assert all(len(run.text.encode()) < 2000 and len(run.columns) <= LONGEST_RUN for run in runs)
        assert np.concatenate([run.columns for run in runs]).tolist() == np.flatnonzero(is_changed[0]).tolist()


def test_small_differences_wait_until_the_exact_frame_and_do_not_add_up() -> None:
    shown, image = Shown(), np.full((2 * ROWS, COLUMNS, 3), 120, np.uint8)
    put(shown.image, halfblocks(image))
    shown.write(*frame(shown.image))
    for level in (121, 122, 123):  # 120 and 123 are 1.2 apart
        put(shown.image, halfblocks(np.full_like(image, level)))
        assert frame(shown.image, 2.0) == []
    put(shown.image, halfblocks(np.full_like(image, 126)))
    assert frame(shown.image, 2.0) != [], "compared with what the terminal shows, not with the image before"
    put(shown.image, halfblocks(np.full_like(image, 127)))
    assert frame(shown.image, 2.0) == []
    shown.write(*frame(shown.image, 0.0))
    assert (shown.pixels() == 127).all()
    assert frame(shown.image, 0.0) == []


def test_differences_are_distances_in_oklab_times_100() -> None:
    black, white = (halfblocks(np.full((2, 1, 3), level, np.uint8)) for level in (0, 255))
    assert visible_differences(black, white, 99.9).all() and not visible_differences(black, white, 100.1).any()
    other_text = Cells(black.char + 1, black.fg, black.bg, black.style)
    assert visible_differences(black, other_text, 1000.0).all()


def test_what_covers_an_image_and_goes_away_is_painted_over() -> None:
    shown, image = Shown(), noise()
    put(shown.image, halfblocks(image))
    shown.write(*frame(shown.image))
    shown.image.cover(4, 10, 20)
    shown.write("\x1b[5;11H\x1b[0m" + 10 * "x")
    assert frame(shown.image) == [], "the text stays"
    put(shown.image, halfblocks(image).take(slice(4, 5)), row=4)
    shown.write(*frame(shown.image))
    assert (shown.pixels() == image).all()


def test_after_a_resize_everything_is_sent_again() -> None:
    shown, image = Shown(), noise()
    put(shown.image, halfblocks(image))
    full_bytes = shown.write(*frame(shown.image))
    shown.image.resize(COLUMNS, ROWS)
    put(shown.image, halfblocks(image))
    assert shown.write(*frame(shown.image)) == full_bytes


def test_in_another_number_of_colours_everything_is_sent_again() -> None:
    shown, cells = Shown(), halfblocks(noise())
    put(shown.image, cells, "truecolor")
    shown.write(*frame(shown.image))
    put(shown.image, cells, "256")
    assert "38;5;" in "".join(frame(shown.image))


def with_cursor(image: ImageArray, cursor: tuple[int, int]) -> Cells:
    return compose(image, Overlay(cursor=cursor), CanvasStyle("truecolor", CanvasColors()))


def test_the_cursor_comes_before_the_rest_of_a_frame() -> None:
    shown, before, after = Shown(), noise(), noise()
    put(shown.image, with_cursor(before, (10, 10)))
    shown.write(*frame(shown.image))
    put(shown.image, with_cursor(after, (10, 10)))
    shown.image.begin_frame(0.0)
    first_part = shown.image.take_part(4000)
    assert shown.image.is_writing_frame and shown.image.take_cursor() == "", "the cursor rests"
    put(shown.image, with_cursor(after, (30, 30)))
    cursor_part = shown.image.take_cursor()
    assert 0 < len(cursor_part.encode()) < 1500
    assert shown.image.take_cursor() == "", "it is written once"
    assert not shown.image.is_writing_frame, "the rest of the frame would draw the cursor where it was"
    shown.write(first_part, cursor_part, *frame(shown.image))
    expected = Shown()
    put(expected.image, with_cursor(after, (30, 30)))
    expected.write(*frame(expected.image))
    assert (shown.pixels() == expected.pixels()).all()


def test_a_frame_goes_on_where_the_last_one_was_left() -> None:
    shown = Shown()
    put(shown.image, halfblocks(noise()))
    shown.image.begin_frame(0.0)
    shown.write(shown.image.take_part(4000))
    image = noise()
    put(shown.image, halfblocks(image))
    shown.image.begin_frame(0.0)
    next_part = shown.image.take_part(4000)
    assert not next_part.startswith("\x1b[1;1H"), "the rows below would never be reached by a moving cursor"
    while shown.image.is_writing_frame:
        next_part += shown.image.take_part(4000)
    shown.write(next_part)
    assert (shown.pixels() == image).all()
