"""The template search finds content that has moved."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.template_search import drag_error, find_content


@pytest.fixture
def before() -> np.ndarray:
    """An image of noise, `uint8 [128, 128, 3]`."""
    return np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)


def test_shifted_content_is_found_with_its_fraction_of_a_pixel(before: np.ndarray) -> None:
    after = np.roll(before, (5, -9), axis=(0, 1))
    assert find_content(before, after, (60.25, 50.0)) == (51.25, 55.0)


def test_the_error_is_the_distance_between_content_and_target(before: np.ndarray) -> None:
    after = np.roll(before, (0, 10), axis=(0, 1))
    assert drag_error(before, after, (60, 50), (73, 54)) == 5


def test_the_search_stays_inside_the_image(before: np.ndarray) -> None:
    assert find_content(before, before, (8, 119)) == (8, 119)
