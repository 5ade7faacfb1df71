"""The cache of full-resolution images."""

from __future__ import annotations

import numpy as np

from draggan_tui.editor.preview_cache import PreviewCache

BEFORE, AFTER = np.full((4, 8, 3), 10, np.uint8), np.full((4, 8, 3), 200, np.uint8)


def test_an_image_is_cached_by_its_source() -> None:
    cache = PreviewCache()
    cache.put("a", AFTER)
    assert cache.get("a") is AFTER
    assert cache.get("b") is None
    cache.put("a", BEFORE)
    assert cache.get("a") is BEFORE, "the newer image replaces the older one"


def test_the_least_recently_used_images_are_dropped() -> None:
    cache = PreviewCache(capacity=3 * AFTER.nbytes)
    for source in "abc":
        cache.put(source, AFTER)
    assert cache.get("a") is not None
    cache.put("d", AFTER)
    assert [source for source in "abcd" if cache.get(source) is not None] == ["a", "c", "d"]
    cache.put("d", BEFORE)  # replaces the image of the same source
    assert [source for source in "abcd" if cache.get(source) is not None] == ["a", "c", "d"]
    cache.clear()
    assert cache.get("d") is None
    for source in "abc":
        cache.put(source, AFTER)
    assert cache.get("a") is not None, "cleared images take no room"


def test_both_images_of_a_comparison_stay_however_large_they_are() -> None:
    cache = PreviewCache(capacity=1)
    for source in "abc":
        cache.put(source, AFTER)
    assert [source for source in "abc" if cache.get(source) is not None] == ["b", "c"]
