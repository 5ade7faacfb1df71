"""Shapes to the pixel, and growing and shrinking against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from draggan_engine.core.geometry import Size, pixel_box
from draggan_engine.core.mask_regions import Box, Region, ShapeKind, block_box, draw_shape, grow_region, shrink_region

PICTURE = Size(40, 30)
FORMS: list[ShapeKind] = ["rectangle", "ellipse"]


def boxes(low: int = -20, high: int = 50) -> st.SearchStrategy[Box]:
    edges = st.tuples(st.integers(low, high), st.integers(low, high), st.integers(1, 40), st.integers(1, 40))
    return edges.map(lambda e: (e[0], e[1], e[0] + e[2], e[1] + e[3]))


def rows(area: Region) -> list[str]:
    return ["".join(".#"[int(inside)] for inside in row) for row in area]


def test_an_ellipse_pixel_by_pixel() -> None:
    assert rows(draw_shape("ellipse", (1, 0, 6, 5), Size(7, 5))) == [
        "..###..",
        ".#####.",
        ".#####.",
        ".#####.",
        "..###..",
    ]
    assert rows(draw_shape("ellipse", (0, 0, 8, 4), Size(8, 4))) == [".######.", "########", "########", ".######."]


@given(boxes())
def test_a_rectangle_is_its_box(box: Box) -> None:
    left, top, right, bottom = box
    expected = np.zeros((30, 40), np.bool_)
    expected[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    assert np.array_equal(draw_shape("rectangle", box, PICTURE), expected)


@given(boxes())
def test_an_ellipse_is_symmetric_and_touches_no_more_than_its_box(box: Box) -> None:
    left, top, right, bottom = box
    ellipse = draw_shape("ellipse", (0, 0, right - left, bottom - top), Size(right - left, bottom - top))
    assert ellipse.any()
    assert np.array_equal(ellipse, ellipse[::-1])
    assert np.array_equal(ellipse, ellipse[:, ::-1])
    assert not (draw_shape("ellipse", box, PICTURE) & ~draw_shape("rectangle", box, PICTURE)).any()


@pytest.mark.parametrize("form", FORMS)
@given(box=boxes())
def test_a_shape_is_cut_at_the_borders_not_squeezed(form: ShapeKind, box: Box) -> None:
    left, top, right, bottom = box
    margin = 100
    whole = draw_shape(
        form, (left + margin, top + margin, right + margin, bottom + margin), Size(40 + 2 * margin, 30 + 2 * margin)
    )
    assert np.array_equal(draw_shape(form, box, PICTURE), whole[margin : margin + 30, margin : margin + 40])


@pytest.mark.parametrize("preview", [Size(40, 30), Size(16, 12), Size(7, 6), Size(100, 76)])
@given(one=st.tuples(st.integers(0, 6), st.integers(0, 5)), other=st.tuples(st.integers(0, 6), st.integers(0, 5)))
def test_a_block_covers_what_its_preview_pixels_cover(
    preview: Size, one: tuple[int, int], other: tuple[int, int]
) -> None:
    expected = np.zeros((30, 40), np.bool_)
    for x in range(min(one[0], other[0]), max(one[0], other[0]) + 1):
        for y in range(min(one[1], other[1]), max(one[1], other[1]) + 1):
            left, top, right, bottom = pixel_box((x, y), preview, PICTURE)
            expected[top:bottom, left:right] = True
    assert np.array_equal(draw_shape("rectangle", block_box(one, other, preview, PICTURE), PICTURE), expected)


def test_one_pixel_grows_to_a_disc() -> None:
    point = np.zeros((7, 9), np.bool_)
    point[3, 4] = True
    assert rows(grow_region(point, 2)) == [
        ".........",
        "....#....",
        "...###...",
        "..#####..",
        "...###...",
        "....#....",
        ".........",
    ]


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.integers(1, 14))
def test_growing_is_what_lies_within_the_distance(area: Region, radius: int) -> None:
    inside = np.argwhere(area)
    expected = np.zeros_like(area)
    for place in np.argwhere(np.ones_like(area)):
        expected[tuple(place)] = bool((((inside - place) ** 2).sum(axis=1) <= radius**2).any())
    assert np.array_equal(grow_region(area, radius), expected)
    assert np.array_equal(shrink_region(~area, radius), ~expected)


def test_a_radius_far_beyond_the_picture() -> None:
    area = np.zeros((5, 9), np.bool_)
    assert not grow_region(area, 10**9).any()
    area[0, 0] = True
    assert grow_region(area, 10**9).all()
    assert not shrink_region(area, 10**9).any()


@given(st.integers(9, 20), st.integers(9, 20), st.integers(1, 12), st.integers(1, 10), st.integers(1, 8))
def test_a_grown_rectangle_shrinks_to_what_it_was(left: int, top: int, width: int, height: int, radius: int) -> None:
    area = draw_shape("rectangle", (left, top, left + width, top + height), Size(41, 40))
    assert np.array_equal(shrink_region(grow_region(area, radius), radius), area)


def test_an_area_at_the_pictures_border_stays_there() -> None:
    area = draw_shape("rectangle", (0, 0, 4, 6), Size(9, 6))
    assert rows(shrink_region(area, 2)) == ["##......."] * 6
