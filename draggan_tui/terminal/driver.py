"""The editor's end of the terminal: Textual's driver, changed where shells, slow lines and containers need it otherwise.

With `terminal_answers`, this is the only module that leans on private parts of Textual's driver and parser.
"""

from __future__ import annotations

import codecs
import os
import re
import select
import signal
import termios
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Any

from textual.events import Key
from textual.message import Message

from draggan_tui.terminal.color_answers import AnswerParser
from draggan_tui.terminal.color_depth import QUESTION
from draggan_tui.terminal.textual_internals import TerminalDriverBase

if TYPE_CHECKING:
    from textual.app import App

ESCAPE = "\x1b"
INTRODUCERS = "[OP\\"
"""What follows Escape in the sequences of keys and of the mouse, and in what the terminal answers."""
_BEGINNING = re.compile(r"\x1b(\[(M.{0,2}|[0-?]*[ -/]*)|O[0-9;]*|P([01]([$+](r.*)?)?)?|\\)?", re.DOTALL)
"""What may go on: the beginning of such a sequence."""
LONGEST_WAIT = 0.1  # seconds between two looks at whether the driver is to stop


class EscapeParser(AnswerParser):
    """Wait for the rest of a sequence only as long as what has come may begin one.

    A slow line may deliver `ESC` and `[D` apart, so the wait after Escape has to be long; a letter that follows Escape is
    a key of its own, and must not wait with it. What came apart and makes no sequence is Escape and keys, not Alt.
    """

    def __init__(self, debug: bool = False, clock: Callable[[], float] = monotonic) -> None:
        super().__init__(debug, clock)
        self._since_escape = ""
        self._came_apart = False

    @property
    def patience(self) -> float:
        """Seconds until the present sequence is given up, or until the next look at the driver."""
        return LONGEST_WAIT if self.deadline is None else min(LONGEST_WAIT, max(self.deadline - self.clock(), 0))

    def feed(self, data: str) -> Iterable[Message]:
        if self.deadline is not None and (self._since_escape + data)[1:2] not in INTRODUCERS:
            yield from self._give_up()
        self._came_apart = self.deadline is not None and (self._came_apart or self._since_escape == ESCAPE)
        self._since_escape = (self._since_escape + data)[-64:]
        self._since_escape = self._since_escape[max(self._since_escape.rfind(ESCAPE), 0) :]
        yield from super().feed(data)
        if self.deadline is not None and not _BEGINNING.fullmatch(self._since_escape):
            yield from self._give_up()

    def tick(self) -> Iterable[Message]:
        messages = list(super().tick())
        if messages and self._came_apart and len(self._since_escape) > 1:
            typed = self._since_escape[1:]
            messages = [Key("escape", ESCAPE), *chain.from_iterable(map(self.key_events, typed))]
        yield from messages

    def _give_up(self) -> Iterable[Message]:
        """What is pending has no more to wait for."""
        self.expire()
        yield from self.tick()


class TerminalDriver(TerminalDriverBase):
    """Textual's driver, but:

    - the size is the terminal's own, whatever COLUMNS and LINES say;
    - to suspend stops the process only where a shell can continue it, and never in the middle of a write;
    - a SIGSTOP that ends leaves no second pair of threads behind, and everything is painted again;
    - bytes that are not UTF-8 are no error, and a terminal that is gone is a hangup.
    """

    asks_colors = False

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        self.loop.add_signal_handler(signal.SIGCONT, self._enter_again)

    def terminal_size(self) -> tuple[int, int]:
        with suppress(OSError):
            columns, rows = os.get_terminal_size(self.fileno)
            if columns and rows:
                return columns, rows
        return 80, 24

    # Stopping and continuing ------------------------------------------------------------------------------

    def suspend(self) -> None:
        """Give the terminal back and stop until the shell continues the process in the foreground."""
        self.suspend_application_mode()
        self.loop.remove_signal_handler(signal.SIGCONT)
        self.loop.remove_signal_handler(signal.SIGTSTP)
        # By the default action: the kernel leaves it out where no shell could continue the process.
        signal.raise_signal(signal.SIGTSTP)
        self.loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        self.loop.add_signal_handler(signal.SIGCONT, self._enter_again)
        self._take_terminal()

    def _enter_again(self) -> None:
        """Continued after a SIGSTOP, which no process can prepare for: the shell has used the terminal since."""
        self.suspend_application_mode()
        self._take_terminal()

    def _take_terminal(self) -> None:
        with suppress(termios.error):  # it is gone
            # Changes nothing, but stops the process again if the shell has continued it in the background.
            termios.tcsetattr(self.fileno, termios.TCSANOW, termios.tcgetattr(self.fileno))
        self.announce_resume()
        self.resume_application_mode()

    def clear(self) -> None:
        """Empty the screen, whatever another program has written or set there."""
        self.write("\x1b[r\x1b[m\x1b[2J\x1b[?25l")
        self.set_modes()

    # Input ------------------------------------------------------------------------------------------------

    def run_input_thread(self) -> None:
        parser = EscapeParser(self.debug)
        if self.asks_colors:
            parser.expect_answer()
        decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        while not self.exit_event.is_set():
            if select.select([self.fileno], [], [], parser.patience)[0]:
                if not (data := self._read()):
                    os.kill(os.getpid(), signal.SIGHUP)
                    return
                self._process(parser.feed(decode(data)))
            self._process(parser.tick())
        with suppress(EOFError):
            self._process(parser.feed(""))

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""

    def _process(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)


class AskingDriver(TerminalDriver):
    """Also asks how many colours the terminal takes: at the start, and after a stop, when it may be another terminal."""

    asks_colors = True

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self.is_writing:
            self.write(QUESTION)
            self.flush()
