"""What other threads ask of a drag while it runs. Needs no torch, so a drag can be controlled before it has begun."""

from __future__ import annotations

import threading

from draggan_engine.core.geometry import Point, Size

SIGNAL_CHECK_SECONDS = 0.5  # how often a resting drag wakes up, so that its thread handles signals


class DragControl:
    """Controls one drag: ends it, moves the target of its live pair, and paces its previews.

    One thread runs the drag; any thread may call the methods, also before the drag has begun and after it has ended.

    Args:
        preview_size: the size at which the whole image is shown.
    """

    def __init__(self, preview_size: Size = Size(1, 1)) -> None:  # noqa: B008 (immutable)
        self._changed = threading.Condition()  # guards the fields below
        self._stop_requested = False
        self._target_released = False
        self._next_target: Point | None = None
        self._wake_requested = False
        self._preview_size = preview_size
        self._preview_pending = False

    # For the threads that control the drag ------------------------------------------------------------

    def stop(self) -> None:
        """End the drag before its next step."""
        with self._changed:
            self._stop_requested = True
            self._changed.notify()

    def move_target(self, target: Point) -> None:
        """Move the target of the live pair."""
        with self._changed:
            self._next_target = target
            self._changed.notify()

    def release_target(self) -> None:
        """Let a live drag end as soon as it comes to rest."""
        with self._changed:
            self._target_released = True
            self._changed.notify()

    def wake(self) -> None:
        """Make a drag that is at rest report it once more."""
        with self._changed:
            self._wake_requested = True
            self._changed.notify()

    def set_preview_size(self, preview_size: Size) -> None:
        """Change the size at which the whole image is shown."""
        with self._changed:
            self._preview_size = preview_size

    def preview_shown(self) -> None:
        """Allow the next preview: the last one is on the screen, or was not sent after all."""
        with self._changed:
            self._preview_pending = False

    # For the thread that runs the drag ----------------------------------------------------------------

    @property
    def stop_requested(self) -> bool:
        with self._changed:
            return self._stop_requested

    @property
    def target_released(self) -> bool:
        with self._changed:
            return self._target_released

    @property
    def preview_size(self) -> Size:
        with self._changed:
            return self._preview_size

    @property
    def preview_pending(self) -> bool:
        """Whether a preview has been announced and is not on the screen yet."""
        with self._changed:
            return self._preview_pending

    def announce_preview(self) -> None:
        """Note that a preview is about to be sent."""
        with self._changed:
            self._preview_pending = True

    def take_next_target(self) -> Point | None:
        """Return where the live target was moved since the last call, or None."""
        with self._changed:
            target, self._next_target = self._next_target, None
            return target

    def wait_for_command(self) -> None:
        """Wait until the drag is stopped or woken, or its target is moved or released."""
        with self._changed:
            while not (
                self._stop_requested or self._target_released or self._next_target is not None or self._wake_requested
            ):
                self._changed.wait(SIGNAL_CHECK_SECONDS)
            self._wake_requested = False
