"""Separates the terminal's answers, also to the questions that pace the output, from typed keys.

An answer may arrive late, slowly, between keys, or never. None of its bytes may be read as a key (`?` opens the help, `c`
clears the mask), and no key may be lost. So answers are removed where keys are parsed, and nothing waits for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from time import monotonic

from textual import constants
from textual.message import Message

from draggan_tui.terminal.color_depth import keeps_rgb
from draggan_tui.terminal.start_questions import SUPPORT_TEST
from draggan_tui.terminal.textual_internals import (
    KeyParser,
    ParseEOF,
    ParseError,
    ParseTimeout,
    Peek1,
    Read1,
    TokenCallback,
)

ANSWER_GAP = 1.0  # seconds that may pass within an answer on a slow line
ANSWER_TIME = 3.0  # seconds after the question in which a lone Escape may be the first byte of an answer
LONGEST_ANSWER = 256  # characters
_ESCAPE = "\x1b"
_ENDS = ("\x1b\\", "\x07", "\x18")
_MODE_ANSWER = re.compile(r"\x1b\[\?2026;(\d)\$y")
_CURSOR_REPORT = re.compile(r"\x1b\[(\d+);(\d+)R")
_CURSOR_REPORT_START = re.compile(r"\x1b\[\d{1,4}(?:;\d{0,4})?")
# If other characters follow Escape and P, or Escape and _, they are typed.
_STRING_START = re.compile(r"\x1b(?:P(?:[01](?:[$+](?:r.*)?)?|>(?:\|.*)?)?|_(?:G.*)?)", re.DOTALL)
_VERSION = re.compile(r"\x1bP>\|([^\x1b\x07]*)")
_GRAPHIC = re.compile(r"\x1b_G(?:[^;]*,)?i=(\d+)[^;]*;([^\x1b]*)")


class TerminalAnswered(Message):
    """Posted when the terminal has answered all questions of `start_questions`.

    Attributes:
        truecolor: whether it keeps a colour in RGB.
        version: how it calls itself, with its version; empty if it does not say.
        shows_graphics: whether it takes kitty's graphics protocol.
    """

    def __init__(self, truecolor: bool, version: str = "", shows_graphics: bool = False) -> None:
        super().__init__()
        self.truecolor, self.version, self.shows_graphics = truecolor, version, shows_graphics


class GraphicAnswered(Message):
    """Posted when the terminal has read a graphic or a test, unless its answer belongs to `TerminalAnswered`.

    Attributes:
        number: of the graphic, or of the test.
        problem: why the terminal cannot show it; empty if it can.
    """

    def __init__(self, number: int, problem: str) -> None:
        super().__init__()
        self.number, self.problem = number, problem


class SyncAnswered(Message):
    """Posted when the terminal has answered whether it can be told where a frame begins and ends (DEC mode 2026)."""

    def __init__(self, has_sync: bool) -> None:
        super().__init__()
        self.has_sync = has_sync


class CursorReported(Message):
    """Posted when the terminal has answered where its cursor is. Nobody needs to know; that it has answered counts."""


class AnswerParser(KeyParser):
    """A parser of keys that posts one `TerminalAnswered` for the answers to `start_questions`, one `GraphicAnswered` for each
    graphic that the terminal has read, and a message for each answer to a question that paces the output.

    Attributes:
        awaits_cursor_report: whether such an answer may come.
    """

    def __init__(self, debug: bool = False, clock: Callable[[], float] = monotonic) -> None:
        self._answers = TerminalAnswered(truecolor=False)
        self._answer_deadline = 0.0
        self.awaits_cursor_report: Callable[[], bool] = lambda: False
        super().__init__(debug, clock)

    def expect_answer(self) -> None:
        """Expect an answer. Called before the questions are written."""
        self._answers = TerminalAnswered(truecolor=False)
        self._answer_deadline = self.clock() + ANSWER_TIME

    def parse(self, token_callback: TokenCallback[Message]) -> Generator[Read1 | Peek1, str, None]:
        key_parser = super().parse(token_callback)
        key_request = next(key_parser)
        try:
            while True:
                try:
                    character = yield key_request
                except ParseError as pause_or_end:
                    key_request = key_parser.throw(pause_or_end)
                    continue
                sequence, is_over = character, False
                while sequence == _ESCAPE and not is_over:
                    sequence, is_over = yield from self._read_sequence()
                    if self._consume_answer(sequence, token_callback):
                        sequence = ""
                    elif sequence == "\x1b\x1b":
                        key_request = key_parser.send(_ESCAPE)
                        sequence = _ESCAPE
                for character in sequence:
                    key_request = key_parser.send(character)
                if is_over and key_request.timeout is not None:  # the time has passed already
                    key_request = key_parser.throw(ParseTimeout())
        except StopIteration:
            return

    def _read_sequence(self) -> Generator[Read1, str, tuple[str, bool]]:
        """Read characters after an Escape while they may be an answer.

        Returns:
            The sequence, and whether a pause or the end of the input has ended it.
        """
        escape_sequence = _ESCAPE
        awaits_cursor_report = self.awaits_cursor_report()
        while _is_incomplete(escape_sequence) or (
            awaits_cursor_report and _CURSOR_REPORT_START.fullmatch(escape_sequence)
        ):
            is_answer = len(escape_sequence) > 2 or self.clock() < self._answer_deadline
            try:
                escape_sequence += yield Read1(
                    max(ANSWER_GAP, constants.ESCAPE_DELAY) if is_answer else constants.ESCAPE_DELAY
                )
            except (ParseTimeout, ParseEOF):
                return escape_sequence, True
        return escape_sequence, False

    def _consume_answer(self, escape_sequence: str, token_callback: TokenCallback[Message]) -> bool:
        """Return whether a sequence is an answer, complete or broken off by a pause, and post the last one."""
        if len(escape_sequence) > 2 and _STRING_START.fullmatch(escape_sequence):
            self._read_string(escape_sequence, token_callback)
            return True
        if mode_answer := _MODE_ANSWER.fullmatch(escape_sequence):
            token_callback(SyncAnswered(mode_answer[1] != "0"))
            return True
        if (report := _CURSOR_REPORT.fullmatch(escape_sequence)) and self.awaits_cursor_report() and report[1] != "1":
            token_callback(CursorReported())
            return True
        if not escape_sequence.startswith("\x1b[?") or escape_sequence[-1] not in "?0123456789;$c":
            return False
        if escape_sequence.endswith("c"):
            self._answer_deadline = 0.0
            token_callback(self._answers)
            self._answers = TerminalAnswered(truecolor=False)
        return True

    def _read_string(self, answer: str, token_callback: TokenCallback[Message]) -> None:
        """Read `ESC P … ESC \\` or `ESC _ … ESC \\`, perhaps broken off by a pause."""
        if keeps_rgb(answer[2:]):
            self._answers.truecolor = True
        elif version := _VERSION.match(answer):
            self._answers.version = version[1]
        elif graphic := _GRAPHIC.match(answer):
            number, problem = int(graphic[1]), "" if graphic[2] == "OK" else graphic[2] or "no reason given"
            if number == SUPPORT_TEST and self._answer_deadline > 0:
                self._answers.shows_graphics = not problem
            else:  # in tmux, the terminal around it answers after tmux itself
                token_callback(GraphicAnswered(number, problem))


def _is_incomplete(escape_sequence: str) -> bool:
    """Return whether a sequence may be the beginning of `ESC P … ESC \\`, `ESC _ … ESC \\`, `ESC [ ? … c` or `ESC [ ? … $ y`."""
    if len(escape_sequence) < 3:
        return escape_sequence in ("\x1b", "\x1bP", "\x1b_", "\x1b[")
    if escape_sequence[1] in "P_":
        return (
            _STRING_START.fullmatch(escape_sequence) is not None
            and not escape_sequence.endswith(_ENDS)
            and len(escape_sequence) < LONGEST_ANSWER
        )
    return escape_sequence.startswith("\x1b[?") and escape_sequence[-1] in "?0123456789;$"
