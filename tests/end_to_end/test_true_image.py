"""What is on the screen is the model's own image: final.png, resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.geometry import Point, Size, convert, fit_preview
from draggan_engine.critters import landmarks_of_seed
from draggan_tui.config.themes import CanvasColors
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.compare import DIFFERENCE_GAIN
from draggan_tui.rendering.overlay import CanvasStyle, Overlay, compose_view
from draggan_tui.rendering.view_sampling import sample_view
from draggan_tui.screens.editor_layout import ROWS_BELOW, SIDE_PANEL_COLUMNS
from draggan_tui.terminal.cell_shape import CellShape
from tests.support.keys import open_picture, place_pair, read_session, session_directory
from tests.support.terminal import Terminal

TOLERANCE = 2  # of 255
NOTHING = -1000  # for a half-cell that shows a character, or no colour
REACH = 6  # half-cells round a mark or the cursor that may have other colours
SIZES = [(80, 24), (120, 40), (160, 48)]
Pixels = NDArray[np.int16]


@dataclass(frozen=True)
class Place:
    """Where an image is on the screen: the first column and row of its half-cells, and how many there are."""

    left: int
    top: int
    grid: Size

    def part(self, screen: Pixels) -> Pixels:
        return screen[self.top : self.top + self.grid.height, self.left : self.left + self.grid.width]


def half_cells(terminal: Terminal) -> Pixels:
    """Colours of the screen's half-cells `[2 × rows, columns, 3]`, or `NOTHING`."""
    terminal.read(0)
    buffer, (rows, columns) = terminal._parse().buffer, (terminal._screen.lines, terminal._screen.columns)
    pixels = np.full((2 * rows, columns, 3), NOTHING, np.int16)
    for row in range(rows):
        for column in range(columns):
            cell = buffer[row][column]
            if cell.data in "▀ " and cell.bg != "default" and len(cell.bg) == 6:
                upper = cell.fg if cell.data == "▀" else cell.bg
                pixels[2 * row, column] = tuple(bytes.fromhex(upper))
                pixels[2 * row + 1, column] = tuple(bytes.fromhex(cell.bg))
    return pixels


def resampled(image: Image.Image, grid: Size) -> Pixels:
    return np.asarray(image.resize(grid, Image.Resampling.BOX)).astype(np.int16)


def find_image(screen: Pixels, image: Image.Image) -> Place | None:
    """The largest place in which the screen shows the whole image, wherever the layout puts that."""
    rows, columns = screen.shape[0] // 2, screen.shape[1]
    grids = {fit_preview(Size(*image.size), columns, height) for height in range(4, rows + 1)}
    random = np.random.default_rng(0)
    for grid in sorted(grids, reverse=True):
        expected = resampled(image, grid)
        y, x = random.integers(0, grid.height, 64), random.integers(0, grid.width, 64)
        for top in range(0, 2 * rows - grid.height + 1, 2):
            left = np.arange(columns - grid.width + 1)[:, None]
            alike = (np.abs(screen[top + y, left + x] - expected[y, x]) <= TOLERANCE).all(axis=2).mean(axis=1)
            if alike.max() > 0.8:
                return Place(int(alike.argmax()), top, grid)
    return None


def near(points: Sequence[Point], image: Size, grid: Size) -> NDArray[np.bool_]:
    """`[H, W]` of the grid: what marks of these points of the image, and lines between them, may cover."""
    places = np.array([convert(point, image, grid) for point in points])
    (left, top), (right, bottom) = places.min(axis=0) - REACH, places.max(axis=0) + REACH
    rows, columns = np.indices((grid.height, grid.width))
    return (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)


def shown_place(terminal: Terminal, image: Image.Image, covered: Sequence[Point], rows: int) -> Place:
    """Waits until the screen shows the image in most of its rows, every half-cell but those near the covered points, and
    the marks of these."""
    places: list[Place] = []

    def shown() -> bool:
        screen = half_cells(terminal)
        place = find_image(screen, image)
        if place is None or place.grid.height < 0.8 * 2 * rows:  # there is none yet, or the one before a resize
            return False
        part, marks = place.part(screen), near(covered, Size(*image.size), place.grid)
        wrong = (np.abs(part - resampled(image, place.grid)) > TOLERANCE).any(axis=2)
        places.append(place)
        return bool((part == NOTHING)[marks].any() and not wrong[~marks].any())

    terminal.wait_for(shown)
    return places[-1]


def has_result(directory: Path) -> bool:
    """Whether final.png is that of the first drag."""
    return (read_session(directory)["result"] or {}).get("latent") == 1


@pytest.mark.parametrize(("model", "side"), [("critters-256", 256), ("critters-128", 128)])
def test_the_screen_shows_the_models_image(tmp_path: Path, model: str, side: int) -> None:
    nose, scale = landmarks_of_seed(42, side)["nose_tip"], side / 128
    target = (nose[0] + 8 * scale, nose[1])
    with Terminal("--model", model, directory=tmp_path, size=SIZES[0]) as terminal:
        open_picture(terminal)
        place_pair(terminal, nose, target)
        terminal.send(".")
        terminal.wait_for(lambda: has_result(tmp_path))
        directory = session_directory(tmp_path)
        before, after = (Image.open(directory / name).convert("RGB") for name in ("initial.png", "final.png"))
        covered = (nose, target, terminal.cursor())
        for size in SIZES:
            terminal.resize(*size)
            place = shown_place(terminal, after, covered, size[1])
            cells = place.part(half_cells(terminal))
            terminal.send("+++")
            terminal.wait_for(lambda place=place, cells=cells: (place.part(half_cells(terminal)) != cells).any())
            terminal.send("---")
            terminal.wait_for(lambda place=place, cells=cells: (place.part(half_cells(terminal)) == cells).all())

            terminal.send("%")
            change = np.abs(resampled(after, place.grid) - resampled(before, place.grid))
            expected = np.minimum(DIFFERENCE_GAIN * change, 255)
            free = ~near(covered, Size(side, side), place.grid)
            assert (free & ~change.any(axis=2)).any(), "somewhere nothing has changed"
            terminal.wait_for(
                lambda place=place, expected=expected, free=free: (
                    np.abs(place.part(half_cells(terminal)) - expected)[free].max() <= DIFFERENCE_GAIN * TOLERANCE
                )
            )
            unchanged = free & ~change.any(axis=2)
            assert not place.part(half_cells(terminal))[unchanged].any(), "black where nothing has changed"
            terminal.send("%")
        terminal.send("q")
        assert terminal.wait() == 0


@pytest.mark.parametrize("shape", ["quadrant", "sextant", "octant"])
def test_finer_cells_show_the_models_image(tmp_path: Path, shape: CellShape) -> None:
    with Terminal("--cells", shape, directory=tmp_path, size=(80, 24)) as terminal:
        open_picture(terminal)
        terminal.send("s")
        terminal.wait_for(lambda: list(tmp_path.glob("draggan-out/*/final.png")))
        image = np.asarray(Image.open(session_directory(tmp_path) / "final.png").convert("RGB"))
        view = Viewport(Size(256, 256), Size(80 - SIDE_PANEL_COLUMNS, 2 * (24 - ROWS_BELOW)))
        style = CanvasStyle("truecolor", CanvasColors(), shape=shape)
        expected = compose_view(sample_view(image, view, style.parts), view, Overlay(), style)
        left, image_columns = view.corner[0], view.window.width
        cursor_column, cursor_row = (round(x) for x in convert(terminal.cursor(), Size(256, 256), view.grid))

        def shows_image() -> bool:
            terminal.read(0)
            buffer = terminal._parse().buffer
            return all(
                (buffer[row][column].data, buffer[row][column].fg, buffer[row][column].bg)
                == (
                    chr(expected.char[row, column]),
                    expected.fg[row, column].tobytes().hex(),
                    expected.bg[row, column].tobytes().hex(),
                )
                for row in range(expected.rows)
                for column in range(left, left + image_columns)
                if expected.char[row, column] != ord(" ")
                and max(abs(column - left - cursor_column), abs(2 * row - cursor_row)) > REACH
            )

        terminal.wait_for(shows_image)
        terminal.send("q")
        assert terminal.wait() == 0
