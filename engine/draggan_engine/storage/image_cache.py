"""The images that were computed last: the screen, the session's files and an export ask for the same ones. No torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

MAX_IMAGES = 4  # before and after of the last drag, and those that the user goes back to


class ImageCache:
    """Full-resolution images `uint8 [H, W, 3]` by what they are of. Their users must not change them."""

    def __init__(self) -> None:
        self._images: OrderedDict[Hashable, NDArray[np.uint8]] = OrderedDict()

    def get(self, source: Hashable, draw: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Return the image, drawn now if it is not here."""
        if source not in self._images:
            self.put(source, draw())
        self._images.move_to_end(source)
        return self._images[source]

    def put(self, source: Hashable, image: NDArray[np.uint8]) -> None:
        """Keep an image, and forget the one that was not used for the longest."""
        self._images[source] = image
        self._images.move_to_end(source)
        if len(self._images) > MAX_IMAGES:
            self._images.popitem(last=False)
