"""Textual's terminal driver, adapted to shells, slow lines and containers."""

from __future__ import annotations

import codecs
import fcntl
import os
import re
import select
import signal
import struct
import termios
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain
from time import monotonic
from typing import IO, TYPE_CHECKING, Any

from textual.events import Key, MouseEvent, Paste
from textual.message import Message

from draggan_engine.core.geometry import Size
from draggan_tui.terminal.answer_parser import LONGEST_ANSWER, AnswerParser, CursorReported, SyncAnswered
from draggan_tui.terminal.color_depth import can_be_asked
from draggan_tui.terminal.notifications import NO_PROGRESS, RESTORE_TITLE, SAVE_TITLE, progress_sequence
from draggan_tui.terminal.paced_writer import CURSOR_QUESTION, SYNC_QUESTION, ImageSource, PacedWriter
from draggan_tui.terminal.painting import screen_update
from draggan_tui.terminal.textual_internals import AppBase, PlacedStrip, TerminalDriverBase

if TYPE_CHECKING:
    from textual.app import App

ESCAPE = "\x1b"
INTRODUCERS = "[OP_\\"
"""Characters that follow Escape in the sequences of keys and the mouse, and in answers of the terminal."""
_BEGINNING = re.compile(
    r"\x1b(\[(M.{0,2}|[0-?]*[ -/]*)|O[0-9;]*|P([01]([$+](r.*)?)?|>(\|.*)?)?|_(G.*)?|\\)?", re.DOTALL
)
"""The beginning of such a sequence, which may continue."""
LONGEST_WAIT = 0.1  # seconds between two checks whether the driver has to stop
LAST_ANSWERS_TIMEOUT = 1.0  # seconds in which answers may still come before the terminal is given back


class EscapeParser(AnswerParser):
    """A parser that waits for the rest of a sequence only while the characters so far can begin one.

    A slow line may deliver `ESC` and `[D` separately, so the wait after Escape has to be long. A letter that follows
    Escape is a key of its own and must not wait with it. Characters that arrive separately from their Escape and make no
    sequence are Escape and keys, not Alt and a key.
    """

    def __init__(self, debug: bool = False, clock: Callable[[], float] = monotonic) -> None:
        super().__init__(debug, clock)
        self._since_escape = ""
        self._is_split = False

    @property
    def wait_seconds(self) -> float:
        """Seconds until the present sequence is given up, or until the next check of the driver."""
        return LONGEST_WAIT if self.deadline is None else min(LONGEST_WAIT, max(self.deadline - self.clock(), 0))

    def feed(self, data: str) -> Iterable[Message]:
        if self.deadline is not None and (self._since_escape + data)[1:2] not in INTRODUCERS:
            yield from self._give_up()
        self._is_split = self.deadline is not None and (self._is_split or self._since_escape == ESCAPE)
        self._since_escape = (self._since_escape + data)[-LONGEST_ANSWER:]
        self._since_escape = self._since_escape[max(self._since_escape.rfind(ESCAPE), 0) :]
        yield from super().feed(data)
        if self.deadline is not None and not _BEGINNING.fullmatch(self._since_escape):
            yield from self._give_up()

    def tick(self) -> Iterable[Message]:
        key_messages = list(super().tick())
        if key_messages and self._is_split and len(self._since_escape) > 1:
            typed_characters = self._since_escape[1:]
            key_messages = [Key("escape", ESCAPE), *chain.from_iterable(map(self.key_events, typed_characters))]
        yield from key_messages

    def _give_up(self) -> Iterable[Message]:
        """Give up the pending sequence now."""
        self.expire()
        yield from self.tick()


class TerminalDriver(TerminalDriverBase):
    """Textual's driver with these changes:

    - The size is the terminal's own, whatever COLUMNS and LINES say.
    - Suspending stops the process only if a shell can continue it, and never in the middle of a write.
    - After a SIGSTOP there is still only one pair of threads, and everything is painted again.
    - Bytes that are not UTF-8 are no error, and a terminal that has disappeared is a hangup.
    - What is painted is paced by the terminal's answers, which are no keys (`PacedWriter`).
    - The app's questions are asked at the start, and after a stop, when it may be another terminal.

    Attributes:
        last_words: returns what is written before the terminal is given back.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._screen_image: ImageSource | None = None
        self.last_words: Callable[[], str] = lambda: ""
        self._has_progress = False
        self.loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        self.loop.add_signal_handler(signal.SIGCONT, self._resume_after_stop)

    def terminal_size(self) -> tuple[int, int]:
        with suppress(OSError):
            columns, rows = os.get_terminal_size(self.fileno)
            if columns and rows:
                return columns, rows
        return 80, 24

    # Output -----------------------------------------------------------------------------------------------

    def make_writer(self, file: IO[str]) -> PacedWriter:
        writer = PacedWriter(file)
        if self._screen_image is not None:
            writer.use_image(self._screen_image)
        return writer

    def paint(self, app: App[Any], placed_strips: Iterable[PlacedStrip], *, is_full: bool) -> None:
        if self.writer is not None:
            self.writer.paint(screen_update(app, placed_strips, is_full=is_full))

    def use_screen_image(self, screen_image: ImageSource) -> None:
        """Keep the images on the screen there; called before the first is painted."""
        self._screen_image = screen_image
        if self.writer is not None:
            self.writer.use_image(screen_image)

    @property
    def _questions(self) -> str:
        return self.app.start_questions if isinstance(self.app, AppBase) else ""

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self.is_writing:
            # Textual has sent the other question. In the first row, the answer to this one might be a key.
            self.write(f"\x1b[2;1H{CURSOR_QUESTION}{self._questions}")
            self.write_outside(SAVE_TITLE)

    def disable_input(self) -> None:
        if self.writer is not None:
            self.writer.end_painting(LAST_ANSWERS_TIMEOUT)
        super().disable_input()

    def stop_application_mode(self) -> None:
        if self.is_writing:
            self.write(self.last_words())
            self.show_progress(None)
            self.write_outside(RESTORE_TITLE)
        super().stop_application_mode()

    def call_when_painted(self, function: Callable[[], object]) -> None:
        def call_soon() -> None:
            with suppress(RuntimeError):  # the loop has been closed
                self.loop.call_soon_threadsafe(function)

        if self.writer is None:
            call_soon()
        else:
            self.writer.call_when_painted(call_soon)

    def write_outside(self, sequence: str) -> None:
        """Write what the terminal shows outside of its screen, unless it would print it there."""
        if self.is_writing and can_be_asked(os.environ):
            self.write(sequence)

    def show_progress(self, share: float | None) -> None:
        """Show progress outside of the screen, 0 … 1; None: no more of it. The terminal must be known to show it."""
        if share is not None or self._has_progress:
            self.write_outside(NO_PROGRESS if share is None else progress_sequence(share))
        self._has_progress = share is not None

    def write_graphic(self, sequence: str) -> None:
        """Write a sequence of a graphic when nothing else waits and the line has room for it."""
        if self.writer is not None:
            self.writer.write_graphic(sequence)

    @property
    def has_unwritten_graphic(self) -> bool:
        """Whether such a sequence has not been written yet."""
        return self.writer is not None and self.writer.has_unwritten_graphic

    def end_graphics(self, last_sequences: str) -> None:
        """Write what removes the graphics, in place of sequences that have not been written yet."""
        if self.writer is not None:
            self.writer.drop_graphics()
            self.writer.write(last_sequences)

    def cell_pixels(self) -> Size:
        """Return how many pixels of the terminal a cell has: 8×16 where the terminal does not say."""
        with suppress(OSError, struct.error):
            rows, columns, width, height = struct.unpack("HHHH", fcntl.ioctl(self.fileno, termios.TIOCGWINSZ, bytes(8)))
            if min(rows, columns, width, height) > 0:
                return Size(max(1, width // columns), max(2, height // rows))
        return Size(8, 16)

    # Stopping and continuing ------------------------------------------------------------------------------

    def suspend(self) -> None:
        """Give the terminal back and stop until the shell continues the process in the foreground."""
        self.suspend_application_mode()
        self.loop.remove_signal_handler(signal.SIGCONT)
        self.loop.remove_signal_handler(signal.SIGTSTP)
        # The default action: the kernel does not stop a process that no shell could continue.
        signal.raise_signal(signal.SIGTSTP)
        self.loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        self.loop.add_signal_handler(signal.SIGCONT, self._resume_after_stop)
        self._take_terminal()

    def _resume_after_stop(self) -> None:
        """Take the terminal back after a SIGSTOP, which the process cannot prepare for."""
        self.suspend_application_mode()
        self._take_terminal()

    def _take_terminal(self) -> None:
        with suppress(termios.error):  # the terminal is gone
            # This changes nothing, but stops the process again if the shell has continued it in the background.
            termios.tcsetattr(self.fileno, termios.TCSANOW, termios.tcgetattr(self.fileno))
        self.announce_resume()
        self.resume_application_mode()

    def clear(self) -> None:
        """Clear the screen, and reset what another program may have set."""
        if self.writer is not None:
            self.writer.forget_screen()
        self.write("\x1b[r\x1b[m\x1b[2J\x1b[?25l")
        self.set_modes()

    # Input ------------------------------------------------------------------------------------------------

    def run_input_thread(self) -> None:
        escape_parser = EscapeParser(self.debug)
        if self._questions:
            escape_parser.expect_answer()
        if (writer := self.writer) is not None:
            escape_parser.awaits_cursor_report = lambda: writer.awaits_cursor_report
        decode_bytes = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        while not self.exit_event.is_set():
            if select.select([self.fileno], [], [], escape_parser.wait_seconds)[0]:
                if not (data := self._read()):
                    os.kill(os.getpid(), signal.SIGHUP)
                    return
                self._process(escape_parser.feed(decode_bytes(data)))
            self._process(escape_parser.tick())
        with suppress(EOFError):
            self._process(escape_parser.feed(""))

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""

    def _process(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)

    def process_message(self, message: Message) -> None:
        assert self.writer is not None, "input is read in application mode only"
        match message:
            case SyncAnswered():
                self.writer.answered(SYNC_QUESTION, has_sync=message.has_sync)
                return
            case CursorReported():
                self.writer.answered(CURSOR_QUESTION)
                return
            case Key() | MouseEvent() | Paste():
                self.writer.note_key()
        super().process_message(message)
