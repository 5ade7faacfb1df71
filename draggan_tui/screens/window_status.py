"""What the terminal shows outside of its screen: the window's title, how far a drag is, and that a long one has ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from draggan_tui.terminal.driver import TerminalDriver
from draggan_tui.terminal.notifications import notification_sequence, shows_progress, title_sequence
from draggan_tui.terminal.textual_internals import AppBase

from .key_names import with_keys

if TYPE_CHECKING:
    from .editor import EditorScreen

LONG_SECONDS = 10.0
"""What has taken as long is announced when it ends, if the user looks at something else."""
LEAST_PROGRESS = 0.01  # that is worth a sequence


class WindowStatus:
    """
    Args:
        clock: seconds that have passed.
    """

    def __init__(self, screen: EditorScreen, clock: Callable[[], float] = monotonic) -> None:
        self._screen, self._clock = screen, clock
        self._title = ""
        self._start_time: float | None = None  # of what is running
        self._shown_share = -1.0

    def show_title(self, title: str) -> None:
        """Make a text the title of the window."""
        if title != self._title:
            self._title = title
            self._write(title_sequence(title))

    def show_again(self) -> None:
        """Show the title again: the terminal may be another one, or another program has changed it."""
        self._write(title_sequence(self._title))

    def show_progress(self, share: float) -> None:
        """Show how far a drag or an inversion is. The first share begins it.

        Args:
            share: of its steps, 0 … 1.
        """
        if self._start_time is None:
            self._start_time = self._clock()
        app, driver = self._screen.app, self._driver
        is_new = abs(share - self._shown_share) >= LEAST_PROGRESS
        if (
            is_new
            and driver is not None
            and isinstance(app, AppBase)
            and shows_progress(app.terminal_version, os.environ)
        ):
            self._shown_share = share
            driver.show_progress(share)

    def end(self, outcome: str) -> None:
        """End the progress, and announce the outcome if it took long and the terminal does not have the focus.

        Args:
            outcome: it may name keys by their bindings, as `{undo}`.
        """
        start_time, self._start_time, self._shown_share = self._start_time, None, -1.0
        app, driver = self._screen.app, self._driver
        if driver is None or not isinstance(app, AppBase):
            return
        driver.show_progress(None)
        is_long = start_time is not None and self._clock() - start_time >= LONG_SECONDS
        if is_long and not app.app_focus:
            self._write(notification_sequence(with_keys(app, outcome), app.terminal_version))

    @property
    def _driver(self) -> TerminalDriver | None:
        app = self._screen.app
        driver = app.terminal_driver if isinstance(app, AppBase) else None
        return driver if isinstance(driver, TerminalDriver) else None

    def _write(self, sequence: str) -> None:
        if self._driver is not None:
            self._driver.write_outside(sequence)
