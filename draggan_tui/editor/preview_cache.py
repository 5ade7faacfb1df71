"""Full-resolution images that the engine has sent, kept as long as there is room: undo and scrubbing show them at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

ROOM = 192 << 20  # bytes: 64 images of 1024 × 1024 pixels, a thousand of 256 × 256

RgbImage = NDArray[np.uint8]
"""`uint8 [H, W, 3]`."""


class PreviewCache:
    """The last images, by what they are of; those that were not used for the longest go first."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._kept: OrderedDict[Hashable, RgbImage] = OrderedDict()
        self._bytes = 0

    def get(self, source: Hashable) -> RgbImage | None:
        """Return the image; None if it is not here."""
        if source not in self._kept:
            return None
        self._kept.move_to_end(source)
        return self._kept[source]

    def put(self, source: Hashable, picture: RgbImage) -> None:
        """Keep an image, in the place of an older one of the same source."""
        if source in self._kept:
            self._bytes -= self._kept.pop(source).nbytes
        self._kept[source] = picture
        self._bytes += picture.nbytes
        while self._bytes > self._room and len(self._kept) > 2:  # both of a comparison stay, whatever their size
            self._bytes -= self._kept.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        self._kept.clear()
        self._bytes = 0
