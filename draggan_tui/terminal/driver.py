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
from typing import TYPE_CHECKING, Any

from textual.events import Key
from textual.message import Message

from draggan_engine.core.geometry import Size
from draggan_tui.terminal.answer_parser import LONGEST_ANSWER, AnswerParser
from draggan_tui.terminal.textual_internals import AppBase, TerminalDriverBase

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
    - The app's questions are asked at the start, and after a stop, when it may be another terminal.

    Attributes:
        last_words: returns what is written before the terminal is given back.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.last_words: Callable[[], str] = lambda: ""
        self.loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        self.loop.add_signal_handler(signal.SIGCONT, self._resume_after_stop)

    def terminal_size(self) -> tuple[int, int]:
        with suppress(OSError):
            columns, rows = os.get_terminal_size(self.fileno)
            if columns and rows:
                return columns, rows
        return 80, 24

    @property
    def _questions(self) -> str:
        return self.app.start_questions if isinstance(self.app, AppBase) else ""

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self.is_writing and self._questions:
            self.write(self._questions)
            self.flush()

    def stop_application_mode(self) -> None:
        if self.is_writing:
            self.write(self.last_words())
        super().stop_application_mode()

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
        self.write("\x1b[r\x1b[m\x1b[2J\x1b[?25l")
        self.set_modes()

    # Input ------------------------------------------------------------------------------------------------

    def run_input_thread(self) -> None:
        escape_parser = EscapeParser(self.debug)
        if self._questions:
            escape_parser.expect_answer()
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
