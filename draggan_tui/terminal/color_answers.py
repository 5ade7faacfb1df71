"""Separates the terminal's answers to the question about its colours from typed keys.

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
_LONGEST_ANSWER = 256
_ESCAPE = "\x1b"
_ENDS = ("\x1b\\", "\x07", "\x18")
_ANSWER_START = re.compile(
    r"\x1bP(?:[01](?:[$+](?:r.*)?)?)?", re.DOTALL
)  # if other characters follow Escape and P, they are typed


class ColorsAnswered(Message):
    """Posted when the terminal has answered the question about its colours completely."""

    def __init__(self, truecolor: bool) -> None:
        super().__init__()
        self.truecolor = truecolor


class AnswerParser(KeyParser):
    """A parser of keys that posts one `ColorsAnswered` for the answers to `color_depth.QUESTION`."""

    def __init__(self, debug: bool = False, clock: Callable[[], float] = monotonic) -> None:
        self._truecolor = False
        self._answer_deadline = 0.0
        super().__init__(debug, clock)

    def expect_answer(self) -> None:
        """Expect an answer. Called before the question is written."""
        self._truecolor = False
        self._answer_deadline = self.clock() + ANSWER_TIME

    def parse(self, token_callback: TokenCallback[Message]) -> Generator[Read1 | Peek1, str, None]:
        keys = super().parse(token_callback)
        request = next(keys)
        try:
            while True:
                try:
                    character = yield request
                except ParseError as pause_or_end:
                    request = keys.throw(pause_or_end)
                    continue
                sequence, is_over = character, False
                while sequence == _ESCAPE and not is_over:
                    sequence, is_over = yield from self._read_sequence()
                    if self._consume_answer(sequence, token_callback):
                        sequence = ""
                    elif sequence == "\x1b\x1b":
                        request = keys.send(_ESCAPE)
                        sequence = _ESCAPE
                for character in sequence:
                    request = keys.send(character)
                if is_over and request.timeout is not None:  # the time has passed already
                    request = keys.throw(ParseTimeout())
        except StopIteration:
            return

    def _read_sequence(self) -> Generator[Read1, str, tuple[str, bool]]:
        """Read characters after an Escape while they may be an answer.

        Returns:
            The sequence, and whether a pause or the end of the input has ended it.
        """
        sequence = _ESCAPE
        while _is_incomplete(sequence):
            is_answer = len(sequence) > 2 or self.clock() < self._answer_deadline
            try:
                sequence += yield Read1(ANSWER_GAP if is_answer else constants.ESCAPE_DELAY)
            except (ParseTimeout, ParseEOF):
                return sequence, True
        return sequence, False

    def _consume_answer(self, sequence: str, token_callback: TokenCallback[Message]) -> bool:
        """Return whether a sequence is an answer, complete or broken off by a pause, and post the last one."""
        if len(sequence) > 2 and _ANSWER_START.fullmatch(sequence):
            self._truecolor |= keeps_rgb(sequence[2:])
            return True
        if not sequence.startswith("\x1b[?") or sequence[-1] not in "?0123456789;c":
            return False
        if sequence.endswith("c"):
            self._answer_deadline = 0.0
            token_callback(ColorsAnswered(self._truecolor))
        return True


def _is_incomplete(sequence: str) -> bool:
    """Return whether a sequence may be the beginning of `ESC P … ESC \\` or of `ESC [ ? … c`."""
    if len(sequence) < 3:
        return sequence in ("\x1b", "\x1bP", "\x1b[")
    if sequence.startswith("\x1bP"):
        return (
            _ANSWER_START.fullmatch(sequence) is not None
            and not sequence.endswith(_ENDS)
            and len(sequence) < _LONGEST_ANSWER
        )
    return sequence.startswith("\x1b[?") and sequence[-1] in "?0123456789;"
