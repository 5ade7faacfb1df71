"""The private parts of Textual and Rich that the editor needs. No other module uses a private name of theirs.

Textual promises nothing about these parts, so its minor version is pinned. `tests/tui/terminal/test_textual_internals.py`
fails if a new version lacks one of them or behaves otherwise; then only this module has to change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import monotonic
from typing import IO, Any, NamedTuple, cast

from rich.console import COLOR_SYSTEMS, Console
from rich.control import Control
from rich.segment import Segment
from textual._compositor import ChopsUpdate, LayoutUpdate
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
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import MountError, Widget

from draggan_tui.terminal.color_depth import ColorDepth
from draggan_tui.terminal.paced_writer import PacedWriter

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


class PlacedStrip(NamedTuple):
    """A strip, and where on the screen it begins."""

    row: int
    column: int
    strip: Strip


class TerminalDriverBase(LinuxDriver):
    """Textual's driver, with public names for what `TerminalDriver` changes.

    Attributes:
        writer: the thread that writes in place of Textual's. None: the application mode has never started.
    """

    writer: PacedWriter | None

    @property
    def _writer_thread(self) -> Any:
        return self.writer

    @_writer_thread.setter
    def _writer_thread(self, textual_writer: WriterThread | None) -> None:
        self.writer = None if textual_writer is None else self.make_writer(cast("IO[str]", self._file))

    def paint(self, app: App[Any], placed_strips: Iterable[PlacedStrip], *, is_full: bool) -> None:
        """Paint strips. If they are the full screen, nothing that was on it before counts any more."""
        raise NotImplementedError

    def call_when_painted(self, function: Callable[[], object]) -> None:
        """Call a function in the event loop once the images of now have been written."""
        raise NotImplementedError

    def make_writer(self, file: IO[str]) -> PacedWriter:
        """Return a thread that writes to the terminal."""
        raise NotImplementedError

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
    def is_writing(self) -> bool:
        """Whether the application mode has started; it cannot if the terminal is gone."""
        return self.writer is not None

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
    """

    __slots__ = ("_made_segments",)

    def __init__(self, columns: int) -> None:
        self._made_segments: list[Segment] | None = None
        super().__init__((), columns)
        self._cell_count = columns

    @property
    def is_image(self) -> bool:
        """Whether the row is painted as a part of an image; otherwise, as text."""
        raise NotImplementedError

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


def placed_strips(update: LayoutUpdate | ChopsUpdate) -> Iterator[PlacedStrip]:
    """Yield what the compositor wants to be painted."""
    if isinstance(update, LayoutUpdate):
        for row, strips in enumerate(update.strips, update.region.y):
            column = update.region.x
            for strip in strips:
                yield PlacedStrip(row, column, strip)
                column += strip.cell_length
        return
    for row, first_column, end_column in update.spans:
        for chop_end, (column, chop) in zip(update.chop_ends[row], update.chops[row].items(), strict=False):
            if chop is not None and column < end_column and chop_end > first_column:
                painted_end = min(chop_end, end_column)
                yield PlacedStrip(row, column, chop if painted_end == chop_end else chop.crop(0, painted_end - column))


def widget_update(app: App[Any], *widgets: Widget) -> LayoutUpdate | ChopsUpdate | None:
    """Return what is to be painted of some widgets, or without any of the whole screen; None: nothing."""
    compositor = app.screen._compositor
    if not widgets:
        update: Any = compositor.render_update(full=True, screen_stack=app._background_screens)
    else:
        compositor.update_widgets(set(widgets))
        update = compositor.render_update(screen_stack=[])
    return cast("LayoutUpdate | ChopsUpdate | None", update)


def repaint_text(app: App[Any], *widgets: Widget) -> str:
    """Return what a terminal that shows nothing is sent to paint some widgets, or without any the whole screen."""
    update = widget_update(app, *widgets)
    return "".join(
        Control.move_to(column, row).segment.text + strip.render(app.console)
        for row, column, strip in (() if update is None else placed_strips(update))
    )


# App and screens ----------------------------------------------------------------------------------------


class AppBase(App[None]):
    """An app that reports an unexpected error instead of printing a traceback over the terminal.

    It may close at any moment. A screen that was still opening then lacks its widgets, which is no error.
    What it paints is paced by the driver's writer.

    Attributes:
        start_questions: what the driver asks the terminal; see the module of that name.
        terminal_version: how the terminal calls itself (XTVERSION); empty if it was not asked or has not said.
    """

    start_questions = ""
    terminal_version = ""

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        driver = self._driver
        is_closed = not self._running or self._closed
        if (
            is_closed
            or self._batch_count
            or not isinstance(driver, TerminalDriverBase)
            or not isinstance(renderable, LayoutUpdate | ChopsUpdate)
        ):
            super()._display(screen, renderable)
            return
        try:
            driver.paint(self, placed_strips(renderable), is_full=isinstance(renderable, LayoutUpdate))
        except Exception as error:
            self._handle_exception(error)
        self.post_display_hook()

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

    def call_when_painted(self, function: Callable[[], object]) -> None:
        """Call a function once the images that have been given to Textual's screen have been written to the terminal."""
        if isinstance(self._driver, TerminalDriverBase):
            self._driver.call_when_painted(function)
        else:
            function()

    def set_image_motion(self, is_moving: bool) -> None:
        """Note whether the images that are shown are followed by others, so that small differences can wait."""
        if isinstance(self._driver, TerminalDriverBase) and self._driver.writer is not None:
            self._driver.writer.set_motion(is_moving)

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
