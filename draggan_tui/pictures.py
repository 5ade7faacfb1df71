"""Pictures that the engine has sent, kept as long as there is room: undo, scrubbing and zooming out show them at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from draggan_engine.protocol.geometry import Size

ROOM = 96 << 20  # bytes

ANY = Size(1, 1)

Picture = NDArray[np.uint8]
"""`uint8 [H, W, 3]`."""


class Pictures:
    """The last pictures, by what they are of, each in the largest size that it was asked in; those that were not used for
    the longest go first."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._kept: OrderedDict[Hashable, tuple[Size, Picture]] = OrderedDict()
        self._bytes = 0

    def get(self, source: Hashable, size: Size = ANY) -> Picture | None:
        """The picture, if it was asked in that size or a larger one."""
        if source not in self._kept:
            return None
        asked, picture = self._kept[source]
        if asked.width < size.width or asked.height < size.height:
            return None
        self._kept.move_to_end(source)
        return picture

    def put(self, source: Hashable, size: Size, picture: Picture) -> None:
        """
        Args:
            size: in which it was asked; the engine may have given a smaller one.
        """
        if source in self._kept:
            self._bytes -= self._kept.pop(source)[1].nbytes
        self._kept[source] = (size, picture)
        self._bytes += picture.nbytes
        while self._bytes > self._room and len(self._kept) > 2:  # both of a comparison stay, whatever their size
            self._bytes -= self._kept.popitem(last=False)[1][1].nbytes

    def clear(self) -> None:
        self._kept.clear()
        self._bytes = 0
