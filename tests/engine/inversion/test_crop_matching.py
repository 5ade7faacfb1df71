"""Crops near an aligned crop: they lie where they should, and matching finds how an image was moved."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from draggan_engine.core.geometry import Size
from draggan_engine.inversion.alignment import Similarity, crop_photograph
from draggan_engine.inversion.crop_matching import MAX_ANGLE, MAX_LOG_SCALE, MAX_SHIFT, CropChange, CropMatcher

CPU = torch.device("cpu")
CROP_SIZE = Size(64, 64)


@pytest.fixture(scope="module")
def photograph() -> NDArray[np.uint8]:
    """Return an image of soft spots, 300×260."""
    noise = np.random.default_rng(3).integers(0, 256, (26, 30, 3), np.uint8)
    spots = Image.fromarray(noise).resize((300, 260), Image.Resampling.BICUBIC)
    return np.asarray(spots.filter(ImageFilter.GaussianBlur(2)))


def to_middle(scale: float = 0.4) -> Similarity:
    """Return the transform to a crop whose centre is that of the photograph, turned by some degrees."""
    multiplier = scale * cmath.exp(0.1j)
    return Similarity(multiplier, complex(31.5, 31.5) - multiplier * complex(149.5, 129.5))


def shown_image(photograph: NDArray[np.uint8], similarity: Similarity, change: CropChange) -> torch.Tensor:
    """Return a changed crop as `crop_photograph` makes it, `[1, 3, 64, 64]`."""
    changed = similarity.then(change.similarity(CROP_SIZE).inverse)
    pixels = torch.from_numpy(crop_photograph(photograph, changed, CROP_SIZE).astype(np.float32))
    return pixels.permute(2, 0, 1)[None] / 127.5 - 1


@pytest.mark.parametrize("change", [CropChange(), CropChange(0.15, -0.2, 0.05 - 0.08j), CropChange(-0.2, 0.26, 0.07j)])
def test_a_changed_crop_is_the_crop_of_the_changed_transform(photograph: NDArray[np.uint8], change: CropChange) -> None:
    matcher = CropMatcher(photograph, to_middle(), CROP_SIZE, CPU)
    crop, is_inside = matcher.crop(change)
    assert bool(is_inside.all())
    assert float((crop - shown_image(photograph, to_middle(), change)).abs().mean()) < 0.03


@pytest.mark.parametrize(
    "change",
    [
        CropChange(0.0, math.radians(4), 0.03 * cmath.exp(1j)),
        CropChange(0.0, math.radians(-4), 0.03 * cmath.exp(4j)),
        CropChange(0.05, 0.02, -0.03 + 0.02j),
        CropChange(-0.06, -0.03, 0.02j),
    ],
)
def test_matching_finds_how_an_image_was_moved(photograph: NDArray[np.uint8], change: CropChange) -> None:
    matcher = CropMatcher(photograph, to_middle(), CROP_SIZE, CPU)
    image = shown_image(photograph, to_middle(), change)
    image[:, :, 40:50, 10:20] = 1.0  # something that the photograph does not show
    matched = CropChange()
    for _ in range(25):
        matched = matcher.improve(matched, image)
    assert matched.log_scale == pytest.approx(change.log_scale, abs=0.003)
    assert matched.angle == pytest.approx(change.angle, abs=0.003)
    assert abs(matched.shift - change.shift) < 0.002


def test_what_is_beyond_the_photograph_does_not_count(photograph: NDArray[np.uint8]) -> None:
    change = CropChange(0.0, 0.05, 0.02 + 0.01j)
    similarity = Similarity(0.4 + 0j, 20 + 10j)  # the crop begins 20 pixels left of the photograph
    matcher = CropMatcher(photograph, similarity, CROP_SIZE, CPU)
    _, is_inside = matcher.crop(CropChange())
    assert 0.4 < float(is_inside.float().mean()) < 0.7
    assert not bool(is_inside[..., :19].any()) and bool(is_inside[..., 22:, 22:].all())
    image = shown_image(photograph, similarity, change)
    matched = []
    for outer_colour in (-1.0, 1.0):
        image[:, :, :, :15] = outer_colour
        image[:, :, :5] = outer_colour
        found_change = CropChange()
        for _ in range(25):
            found_change = matcher.improve(found_change, image)
        matched.append(found_change)
    assert matched[0] == matched[1]
    assert matched[0].angle == pytest.approx(change.angle, abs=0.005)
    assert abs(matched[0].shift - change.shift) < 0.003


def test_changes_stay_within_their_limits(photograph: NDArray[np.uint8]) -> None:
    beyond = CropChange(0.5, -0.6, 0.3 + 0.4j).limited()
    assert (beyond.log_scale, beyond.angle) == (MAX_LOG_SCALE, -MAX_ANGLE)
    assert beyond.shift == pytest.approx((0.6 + 0.8j) * MAX_SHIFT)
    assert beyond.is_at_limit
    within = CropChange(0.1, -0.1, 0.05j)
    assert within.limited() == within and not within.is_at_limit
    matcher = CropMatcher(photograph, to_middle(), CROP_SIZE, CPU)
    change = CropChange()
    for _ in range(30):
        change = matcher.improve(change, shown_image(photograph, to_middle(), CropChange(0.0, 0.0, 0.25 + 0j)))
        assert change == change.limited()


def test_a_photograph_of_one_colour_moves_nothing() -> None:
    matcher = CropMatcher(np.full((100, 100, 3), 90, np.uint8), Similarity(1 + 0j, -18 - 18j), CROP_SIZE, CPU)
    assert matcher.improve(CropChange(), torch.rand(1, 3, 64, 64) * 2 - 1) == CropChange()
