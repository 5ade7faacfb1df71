"""Zoom and pan: which part of the image is shown, and that the cursor is always visible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from draggan_engine.core.edit import Mask
from draggan_engine.core.geometry import Point, Size, fit_preview
from draggan_engine.core.mask_regions import draw_shape
from draggan_tui.editor.mask_preview import preview_mask, preview_region
from draggan_tui.editor.viewport import SCALES, Viewport, Window
from draggan_tui.rendering.view_sampling import color_at, sample_view

IMAGE_SIZE = Size(128, 128)
ROOM = Size(46, 44)

sizes = st.builds(Size, st.integers(1, 300), st.integers(1, 300))
rooms = st.builds(Size, st.integers(0, 120), st.integers(0, 60).map(lambda rows: 2 * rows))
shares = st.tuples(st.floats(0, 1), st.floats(0, 1))


def spot(share: tuple[float, float], image_size: Size) -> Point:
    return (share[0] * image_size.width - 0.5, share[1] * image_size.height - 0.5)


@st.composite
def views(draw: st.DrawFn) -> Viewport:
    """As an editor comes by them."""
    image_size = draw(sizes)
    view = Viewport(image_size, draw(rooms))
    for _ in range(draw(st.integers(0, 4))):
        point = spot(draw(shares), image_size)
        change = draw(st.sampled_from(["zoom", "follow", "resize", "centre"]))
        if change == "zoom":
            view = view.zoomed(draw(st.integers(-4, 9)), point)
        elif change == "follow":
            view = view.following(point, draw(st.integers(0, 9)))
        elif change == "centre":
            view = view.centred(point)
        else:
            view = view.resized(draw(rooms))
    return view


@given(views())
def test_the_window_is_inside_the_grid_and_the_room(view: Viewport) -> None:
    grid, window, (left, top) = view.grid, view.window, view.corner
    assert window.left >= 0 and window.right <= grid.width
    assert window.top >= 0 and window.bottom <= grid.height
    assert window.height % 2 == grid.height % 2 == top % 2 == 0
    if view.screen_size.width >= 1 and view.screen_size.height >= 2:
        assert left >= 0 and left + window.width <= view.screen_size.width
        assert top >= 0 and top + window.height <= view.screen_size.height
    if view.scale is None:
        assert (grid, window) == (
            fit_preview(view.image_size, view.screen_size.width, view.screen_size.height // 2),
            (0, 0, *grid),
        )
    else:
        assert view.scale in SCALES


@given(views(), shares, st.integers(0, 9))
def test_a_followed_point_is_shown_with_a_margin_except_at_the_borders(
    view: Viewport, share: tuple[float, float], margin: int
) -> None:
    point = spot(share, view.image_size)
    view = view.following(point, margin)
    grid, window = view.grid, view.window
    for place, first, end, total in (
        (view.pixel(point)[0], window.left, window.right, grid.width),
        (view.pixel(point)[1], window.top, window.bottom, grid.height),
    ):
        room = min(margin, (end - first - 1) // 2)
        assert first <= place < end
        assert place - first >= room or first == 0
        assert end - 1 - place >= room or end == total
    assert view.following(point, margin) == view
    assert view.nearest_shown(point) == point


@given(views(), shares, st.integers(-9, 9))
def test_zooming_keeps_its_point_in_place_unless_a_border_prevents_it(
    view: Viewport, share: tuple[float, float], steps: int
) -> None:
    before = view.following(spot(share, view.image_size))
    point = before.point(before.pixel(spot(share, view.image_size)))
    after = before.zoomed(steps, point)
    for axis, (first, size, total) in enumerate(
        (
            (after.window.left, after.window.width, after.grid.width),
            (after.window.top, after.window.height, after.grid.height),
        )
    ):
        stopped = first in (0, total - size)
        assert stopped or after.place(point)[axis] == before.place(point)[axis]
        assert first <= after.pixel(point)[axis] < first + size


@given(views(), shares, st.integers(1, 5))
def test_zooming_in_and_out_returns_to_the_same_view(view: Viewport, share: tuple[float, float], steps: int) -> None:
    view = view.following(spot(share, view.image_size))
    point = view.point(view.pixel(spot(share, view.image_size)))
    nearer = view.zoomed(steps, point)
    assume(nearer.zoomed(1, point) != nearer)
    back = nearer.zoomed(-steps, point)
    assert (back.scale, back.grid) == (view.scale, view.grid)
    # A row of an odd number of pixels is lost or won where a height is rounded to whole cells.
    assert abs(back.origin[0] - view.origin[0]) <= 1
    assert abs(back.origin[1] - view.origin[1]) <= 1


@given(views(), rooms, rooms)
def test_a_resize_keeps_the_middle_or_fits(view: Viewport, room: Size, _other: Size) -> None:
    after = view.resized(room)
    assert after.screen_size == room
    if after.scale is not None:
        assert after.scale == view.scale
        for first, size, total, old, before in (
            (after.window.left, after.window.width, after.grid.width, view.window.left, view.window.width),
            (after.window.top, after.window.height, after.grid.height, view.window.top, view.window.height),
        ):
            assert first in (0, total - size) or abs((first + size / 2) - (old + before / 2)) <= 1
    assert view.resized(view.screen_size) is view


def test_the_scales_of_the_zoom() -> None:
    view = Viewport(IMAGE_SIZE, ROOM)
    assert (view.grid, view.ratio, view.corner) == (Size(44, 44), "", (1, 0))
    ratios = [(view := view.zoomed(1, (64, 64))).ratio for _ in range(12)]
    assert ratios == ["3:8", "1:2", "3:4", "1:1", "3:2", "2:1", "3:1", "4:1", "6:1", "8:1", "8:1", "8:1"]
    assert view.grid == Size(1024, 1024)
    assert view.zoomed(-99, (64, 64)) == Viewport(IMAGE_SIZE, ROOM) == view.fitted()
    assert Viewport(Size(4, 4), ROOM).zoomed(3, (0, 0)).ratio == "", "it is at eleven to one already"
    assert Viewport(IMAGE_SIZE, ROOM).zoomed(10, (64, 64)).resized(Size(2000, 1200)).scale is None


def test_a_zoom_about_the_pointer_pixel_by_pixel() -> None:
    view = Viewport(IMAGE_SIZE, ROOM).zoomed(10, (64, 64))
    assert (view.scale, view.window) == (8.0, Window(492, 493, 46, 44))
    point = view.point((500, 500))
    out = view.zoomed(-1, point)
    assert out.place(point) == view.place(point) == (8, 7)
    assert out.window == Window(375 - 8, 375 - 7, 46, 44)


def test_the_view_pans_as_little_as_possible_and_centres_a_point_far_away() -> None:
    view = Viewport(IMAGE_SIZE, ROOM, 8.0, (100, 100))
    inside = view.point((105, 120))
    assert view.following(inside, 5) == view
    assert view.following(view.point((104, 120)), 5).origin == (99, 100)
    assert view.following(view.point((100 + 41, 120)), 5).origin == (101, 100)
    assert view.following(view.point((100, 143))).origin == (100, 100)
    assert view.following(view.point((900, 120)), 5).origin == (900 - 23, 100)
    assert view.following(view.point((1023, 1023)), 5).origin == (1024 - 46, 1024 - 44)
    assert view.following(view.point((0, 0)), 5).origin == (0, 0)


def test_the_nearest_point_that_is_shown() -> None:
    view = Viewport(IMAGE_SIZE, ROOM, 8.0, (100, 100))
    assert view.nearest_shown((14.3, 2.0)) == (14.3, view.point((0, 100))[1])
    assert view.nearest_shown((127.0, 127.0)) == view.point((145, 143))


@given(views())
def test_point_and_pixel_are_inverse_and_clamp_at_the_border(view: Viewport) -> None:
    grid, window = view.grid, view.window
    for pixel in ((0, 0), (grid.width - 1, grid.height - 1), (window.left, window.top)):
        assert view.pixel(view.point(pixel)) == pixel
    assert view.point((-7, grid.height + 3)) == view.point((0, grid.height - 1))
    assert view.place(view.point((window.left, window.top))) == view.corner


# What is drawn ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.375, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0])
@pytest.mark.parametrize("source", [128, 44])
def test_a_window_equals_its_part_of_the_whole_image(scale: float, source: int) -> None:
    rgb = np.random.RandomState(1).randint(0, 256, (source, source, 3)).astype(np.uint8)
    view = Viewport(IMAGE_SIZE, ROOM, scale).centred((30, 100))
    (left, top, width, height), grid = view.window, view.grid
    everything = sample_view(rgb, Viewport(IMAGE_SIZE, grid, scale))
    assert everything.shape == (grid.height, grid.width, 3)
    part = sample_view(rgb, view)
    assert part.shape == (height, width, 3)
    wanted = everything[top : top + height, left : left + width].astype(int)
    # Pillow rounds the weights of a window a little differently from those of the whole.
    assert np.abs(wanted - part).max() <= 1
    if scale >= 3 and source == 128:
        rows, columns = (np.arange(n) // int(scale) for n in (grid.height, grid.width))
        assert np.array_equal(everything, rgb[rows][:, columns])


def test_the_whole_image_is_resampled_like_pillow_does() -> None:
    rgb = np.random.RandomState(1).randint(0, 256, (64, 96, 3)).astype(np.uint8)
    view = Viewport(Size(96, 64), Size(30, 30))
    box = Image.fromarray(rgb).resize(view.grid, Image.Resampling.BOX)
    assert np.array_equal(sample_view(rgb, view), np.asarray(box))
    larger = Viewport(Size(960, 640), Size(180, 180))
    smooth = Image.fromarray(rgb).resize(larger.grid, Image.Resampling.LANCZOS)
    assert np.array_equal(sample_view(rgb, larger), np.asarray(smooth))


@given(views(), st.integers(1, 90), st.integers(1, 90))
def test_any_image_in_any_view_has_the_size_of_the_window(view: Viewport, width: int, height: int) -> None:
    rgb = np.zeros((height, width, 3), np.uint8)
    assert sample_view(rgb, view).shape == (view.window.height, view.window.width, 3)


@given(views())
def test_the_window_of_a_mask_equals_its_part_of_the_preview(view: Viewport) -> None:
    area = draw_shape("ellipse", (3, 5, 90, 60), view.image_size)
    (left, top, width, height), grid = view.window, view.grid
    whole = preview_region(area, grid)
    assert np.array_equal(preview_region(area, grid, view.window), whole[top : top + height, left : left + width])


def test_only_the_window_of_a_large_mask_is_computed() -> None:
    array = np.zeros((1024, 1024), np.uint8)
    array[500:, 500:] = 1
    view = Viewport(Size(1024, 1024), ROOM, 8.0).centred((500, 500))
    inside = preview_mask(Mask.from_array(array), view.grid, view.window)
    assert inside.shape == (44, 46)
    first = 500 * 8 - view.origin[0], 500 * 8 - view.origin[1]
    assert not inside[: first[1]].any() and not inside[:, : first[0]].any() and inside[first[1] :, first[0] :].all()


def test_the_colour_at_a_point_is_that_of_its_pixel() -> None:
    rgb = np.zeros((4, 8, 3), np.uint8)
    rgb[1, 2] = (1, 2, 3)
    assert color_at(rgb, Size(8, 4), (2.4, 0.6)) == (1, 2, 3)
    assert color_at(rgb, Size(16, 8), (5, 3)) == (1, 2, 3)
    assert color_at(rgb, Size(8, 4), (2.6, 1)) == (0, 0, 0)
