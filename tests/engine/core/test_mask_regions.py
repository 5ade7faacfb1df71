"""Shapes are exact to the pixel; growing and shrinking agree with their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from draggan_engine.core.geometry import Size, pixel_box
from draggan_engine.core.mask_regions import Box, Region, ShapeKind, block_box, draw_shape, grow_region, shrink_region

IMAGE_SIZE = Size(40, 30)
SHAPES: list[ShapeKind] = ["rectangle", "ellipse"]


def boxes(low: int = -20, high: int = 50) -> st.SearchStrategy[Box]:
    edges = st.tuples(st.integers(low, high), st.integers(low, high), st.integers(1, 40), st.integers(1, 40))
    return edges.map(lambda e: (e[0], e[1], e[0] + e[2], e[1] + e[3]))


def rows(region: Region) -> list[str]:
    return ["".join(".#"[int(inside)] for inside in row) for row in region]


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
def test_a_rectangle_fills_its_box(box: Box) -> None:
    left, top, right, bottom = box
    expected = np.zeros((30, 40), np.bool_)
    expected[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    assert np.array_equal(draw_shape("rectangle", box, IMAGE_SIZE), expected)


@given(boxes())
def test_an_ellipse_is_symmetric_and_stays_in_its_box(box: Box) -> None:
    left, top, right, bottom = box
    ellipse = draw_shape("ellipse", (0, 0, right - left, bottom - top), Size(right - left, bottom - top))
    assert ellipse.any()
    assert np.array_equal(ellipse, ellipse[::-1])
    assert np.array_equal(ellipse, ellipse[:, ::-1])
    assert not (draw_shape("ellipse", box, IMAGE_SIZE) & ~draw_shape("rectangle", box, IMAGE_SIZE)).any()


@pytest.mark.parametrize("shape_kind", SHAPES)
@given(box=boxes())
def test_a_shape_is_cut_off_at_the_borders(shape_kind: ShapeKind, box: Box) -> None:
    left, top, right, bottom = box
    margin = 100
    whole_shape = draw_shape(
        shape_kind,
        (left + margin, top + margin, right + margin, bottom + margin),
        Size(40 + 2 * margin, 30 + 2 * margin),
    )
    assert np.array_equal(
        draw_shape(shape_kind, box, IMAGE_SIZE), whole_shape[margin : margin + 30, margin : margin + 40]
    )


@pytest.mark.parametrize("preview", [Size(40, 30), Size(16, 12), Size(7, 6), Size(100, 76)])
@given(
    first_corner=st.tuples(st.integers(0, 6), st.integers(0, 5)),
    opposite_corner=st.tuples(st.integers(0, 6), st.integers(0, 5)),
)
def test_a_block_covers_its_preview_pixels(
    preview: Size, first_corner: tuple[int, int], opposite_corner: tuple[int, int]
) -> None:
    expected = np.zeros((30, 40), np.bool_)
    for x in range(min(first_corner[0], opposite_corner[0]), max(first_corner[0], opposite_corner[0]) + 1):
        for y in range(min(first_corner[1], opposite_corner[1]), max(first_corner[1], opposite_corner[1]) + 1):
            left, top, right, bottom = pixel_box((x, y), preview, IMAGE_SIZE)
            expected[top:bottom, left:right] = True
    assert np.array_equal(
        draw_shape("rectangle", block_box(first_corner, opposite_corner, preview, IMAGE_SIZE), IMAGE_SIZE), expected
    )


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
def test_a_grown_region_contains_all_pixels_within_the_radius(region: Region, radius: int) -> None:
    inside = np.argwhere(region)
    expected = np.zeros_like(region)
    for pixel in np.argwhere(np.ones_like(region)):
        expected[tuple(pixel)] = bool((((inside - pixel) ** 2).sum(axis=1) <= radius**2).any())
    assert np.array_equal(grow_region(region, radius), expected)
    assert np.array_equal(shrink_region(~region, radius), ~expected)


def test_the_radius_may_exceed_the_image() -> None:
    region = np.zeros((5, 9), np.bool_)
    assert not grow_region(region, 10**9).any()
    region[0, 0] = True
    assert grow_region(region, 10**9).all()
    assert not shrink_region(region, 10**9).any()


@given(st.integers(9, 20), st.integers(9, 20), st.integers(1, 12), st.integers(1, 10), st.integers(1, 8))
def test_a_grown_rectangle_shrinks_to_its_original(left: int, top: int, width: int, height: int, radius: int) -> None:
    region = draw_shape("rectangle", (left, top, left + width, top + height), Size(41, 40))
    assert np.array_equal(shrink_region(grow_region(region, radius), radius), region)


def test_a_region_does_not_shrink_from_the_border_of_the_image() -> None:
    region = draw_shape("rectangle", (0, 0, 4, 6), Size(9, 6))
    assert rows(shrink_region(region, 2)) == ["##......."] * 6
