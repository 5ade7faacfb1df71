"""Markers in images, checked by their pixels."""

from __future__ import annotations

import numpy as np
import pytest

from draggan_engine.core.geometry import Point
from draggan_engine.storage.markers import HANDLE_COLOR, LINE_COLOR, OUTLINE_COLOR, TARGET_COLOR, draw_markers
from draggan_tui.config.themes import CanvasColors

GREY = np.full((128, 128, 3), 128, np.uint8)


def pixel(rgb: np.ndarray, point: Point) -> tuple[int, int, int]:
    return tuple(rgb[round(point[1]), round(point[0])].tolist())


def bounds(rgb: np.ndarray, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the pixels of that colour."""
    y, x = np.nonzero((rgb == color).all(axis=2))
    return int(x.min()), int(y.min()), int(x.max()), int(y.max())


def test_the_colours_are_those_of_the_editor() -> None:
    colors = CanvasColors()
    assert (colors.handle, colors.target, colors.line) == (HANDLE_COLOR, TARGET_COLOR, LINE_COLOR)


def test_the_handle_has_a_disc_and_the_target_a_ring() -> None:
    drawn = draw_markers(GREY, [((30, 40), (90, 40))])
    assert pixel(drawn, (30, 40)) == HANDLE_COLOR
    left, top, right, bottom = bounds(drawn, HANDLE_COLOR)
    assert (left + right, top + bottom) == (60, 80)  # centred on the handle's pixel
    assert right - left == bottom - top
    left, top, right, bottom = bounds(drawn, TARGET_COLOR)
    assert (left + right, top + bottom) == (180, 80)
    assert pixel(drawn, (90, 40)) == (128, 128, 128)  # the image is visible in the ring
    assert not (GREY != 128).any()


def test_every_stroke_has_a_dark_outline() -> None:
    white = np.full((512, 512, 3), 255, np.uint8)
    drawn = draw_markers(white, [((100, 200), (400, 200))]).astype(int)
    for x in (100, 400):
        across = drawn[200, x - 40 : x + 41]
        assert np.abs(across - OUTLINE_COLOR).sum(axis=1).min() == 0
    assert any(pixel(drawn, (x, 200)) == LINE_COLOR for x in range(150, 350))
    assert np.abs(drawn[200, 150:350] - OUTLINE_COLOR).sum(axis=1).min() < 60


def test_the_line_is_dotted() -> None:
    drawn = draw_markers(np.zeros((512, 512, 3), np.uint8), [((100, 200), (400, 200))])
    lit = (drawn[200, 130:370] == LINE_COLOR).all(axis=1)
    starts = np.flatnonzero(np.diff(lit.astype(int)) == 1)
    assert len(starts) >= 10
    assert np.ptp(np.diff(starts)) <= 2  # evenly


def test_pixels_away_from_the_markers_do_not_change() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (128, 96, 3), np.uint8)
    before = noise.copy()
    drawn = draw_markers(noise, [((30, 40), (60, 44))])
    assert (noise == before).all()
    changed = (drawn != noise).any(axis=2)
    y, x = np.nonzero(changed)
    assert x.min() > 10 and x.max() < 80 and y.min() > 20 and y.max() < 60
    assert changed.mean() < 0.05
    assert (draw_markers(noise, []) == noise).all()


def test_edges_are_smooth() -> None:
    drawn = draw_markers(GREY, [((30, 40), (90, 40))])
    assert len(np.unique(drawn[34:47, 24:37].reshape(-1, 3), axis=0)) > 10


def test_a_handle_on_its_target_is_inside_the_ring() -> None:
    drawn = draw_markers(GREY, [((60, 60), (60, 60))])
    inner, outer = bounds(drawn, HANDLE_COLOR), bounds(drawn, TARGET_COLOR)
    assert outer[0] < inner[0] and outer[1] < inner[1] and inner[2] < outer[2] and inner[3] < outer[3]


@pytest.mark.parametrize("size", [64, 128, 512, 1024])
def test_the_size_of_markers_follows_the_image(size: int) -> None:
    drawn = draw_markers(np.zeros((size, size, 3), np.uint8), [((size / 4, size / 2), (3 * size / 4, size / 2))])
    left, _, right, _ = bounds(drawn, HANDLE_COLOR)
    assert right - left + 1 >= 4
    assert (right - left + 1) / size <= (0.04 if size >= 128 else 0.08)


def number_side(drawn: np.ndarray, background: np.ndarray, handle: Point) -> tuple[int, int]:
    """Return on which side of the handle its number is, as the signs of x and y."""
    y, x = np.nonzero((drawn != background).any(axis=2))
    return int(np.sign((x - handle[0]).sum())), int(np.sign((y - handle[1]).sum()))


def test_pairs_are_numbered() -> None:
    pairs = [((30.0, 30.0), (60.0, 30.0)), ((30.0, 90.0), (60.0, 90.0))]
    drawn = draw_markers(GREY, pairs)
    assert not (drawn[10:50, 20:70] == drawn[70:110, 20:70]).all()  # 1 and 2
    alone = draw_markers(GREY, pairs[:1])
    assert (drawn[10:50, 20:70] == alone[10:50, 20:70]).all()


@pytest.mark.parametrize(
    ("handle", "side"), [((60, 60), (1, -1)), ((123, 60), (-1, -1)), ((60, 4), (1, 1)), ((123, 4), (-1, 1))]
)
def test_numbers_stay_on_the_image(handle: Point, side: tuple[int, int]) -> None:
    drawn = draw_markers(GREY, [(handle, handle)])
    assert number_side(drawn, GREY, handle) == side
    light = (drawn.min(axis=2) > 160) & (np.ptp(drawn, axis=2) < 30)
    assert light.sum() >= 4
    assert not (light[0].any() or light[:, -1].any())


@pytest.mark.parametrize("handle", [(-0.5, -0.5), (0, 0), (127, 127), (127.4, 0), (63.7, 20.2)])
def test_markers_may_be_anywhere_on_an_image_of_any_size(handle: Point) -> None:
    drawn = draw_markers(GREY, [(handle, (64, 64))])
    assert drawn.shape == GREY.shape
    assert (drawn != GREY).any()
    tiny = np.zeros((8, 5, 3), np.uint8)
    assert draw_markers(tiny, [((0, 0), (4, 7))]).shape == tiny.shape
