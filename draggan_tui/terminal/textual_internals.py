"""The private parts of Textual and Rich that the editor needs. No other module uses a private name of theirs.

Textual promises nothing about these parts, so its minor version is pinned. `tests/tui/terminal/test_textual_internals.py`
fails if a new version lacks one of them or behaves otherwise; then only this module has to change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any

from rich.console import COLOR_SYSTEMS, Console
from rich.segment import Segment
from textual._parser import ParseEOF as ParseEOF
from textual._parser import ParseError as ParseError
from textual._parser import ParseTimeout as ParseTimeout
from textual._parser import Peek1 as Peek1
from textual._parser import Read1 as Read1
from textual._parser import TokenCallback as TokenCallback
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import MountError, Widget

from draggan_tui.terminal.color_depth import ColorDepth

# Input --------------------------------------------------------------------------------------------------


class KeyParser(XTermParser):
    """Textual's parser of keys and mouse events, with a public deadline and a clock of its own.

    `parse` is a generator that asks for one character at a time, perhaps with a timeout.

    Args:
        clock: current time in seconds.
    """

    def __init__(self, debug: bool = False, clock: Callable[[], float] = monotonic) -> None:
        self.clock = clock
        super().__init__(debug)

    @property
    def deadline(self) -> float | None:
        """When the present sequence is given up. None: no sequence is pending."""
        return self._timeout_time

    def feed(self, data: str) -> Iterable[Message]:
        yield from super().feed(data)
        if self._timeout_time is not None and self._awaiting.timeout is not None:
            self._timeout_time = self.clock() + self._awaiting.timeout

    def tick(self) -> Iterable[Message]:
        if self._timeout_time is not None and self.clock() >= self._timeout_time:
            self.expire()
            yield from super().tick()

    def expire(self) -> None:
        """Make the next `tick` give up the pending sequence."""
        self._timeout_time = 0

    def key_events(self, character: str) -> Iterable[Key]:
        """Return the events of a typed character."""
        return self._sequence_to_key_events(character)


# Output -------------------------------------------------------------------------------------------------


class TerminalDriverBase(LinuxDriver):
    """Textual's driver, with public names for what `TerminalDriver` changes."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def app(self) -> App[Any]:
        return self._app

    @property
    def debug(self) -> bool:
        return self._debug

    @property
    def waiting_writes(self) -> int:
        """How many writes wait for the thread that makes them."""
        return 0 if self._writer_thread is None else self._writer_thread._queue.qsize()

    @property
    def is_writing(self) -> bool:
        """Whether the application mode has started; it cannot if the terminal is gone."""
        return self._writer_thread is not None

    def terminal_size(self) -> tuple[int, int]:
        """Return columns and rows of the terminal."""
        raise NotImplementedError

    def _get_terminal_size(self) -> tuple[int, int]:
        return self.terminal_size()

    def announce_resume(self) -> None:
        """Tell the app, when the application mode starts again, that it was suspended; then it paints everything."""
        self._must_signal_resume = True

    def set_modes(self) -> None:
        """Switch line wrapping off and mouse reports on."""
        self._disable_line_wrap()
        self._enable_mouse_support()


class LazyStrip(Strip):
    """One row of the screen, whose segments and whose bytes are made only when they are asked for.

    Textual's compositor divides, crops and renders the strips that it paints, and does not look at their segments.

    Args:
        columns: width of the row in cells.
        ansi: what the terminal is sent for it, if that is known.
    """

    __slots__ = ("_made_segments",)

    def __init__(self, columns: int, ansi: str | None = None) -> None:
        self._made_segments: list[Segment] | None = None
        super().__init__((), columns)
        self._cell_count = columns
        self._render_cache = ansi

    def make_segments(self) -> list[Segment]:
        """Return the row as segments."""
        raise NotImplementedError

    def make_ansi(self) -> str | None:
        """Return what the terminal is sent. None: Rich makes it of the segments."""
        raise NotImplementedError

    @property
    def _segments(self) -> list[Segment]:
        if self._made_segments is None:
            self._made_segments = self.make_segments()
        return self._made_segments

    @_segments.setter
    def _segments(self, value: list[Segment]) -> None:
        """Ignore the empty list of the base class's constructor."""

    def render(self, console: Console) -> str:
        if self._render_cache is None:
            self._render_cache = self.make_ansi()
        return super().render(console)


def set_color_depth(console: Console, depth: ColorDepth) -> None:
    """Change how many colours a console that exists already may use."""
    names = {"none": None, "16": "standard", "256": "256", "truecolor": "truecolor"}
    name = names[depth]
    console._color_system = None if name is None else COLOR_SYSTEMS[name]


def repaint_text(app: App[Any], *widgets: Widget) -> str:
    """Return what the terminal is sent to repaint some widgets, or without any to repaint the whole screen."""
    compositor = app.screen._compositor
    if widgets:
        compositor.update_widgets(set(widgets))
        update: Any = compositor.render_update(screen_stack=[])
    else:
        update = compositor.render_update(full=True, screen_stack=app._background_screens)
    return "" if update is None else str(update.render_segments(app.console))


# App and screens ----------------------------------------------------------------------------------------


class AppBase(App[None]):
    """An app that reports an unexpected error instead of printing a traceback over the terminal.

    It may close at any moment. A screen that was still opening then lacks its widgets, which is no error.

    Attributes:
        start_questions: what the driver asks the terminal; see the module of that name.
    """

    start_questions = ""

    def report_fatal_error(self) -> None:
        """Called in an `except` block, before the app ends."""
        raise NotImplementedError

    def _handle_exception(self, error: Exception) -> None:
        is_closing = self._exit or not self._running
        if not (is_closing and isinstance(error, NoMatches | MountError)):
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self.report_fatal_error()
        self._close_messages_no_wait()

    @property
    def terminal_driver(self) -> Driver | None:
        """The driver in use. None: the app does not run."""
        return self._driver


def changed_keys(app: App[Any]) -> Mapping[str, str]:
    """Return the keys that the user has changed: binding id → comma-separated keys."""
    return app._keymap


def bind_key(screen: Screen[Any], key: str, action: str, description: str) -> None:
    """Bind a key to an action on one screen, after its class was made."""
    node: DOMNode = screen
    node._bindings.bind(key, action, description, show=False)
