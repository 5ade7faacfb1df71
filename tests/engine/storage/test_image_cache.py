"""The cache of images keeps the last few that were used."""

from __future__ import annotations

import numpy as np

from draggan_engine.storage.image_cache import MAX_IMAGES, ImageCache


def test_an_image_is_rendered_once_and_the_last_few_are_kept() -> None:
    cache, rendered_keys = ImageCache(), []

    def render(key: int) -> np.ndarray:
        rendered_keys.append(key)
        return np.zeros((2, 2, 3), np.uint8)

    for key in (*range(MAX_IMAGES), 0, MAX_IMAGES, 0, 1):
        cache.get(key, lambda key=key: render(key))  # type: ignore[misc]
    assert rendered_keys == [*range(MAX_IMAGES), MAX_IMAGES, 1]
