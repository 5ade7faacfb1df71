"""Pasting: what changes in the photograph, what does not, and how much memory it takes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_engine.inversion.alignment import Similarity, align_two_points, crop_photograph
from draggan_engine.inversion.pasting import crop_box, paste_change, paste_crop

CROP_SIZE = Size(64, 64)
TURNED = align_two_points(Size(400, 300), ((150, 120), (230, 160)), ((20.0, 30.0), (44.0, 30.0)))


def smooth_image(width: int, height: int) -> NDArray[np.uint8]:
    """Return an image without fine detail."""
    y, x = np.mgrid[:height, :width]
    channels = (np.sin(x / 17) * 60 + 100, np.cos(y / 23) * 60 + 100, np.sin((x + y) / 31) * 60 + 100)
    return np.stack(channels, axis=-1).astype(np.uint8)


def bump(width: int, height: int, radius: float) -> NDArray[np.float64]:
    """Return a smooth hill of 40 levels in the middle, `[height, width]`, which is 0 beyond the radius."""
    y, x = np.mgrid[:height, :width]
    distances = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2)
    return 20 * (1 + np.cos(np.pi * np.minimum(distances / radius, 1)))


def levels(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the largest difference of each pixel."""
    return np.abs(a.astype(np.int64) - b).max(axis=2)


def test_without_a_change_the_photograph_stays_as_it_is() -> None:
    photograph = np.random.RandomState(0).randint(0, 256, (300, 400, 3)).astype(np.uint8)
    pasted = photograph.copy()
    image = crop_photograph(photograph, TURNED, CROP_SIZE)
    paste_change(pasted, TURNED, image, image)
    assert np.array_equal(pasted, photograph)


def test_changes_of_one_level_count_as_none() -> None:
    photograph = smooth_image(400, 300)
    before = crop_photograph(photograph, TURNED, CROP_SIZE)
    for change, changes_something in ((1, False), (2, True)):
        pasted = photograph.copy()
        paste_change(pasted, TURNED, before, before + np.uint8(change))
        assert np.array_equal(pasted, photograph) is not changes_something


@settings(max_examples=25, deadline=None)
@given(
    scale=st.floats(0.25, 2.0),
    angle=st.floats(-3.1, 3.1),
    centre=st.tuples(st.floats(190, 210), st.floats(190, 210)),
)
def test_a_pasted_change_is_found_again_by_the_same_crop(
    scale: float, angle: float, centre: tuple[float, float]
) -> None:
    multiplier = scale * complex(np.cos(angle), np.sin(angle))
    similarity = Similarity(multiplier, complex(31.5, 31.5) - multiplier * complex(*centre))
    photograph = smooth_image(400, 400)
    before = crop_photograph(photograph, similarity, CROP_SIZE)
    change = bump(64, 64, radius=24)
    after = np.rint(before + change[..., None]).astype(np.uint8)
    pasted = photograph.copy()
    paste_change(pasted, similarity, before, after)
    recropped = crop_photograph(pasted, similarity, CROP_SIZE).astype(np.float64)
    assert np.abs(recropped - before - change[..., None]).max() < 4


def disc(image: NDArray[np.uint8], centre: tuple[float, float], radius: float, level: int) -> NDArray[np.uint8]:
    """Return the image with a grey disc on it."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    covered = np.clip(radius + 0.5 - np.hypot(x - centre[0], y - centre[1]), 0, 1)[..., None]
    return np.rint(image * (1 - covered) + level * covered).astype(np.uint8)


def test_what_has_moved_is_seen_only_at_its_new_place() -> None:
    """The inversion shows an eye a little too far right, too large and too bright, and the drag moves it by 16 pixels."""
    backdrop = smooth_image(128, 128)
    photograph = disc(backdrop, (50, 64), 7, 20)
    before, after = disc(backdrop, (52, 64), 8, 50), disc(backdrop, (68, 64), 8, 50)
    pasted = photograph.copy()
    paste_change(pasted, Similarity(1 + 0j, 0j), before, after)
    assert levels(pasted, after)[20:108, 20:108].max() <= 6
    added = np.clip(photograph + (after.astype(int) - before), 0, 255).astype(np.uint8)
    assert levels(added, after)[20:108, 20:108].max() > 25, "a mere sum shows the old eye"


def test_what_is_pasted_has_the_colours_of_the_photograph() -> None:
    """The inversion is darker and bluer than the photograph everywhere."""
    backdrop = smooth_image(128, 128)
    tint = np.array([24, 12, 0], np.uint8)
    before, after = disc(backdrop, (52, 64), 8, 50), disc(backdrop, (68, 64), 8, 50)
    pasted = before + tint
    paste_change(pasted, Similarity(1 + 0j, 0j), before, after)
    assert levels(pasted, after + tint)[20:108, 20:108].max() <= 2


def test_where_only_a_shade_changes_the_photograph_keeps_its_detail() -> None:
    backdrop = smooth_image(128, 128)
    texture = np.random.RandomState(0).randint(-40, 41, (128, 128, 1))
    photograph = (backdrop + texture).astype(np.uint8)
    change = bump(128, 128, radius=48)[..., None]
    pasted = photograph.copy()
    paste_change(pasted, Similarity(1 + 0j, 0j), backdrop, np.rint(backdrop + change).astype(np.uint8))
    assert np.abs(pasted - np.rint(photograph + change))[20:108, 20:108].max() <= 1


def test_a_slope_is_pasted_as_a_slope() -> None:
    photograph = np.full((300, 300, 3), 20, np.uint8)
    before = np.zeros((64, 64, 3), np.uint8)
    slope = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None] * np.uint8(3), (64, 64, 3))
    similarity = Similarity(complex(0.22), complex(-1))
    paste_change(photograph, similarity, before, slope)
    columns = np.arange(60, 240)
    assert np.abs(photograph[150, columns, 0] - (20 + 3 * (0.22 * columns - 1))).max() <= 0.51


@pytest.mark.parametrize("similarity", [TURNED, Similarity(1.5 + 0j, -60 - 30j), Similarity(0.2 + 0.1j, 40 + 5j)])
def test_nothing_changes_outside_the_crop_and_little_at_its_border(similarity: Similarity) -> None:
    photograph = smooth_image(400, 300)
    before = crop_photograph(photograph, similarity, CROP_SIZE)
    pasted = photograph.copy()
    paste_change(pasted, similarity, before, before + np.uint8(50))
    y, x = np.mgrid[:300, :400]
    moved = similarity.multiplier * (x + 1j * y) + similarity.offset
    border_distance = np.minimum.reduce([moved.real + 0.5, 63.5 - moved.real, moved.imag + 0.5, 63.5 - moved.imag])
    changes = levels(pasted, photograph)
    assert not changes[border_distance < 0].any()
    assert (changes[(border_distance >= 0) & (border_distance < 0.5)] <= 1).all()
    assert (changes[border_distance > 8] == 50).all()
    assert changes.max() <= 52  # the filter overshoots


@pytest.mark.parametrize("photograph_size", [(64, 64), (48, 48), (150, 150)])
def test_a_crop_of_the_whole_photograph_changes_up_to_the_border(photograph_size: tuple[int, int]) -> None:
    photograph = smooth_image(*photograph_size)
    similarity = Similarity.of_scale(CROP_SIZE.width / photograph_size[0])
    before = crop_photograph(photograph, similarity, CROP_SIZE)
    pasted = photograph.copy()
    paste_change(pasted, similarity, before, before + np.uint8(50))
    assert (levels(pasted, photograph) == 50).all()


def test_a_change_fades_out_only_where_the_photograph_continues() -> None:
    photograph = smooth_image(100, 64)
    similarity = Similarity(1 + 0j, 0j)  # the left part of the photograph
    before = crop_photograph(photograph, similarity, CROP_SIZE)
    pasted = photograph.copy()
    paste_change(pasted, similarity, before, before + np.uint8(50))
    changes = levels(pasted, photograph)
    assert (changes[:, :59] == 50).all()
    assert (np.diff(changes[30, 59:64]) < 0).all() and not changes[:, 63:].any()


def test_a_change_stays_in_the_mask_and_fades_out_beyond_it() -> None:
    photograph = smooth_image(256, 256)
    similarity = Similarity(1 + 0j, 0j)
    mask = np.zeros((256, 256), np.uint8)
    mask[100:140, 90:150] = 1
    mask[60:61, 60:64] = 1  # a mark of a thin brush
    pasted = photograph.copy()
    paste_change(pasted, similarity, photograph, photograph + np.uint8(50), mask)
    changes = levels(pasted, photograph)
    assert (changes[mask == 1] == 50).all()
    fade_width = 256 // 32
    outside = np.ones((256, 256), bool)
    outside[100 - fade_width : 140 + fade_width, 90 - fade_width : 150 + fade_width] = False
    outside[60 - fade_width : 61 + fade_width, 60 - fade_width : 64 + fade_width] = False
    assert not changes[outside].any()
    profile = changes[120, 150 : 150 + fade_width]
    assert (np.diff(profile) <= 0).all() and profile[0] > 40 and profile[-1] < 10


def test_a_crop_beyond_the_photograph_changes_only_what_is_there() -> None:
    photograph = smooth_image(60, 50)
    partly_outside = Similarity(1 + 0j, 30 + 40j)
    pasted = photograph.copy()
    before = crop_photograph(photograph, partly_outside, CROP_SIZE)
    paste_change(pasted, partly_outside, before, before + np.uint8(50))
    changes = levels(pasted, photograph)
    assert changes[:20, :26].max() == 50
    assert not changes[24:].any() and not changes[:, 34:].any()
    wholly_outside = Similarity(1 + 0j, 200 + 0j)
    left, _, right, _ = crop_box(wholly_outside, CROP_SIZE, Size(60, 50))
    assert right <= left
    paste_crop(pasted, wholly_outside, before)
    assert np.array_equal(levels(pasted, photograph), changes)


def test_the_edge_of_a_pasted_crop_is_that_of_facexlib() -> None:
    """The expected mask is computed step by step, as facexlib describes it."""
    import cv2

    side, scale = 256, 0.5
    photograph = np.zeros((700, 700, 3), np.uint8)
    similarity = Similarity(complex(scale), complex(-40.25, -50.25))
    paste_crop(photograph, similarity, np.full((side, side, 3), 255, np.uint8))
    ones = np.zeros((700, 700), np.float32)
    ones[100 : 100 + 512, 80 : 80 + 512] = 1
    eroded = cv2.erode(ones, np.ones((5, 5), np.uint8))  # 2 pixels on each side
    w = int(eroded.sum() ** 0.5) // 20
    expected = cv2.GaussianBlur(cv2.erode(eroded, np.ones((2 * w + 1, 2 * w + 1), np.uint8)), (2 * w + 1, 2 * w + 1), 0)
    assert np.abs(photograph[..., 0] / 255 - expected).max() < 0.015


def test_a_large_photograph_needs_little_memory_beside_itself() -> None:
    photograph = np.zeros((1600, 2500, 3), np.uint8)
    similarity = Similarity(complex(64 / 1500), complex(-1, -1))
    before = np.zeros((64, 64, 3), np.uint8)
    tracemalloc.start()
    try:
        paste_change(photograph, similarity, before, before + np.uint8(50))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert photograph[750, 750].tolist() == [50, 50, 50]
    assert peak_bytes < photograph.nbytes
