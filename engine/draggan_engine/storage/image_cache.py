"""A cache of the images that were computed last: the screen, the session's files and an export often need the same one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

MAX_IMAGES = 4  # before and after of the last drag, and those that a person returns to


class ImageCache:
    """Full-resolution images `uint8 [H, W, 3]` by their source. Callers must not change them."""

    def __init__(self) -> None:
        self._images: OrderedDict[Hashable, NDArray[np.uint8]] = OrderedDict()

    def get(self, source: Hashable, draw_image: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Return an image; draw and keep it if it is not cached."""
        if source not in self._images:
            self.put(source, draw_image())
        self._images.move_to_end(source)
        return self._images[source]

    def put(self, source: Hashable, image: NDArray[np.uint8]) -> None:
        """Keep an image, and drop the one that was not used for the longest time if there are too many."""
        self._images[source] = image
        self._images.move_to_end(source)
        if len(self._images) > MAX_IMAGES:
            self._images.popitem(last=False)
