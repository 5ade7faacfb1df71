"""Full-resolution images that the engine has sent, so that undo and scrubbing show them at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

CAPACITY = 192 << 20
"""Bytes: 64 images of 1024 × 1024 pixels, a thousand of 256 × 256."""

RgbArray = NDArray[np.uint8]
"""An image, `uint8 [H, W, 3]`."""


class PreviewCache:
    """Keeps images by their source and drops those that were not used for the longest time."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity_bytes = capacity
        self._images_by_source: OrderedDict[Hashable, RgbArray] = OrderedDict()
        self._byte_count = 0

    def get(self, source: Hashable) -> RgbArray | None:
        """Return the image of a source; None if it is not cached."""
        if source not in self._images_by_source:
            return None
        self._images_by_source.move_to_end(source)
        return self._images_by_source[source]

    def put(self, source: Hashable, image: RgbArray) -> None:
        """Keep an image, in place of an earlier one of the same source."""
        if source in self._images_by_source:
            self._byte_count -= self._images_by_source.pop(source).nbytes
        self._images_by_source[source] = image
        self._byte_count += image.nbytes
        # A comparison needs two images, however large they are.
        while self._byte_count > self._capacity_bytes and len(self._images_by_source) > 2:
            self._byte_count -= self._images_by_source.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        self._images_by_source.clear()
        self._byte_count = 0
