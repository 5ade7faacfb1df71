"""Asks the engine for the next preview of a drag, as often as the terminal takes them and the user wants them."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from draggan_engine.server.messages import PreviewShown
from draggan_tui.terminal.textual_internals import AppBase

if TYPE_CHECKING:
    from .editor import EditorScreen


class PreviewPace:
    """
    Args:
        previews_per_second: how many the user wants at most.
        clock: seconds that have passed.
    """

    def __init__(self, screen: EditorScreen, previews_per_second: int, clock: Callable[[], float] = monotonic) -> None:
        self._screen, self._clock = screen, clock
        self._interval = 1 / previews_per_second
        self._last_request = float("-inf")

    def request_next(self) -> None:
        """Request the next preview once the last one is on the screen; called when it has come."""
        self._set_motion(True)
        self._screen.call_after_refresh(self._wait_until_written)

    def end(self) -> None:
        """Note that the drag has ended: its result is shown exactly."""
        self._set_motion(False)

    def _set_motion(self, is_moving: bool) -> None:
        app = self._screen.app
        if isinstance(app, AppBase):
            app.set_image_motion(is_moving)

    def _wait_until_written(self) -> None:
        app = self._screen.app
        if isinstance(app, AppBase):
            app.call_when_painted(self._wait_for_interval)

    def _wait_for_interval(self) -> None:
        seconds_to_wait = self._last_request + self._interval - self._clock()
        if seconds_to_wait > 0:
            self._screen.set_timer(seconds_to_wait, self._request)
        else:
            self._request()

    def _request(self) -> None:
        self._last_request = self._clock()
        self._screen.engine.send(PreviewShown())
