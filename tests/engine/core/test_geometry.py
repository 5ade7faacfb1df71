"""Coordinates: every conversion is exact both ways and agrees with how images are resized."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from draggan_engine.core.geometry import Size, clamp, contains, convert, fit_preview, nearest_pixel, pixel_box, rescale

sizes = st.builds(Size, st.integers(1, 2048), st.integers(1, 2048))
coordinates = st.floats(-10, 3000, allow_nan=False)


@given(st.tuples(coordinates, coordinates), sizes, sizes)
def test_conversion_round_trip(point: tuple[float, float], a: Size, b: Size) -> None:
    assert convert(convert(point, a, b), b, a) == approx(point, abs=1e-6)


@given(sizes, sizes)
def test_edges_and_centre_are_converted_to_edges_and_centre(a: Size, b: Size) -> None:
    assert convert((-0.5, -0.5), a, b) == approx((-0.5, -0.5))
    assert convert((a.width - 0.5, a.height - 0.5), a, b) == approx((b.width - 0.5, b.height - 0.5))
    assert convert(((a.width - 1) / 2, (a.height - 1) / 2), a, b) == approx(((b.width - 1) / 2, (b.height - 1) / 2))


@given(sizes, st.data())
def test_a_pixel_is_nearest_to_itself(grid: Size, data: st.DataObject) -> None:
    pixel = (data.draw(st.integers(0, grid.width - 1)), data.draw(st.integers(0, grid.height - 1)))
    assert nearest_pixel(pixel, grid) == pixel
    inside = (pixel[0] + data.draw(st.floats(-0.49, 0.49)), pixel[1] + data.draw(st.floats(-0.49, 0.49)))
    assert nearest_pixel(inside, grid) == pixel


@given(sizes, st.tuples(coordinates, coordinates))
def test_clamped_points_are_on_the_image(image_size: Size, point: tuple[float, float]) -> None:
    assert contains(clamp(point, image_size), image_size)


@given(sizes, st.integers(1, 400), st.integers(1, 200))
def test_a_preview_fits_the_cells_and_fills_whole_cells(image_size: Size, columns: int, rows: int) -> None:
    preview = fit_preview(image_size, columns, rows)
    assert 1 <= preview.width <= columns
    assert 2 <= preview.height <= 2 * rows
    assert preview.height % 2 == 0


def test_a_preview_keeps_the_aspect_ratio() -> None:
    assert fit_preview(Size(128, 128), 50, 22) == Size(44, 44)
    assert fit_preview(Size(512, 1024), 100, 40) == Size(40, 80)
    assert fit_preview(Size(1024, 512), 80, 40) == Size(80, 40)


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 200), st.integers(1, 200))
def test_pixel_boxes_cover_the_image_and_tile_it_where_the_preview_is_smaller(
    grid_width: int, grid_height: int, width: int, height: int
) -> None:
    grid, image_size = Size(grid_width, grid_height), Size(width, height)
    covered = np.zeros((height, width), int)
    for row in range(grid_height):
        for column in range(grid_width):
            left, top, right, bottom = pixel_box((column, row), grid, image_size)
            assert left < right <= width
            assert top < bottom <= height
            covered[top:bottom, left:right] += 1
    assert covered.min() >= 1
    if grid_width <= width and grid_height <= height:
        assert covered.max() == 1


def test_rescaling_follows_the_half_pixel_convention() -> None:
    """Resizing a ramp of coordinates with torch's bilinear filter gives the coordinates that `rescale` computes."""
    ramp = torch.arange(8.0).reshape(1, 1, 1, 8)
    resized = torch.nn.functional.interpolate(ramp, size=(1, 24), mode="bilinear", align_corners=False)[0, 0, 0]
    expected = rescale(torch.arange(24.0), 24, 8).clamp(0, 7)
    assert torch.allclose(resized, expected, atol=1e-5)
