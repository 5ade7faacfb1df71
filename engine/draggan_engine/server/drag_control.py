"""What the client wants of the running drag, or of the one that is about to begin."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from draggan_engine.core.geometry import Point, Size

if TYPE_CHECKING:
    from draggan_engine.dragging import DragLoop


class Steering:
    """Safe to use from two threads: one tells, the other runs the drag.

    Attributes:
        look: how many pixels of the whole image the view shows.
        unseen: whether one of them has been sent and is not yet on the screen.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._drag: DragLoop | None = None
        self._stop = self._let_go = False
        self._hand: Point | None = None
        self.look = Size(1, 1)
        self.unseen = False

    def expect(self, look: Size) -> None:
        """A drag is about to begin; what was wanted of the last one is done with."""
        with self._lock:
            self._stop, self._let_go, self._hand, self.look, self.unseen = False, False, None, look, False

    def see(self, look: Size) -> None:
        """The view has another size."""
        self.look = look

    def lead(self, target: Point | None) -> None:
        """The hand moves, or (None) lets go."""
        with self._lock:
            self._hand, self._let_go = target or self._hand, target is None
            self._tell()

    def stop(self) -> None:
        with self._lock:
            self._stop = True
            self._tell()

    def wake(self) -> None:
        """There is something else to do: a drag that waits for the hand looks up."""
        with self._lock:
            if self._drag is not None:
                self._drag.wake()

    @contextmanager
    def of(self, drag: DragLoop) -> Iterator[None]:
        """Within, that drag is the running one; it learns at once what is wanted already."""
        with self._lock:
            self._drag = drag
            self._tell()
        try:
            yield
        finally:
            with self._lock:
                self._drag = None

    def _tell(self) -> None:
        if self._drag is None:
            return
        if self._hand is not None:
            self._drag.move_target(self._hand)
        if self._let_go:
            self._drag.release_target()
        if self._stop:
            self._drag.stop()
