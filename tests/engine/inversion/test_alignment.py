"""Alignment: the transform of two points, and the crop that it defines."""

from __future__ import annotations

import cmath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Size, distance
from draggan_engine.inversion.alignment import (
    QuickCrops,
    Similarity,
    TwoPoints,
    align_two_points,
    align_whole,
    crop_photograph,
)

coordinates = st.floats(-0.5, 999.5)
points = st.tuples(coordinates, coordinates)
two_points = st.tuples(points, points).filter(lambda pair: distance(*pair) >= 4)


def smooth_photograph(width: int, height: int) -> NDArray[np.uint8]:
    """Return an image without fine detail, in which every place has its own colour."""
    y, x = np.mgrid[:height, :width]
    channels = (np.sin(x / 17) * 100 + 128, np.cos(y / 23) * 100 + 128, np.sin((x + y) / 31) * 100 + 128)
    return np.stack(channels, axis=-1).astype(np.uint8)


@given(two_points, two_points)
def test_the_two_points_arrive_at_their_places(sources: TwoPoints, targets: TwoPoints) -> None:
    similarity = align_two_points(Size(1000, 1000), sources, targets)
    for source, target in zip(sources, targets, strict=True):
        assert similarity.apply(source) == pytest.approx(target, abs=1e-6)


@given(two_points, two_points, points)
def test_the_inverse_brings_every_point_back(
    sources: TwoPoints, targets: TwoPoints, point: tuple[float, float]
) -> None:
    similarity = Similarity.of_points(sources, targets)
    assert similarity.inverse.apply(similarity.apply(point)) == pytest.approx(point, abs=1e-5)


@given(two_points, two_points, points, points)
def test_all_distances_are_scaled_alike(
    sources: TwoPoints, targets: TwoPoints, a: tuple[float, float], b: tuple[float, float]
) -> None:
    similarity = Similarity.of_points(sources, targets)
    moved_distance = distance(similarity.apply(a), similarity.apply(b))
    assert moved_distance == pytest.approx(similarity.scale * distance(a, b), abs=1e-5)


@given(two_points, two_points, two_points, points)
def test_a_chain_of_transforms_is_one_transform(
    first: TwoPoints, second: TwoPoints, third: TwoPoints, point: tuple[float, float]
) -> None:
    a, b = Similarity.of_points(first, second), Similarity.of_points(second, third)
    assert a.then(b).apply(point) == pytest.approx(b.apply(a.apply(point)), abs=1e-4)


@pytest.mark.parametrize("photograph_side", [128, 300, 511])
def test_a_pure_scaling_down_equals_that_of_pil(photograph_side: int) -> None:
    random_pixels = np.random.RandomState(0).randint(0, 256, (photograph_side, photograph_side, 3)).astype(np.uint8)
    similarity = align_whole(Size(photograph_side, photograph_side), Size(128, 128))
    expected = np.asarray(Image.fromarray(random_pixels).resize((128, 128), Image.Resampling.LANCZOS))
    assert np.array_equal(crop_photograph(random_pixels, similarity, Size(128, 128)), expected)


def test_a_large_photograph_is_averaged_first_which_changes_next_to_nothing() -> None:
    photograph = smooth_photograph(1400, 1400)
    crop = crop_photograph(photograph, align_whole(Size(1400, 1400), Size(64, 64)), Size(64, 64))
    expected = np.asarray(Image.fromarray(photograph).resize((64, 64), Image.Resampling.LANCZOS))
    assert np.abs(crop.astype(int) - expected).max() <= 2


def test_a_quick_crop_shows_the_same_part_of_a_large_photograph() -> None:
    photograph = smooth_photograph(1400, 1200)
    initial = align_two_points(Size(1400, 1200), ((500, 500), (900, 520)), ((48, 64), (80, 64)))
    crops = QuickCrops(photograph, initial, Size(128, 128))
    for similarity in (initial, initial.then(Similarity(1.1 * cmath.exp(0.2j), 3 - 9j))):
        difference = crops.crop(similarity).astype(int) - crop_photograph(photograph, similarity, Size(128, 128))
        assert np.abs(difference).mean() < 3


def test_a_small_photograph_is_enlarged() -> None:
    photograph = smooth_photograph(64, 64)
    crop = crop_photograph(photograph, align_whole(Size(64, 64), Size(256, 256)), Size(256, 256))
    expected = np.asarray(Image.fromarray(photograph).resize((256, 256), Image.Resampling.BICUBIC))
    inner = np.s_[16:-16, 16:-16]  # at the borders, PIL does not reflect
    assert np.abs(crop[inner].astype(int) - expected[inner]).max() <= 2


def test_a_turned_crop_shows_each_point_at_its_place() -> None:
    photograph = smooth_photograph(400, 300)
    similarity = align_two_points(Size(400, 300), ((150, 120), (230, 160)), ((20.0, 30.0), (44.0, 30.0)))
    crop = crop_photograph(photograph, similarity, Size(64, 64))
    for crop_point in ((10, 10), (32, 32), (50, 20), (20, 50)):
        x, y = similarity.inverse.apply(crop_point)
        nearest_pixel = photograph[round(y), round(x)].astype(int)
        assert np.abs(crop[crop_point[1], crop_point[0]].astype(int) - nearest_pixel).max() <= 12


def test_beyond_its_borders_the_photograph_is_mirrored() -> None:
    photograph = smooth_photograph(40, 40)
    shift = Similarity(1 + 0j, 60 + 0j)  # 60 pixels to the right: further than the photograph is wide
    crop = crop_photograph(photograph, shift, Size(100, 40))
    assert np.array_equal(crop[:, 60:], photograph)
    assert np.array_equal(crop[:, 20:60], photograph[:, ::-1])
    assert np.array_equal(crop[:, :20], photograph[:, 20:])


@pytest.mark.parametrize(
    ("photograph_points", "message"),
    [
        (((10, 10), (10, 10)), "the two points of the photograph are 0.0 pixels apart"),
        (((10, 10), (12, 11)), "the two points of the photograph are 2.2 pixels apart"),
        (((10, 10), (100, 10)), "the point 100,10 is outside the photograph, which is 100×80 pixels"),
        (((10, -3), (50, 10)), "the point 10,-3 is outside the photograph"),
    ],
)
def test_points_that_cannot_be_used_are_refused(photograph_points: TwoPoints, message: str) -> None:
    with pytest.raises(EditError, match=message):
        align_two_points(Size(100, 80), photograph_points, ((10, 10), (20, 10)))


def test_a_tiny_photograph_is_refused() -> None:
    with pytest.raises(EditError, match="the photograph is 15×40 pixels; give one of at least 16×16"):
        align_two_points(Size(15, 40), ((1, 1), (9, 9)), ((10, 10), (20, 10)))


def test_without_points_another_aspect_ratio_is_refused() -> None:
    with pytest.raises(EditError, match="the photograph is 100×80 pixels, and the model's images are 64×64"):
        align_whole(Size(100, 80), Size(64, 64))
