"""How many colours a terminal has: from its name, and from answers that arrive whole, in pieces, late, or between keys."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from textual import constants
from textual.events import Key, Paste
from textual.message import Message

from draggan_tui.terminal.answer_parser import ANSWER_GAP, AnswerParser, GraphicAnswered, TerminalAnswered
from draggan_tui.terminal.color_depth import ColorGuess, guess_colors, keeps_rgb
from draggan_tui.terminal.driver import EscapeParser

DA1 = "\x1b[?62;22;52c"
YES = "\x1bP1$r0;48:2::1:2:3m\x1b\\"
NO = "\x1bP1$r0;48;5;16m\x1b\\"
VERSION = "\x1bP>|kitty(0.35.1)\x1b\\"
SHOWS_GRAPHICS = "\x1b_Gi=1;OK\x1b\\"
PARSERS = [AnswerParser, EscapeParser]


@pytest.mark.parametrize(
    ("variables", "depth", "worth_asking"),
    [
        ("TERM=xterm-256color COLORTERM=truecolor", "truecolor", False),
        ("TERM=xterm COLORTERM=24bit", "truecolor", False),
        ("TERM=xterm-256color", "256", True),
        ("TERM=xterm-256color COLORTERM=yes", "256", True),
        ("TERM=xterm-256color TERM_PROGRAM=Apple_Terminal", "256", False),
        ("TERM=xterm", "16", True),
        ("TERM=rxvt-unicode-256color", "256", True),
        ("TERM=alacritty", "truecolor", False),
        ("TERM=alacritty-direct", "truecolor", False),
        ("TERM=foot", "truecolor", False),
        ("TERM=foot-extra", "truecolor", False),
        ("TERM=wezterm", "truecolor", False),
        ("TERM=xterm-ghostty", "truecolor", False),
        ("TERM=xterm-kitty", "truecolor", False),
        ("TERM=xterm-direct", "truecolor", False),
        ("TERM=tmux", "256", True),
        ("TERM=tmux-256color", "256", True),
        ("TERM=screen TMUX=/nonexistent/socket,1,0", "256", True),
        ("TERM=screen", "16", False),
        ("TERM=screen.xterm-256color", "256", False),
        # It garbles RGB, and COLORTERM is that of the terminal in which it was started.
        ("TERM=screen-256color COLORTERM=truecolor", "256", False),
        ("TERM=linux", "16", False),
        ("TERM=vt220", "16", False),
        ("", "16", False),
    ],
)
def test_the_guess_from_the_environment(variables: str, depth: str, worth_asking: bool) -> None:
    environment = dict(variable.split("=", 1) for variable in variables.split())
    assert guess_colors(environment) == ColorGuess(depth, worth_asking)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", ["1$r0;48:2::1:2:3m", "1$r48:2:1:2:3m", "1$r0;48;2;1;2;3m", "1$r0;1;48:2:0:1:2:3m"])
def test_an_answer_that_repeats_rgb(answer: str) -> None:
    assert keeps_rgb(answer)


@pytest.mark.parametrize("answer", ["0$r", "1$r0m", "1$r0;48;5;16m", "1$r0;40m", "1$r48;2;1;2;30m", "1+r524742=8", ""])
def test_answers_without_rgb(answer: str) -> None:
    assert not keeps_rgb(answer)


def read(parser: AnswerParser, *pieces: str) -> tuple[list[str], list[bool]]:
    """Feed pieces of input one after the other; return the keys and the answers."""
    messages: list[Message] = []
    for piece in pieces:
        messages += parser.feed(piece)
    return _sorted(messages)


def _sorted(messages: Iterable[Message]) -> tuple[list[str], list[bool]]:
    messages = list(messages)
    keys = [message.key for message in messages if isinstance(message, Key)]
    return keys, [message.truecolor for message in messages if isinstance(message, TerminalAnswered)]


@pytest.mark.parametrize("kind", PARSERS)
@pytest.mark.parametrize(
    ("sent", "keys", "answers"),
    [
        (YES + DA1, [], [True]),
        (NO + DA1, [], [False]),
        (DA1, [], [False]),
        ("j" + YES + "k" + DA1 + "l", ["j", "k", "l"], [True]),
        (YES + "\x1b[A" + DA1 + "\x1b[B", ["up", "down"], [True]),
        ("\x1bP1$r0;48;2;1;2;3m\x07" + DA1, [], [True]),
        ("\x1bOP" + YES + DA1, ["f1"], [True]),
        (VERSION + "j" + SHOWS_GRAPHICS + YES + DA1, ["j"], [True]),
    ],
)
@pytest.mark.parametrize("dribbles", [False, True])
def test_answers_are_separated_from_typed_keys(
    kind: type[AnswerParser], sent: str, keys: list[str], answers: list[bool], dribbles: bool
) -> None:
    parser = kind()
    parser.expect_answer()
    assert read(parser, *(sent if dribbles else [sent])) == (keys, answers)


@pytest.mark.parametrize("kind", PARSERS)
@pytest.mark.parametrize("dribbles", [False, True])
def test_answers_about_the_terminal_and_its_graphics(kind: type[AnswerParser], dribbles: bool) -> None:
    parser = kind()
    parser.expect_answer()
    refusal = f"\x1b_Gi=21;ENOSPC:{'no room for graphics ' * 6}\x1b\\"
    sent = VERSION + "\x1b_Gi=20,p=3;OK\x1b\\" + SHOWS_GRAPHICS + refusal + DA1 + DA1
    messages = [message for piece in (sent if dribbles else [sent]) for message in parser.feed(piece)]
    assert [
        (x.number, x.problem[:6]) if isinstance(x, GraphicAnswered) else (x.version, x.shows_graphics)
        for x in messages
        if isinstance(x, GraphicAnswered | TerminalAnswered)
    ] == [(20, ""), (21, "ENOSPC"), ("kitty(0.35.1)", True), ("", False)]
    assert len(messages) == 4, "no byte is a key"
    (late_answer,) = parser.feed(SHOWS_GRAPHICS)
    assert isinstance(late_answer, GraphicAnswered) and (late_answer.number, late_answer.problem) == (1, "")


@pytest.mark.parametrize("kind", PARSERS)
def test_a_late_answer_is_not_read_as_keys(kind: type[AnswerParser]) -> None:
    parser = kind()
    assert read(parser, "j", YES[:9], YES[9:], DA1[:5], DA1[5:], "k") == (["j", "k"], [True])


@pytest.mark.parametrize("kind", PARSERS)
def test_other_sequences_are_read_as_before(kind: type[AnswerParser]) -> None:
    parser = kind()
    messages = list(parser.feed("\x1b[?2026;2$y\x1b[200~a\x1b[201~\x1b[<0;3;4M\x1b[1;5Cq"))
    assert [type(message).__name__ for message in messages] == [
        "SyncAnswered", "Paste", "MouseDown", "Key", "Key",
    ]  # fmt: skip
    assert [message.text for message in messages if isinstance(message, Paste)] == ["a"]


class Clock:
    """A clock for a parser; it advances only when a test changes it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("kind", PARSERS)
def test_escape_is_a_key_after_its_delay_and_after_an_answer(kind: type[AnswerParser]) -> None:
    clock = Clock()
    parser = kind(clock=clock)
    parser.expect_answer()
    assert read(parser, YES + DA1, "\x1b") == ([], [True])
    clock.now += constants.ESCAPE_DELAY
    assert _sorted(parser.tick()) == (["escape"], [])
    assert read(parser, "\x1b\x1b[A") == (["escape", "up"], [])
    assert read(parser, "j") == (["j"], [])


def test_escape_waits_longer_while_an_answer_is_expected() -> None:
    clock = Clock()
    parser = AnswerParser(clock=clock)
    parser.expect_answer()
    assert read(parser, "\x1b") == ([], [])
    clock.now += constants.ESCAPE_DELAY
    assert _sorted(parser.tick()) == ([], [])
    clock.now += ANSWER_GAP
    assert _sorted(parser.tick()) == (["escape"], [])


def test_an_incomplete_answer_is_not_read_as_keys() -> None:
    clock = Clock()
    parser = AnswerParser(clock=clock)
    assert read(parser, DA1[:6]) == ([], [])
    clock.now += ANSWER_GAP
    assert _sorted(parser.tick()) == ([], [])
    assert read(parser, "j") == (["j"], [])


# Answers that pace the output -----------------------------------------------------------------------------


def read_all(parser: AnswerParser, *pieces: str) -> list[str]:
    """Feed pieces of input; return keys by their names, and other messages by their classes."""
    messages: list[Message] = []
    for piece in pieces:
        messages += parser.feed(piece)
    return [message.key if isinstance(message, Key) else type(message).__name__ for message in messages]


@pytest.mark.parametrize("kind", PARSERS)
@pytest.mark.parametrize("dribbles", [False, True])
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("j\x1b[?2026;2$yk", ["j", "SyncAnswered", "k"]),
        ("\x1b[?2026;0$y" * 2, ["SyncAnswered"] * 2),
        ("j\x1b[24;1Rk", ["j", "CursorReported", "k"]),
        ("\x1b[24;80R\x1b[A\x1b[2;1R", ["CursorReported", "up", "CursorReported"]),
        ("\x1b[1;5C\x1b[15~\x1b[3;5~", ["ctrl+right", "f5", "ctrl+delete"]),
        ("\x1b[<0;3;4M", ["MouseDown"]),
    ],
)
def test_answers_that_pace_the_output_are_no_keys(
    kind: type[AnswerParser], sent: str, expected: list[str], dribbles: bool
) -> None:
    parser = kind()
    parser.awaits_cursor_report = lambda: True
    assert read_all(parser, *(sent if dribbles else [sent])) == expected


@pytest.mark.parametrize("kind", PARSERS)
def test_a_cursor_report_may_pause_longer_than_a_key(kind: type[AnswerParser]) -> None:
    clock = Clock()
    parser = kind(clock=clock)
    parser.awaits_cursor_report = lambda: True
    assert read_all(parser, "\x1b[2") == []
    clock.now += 2 * constants.ESCAPE_DELAY
    assert list(parser.tick()) == []
    assert read_all(parser, "4;1R", "j") == ["CursorReported", "j"]


@pytest.mark.parametrize("kind", PARSERS)
def test_what_is_no_answer_is_no_report(kind: type[AnswerParser]) -> None:
    parser = kind()
    assert "CursorReported" not in read_all(parser, "\x1b[24;1R"), "nobody has asked"
    parser.awaits_cursor_report = lambda: True
    assert "CursorReported" not in read_all(parser, "\x1b[1;2R"), "Shift and F3 in xterm"


@pytest.mark.parametrize("kind", PARSERS)
def test_an_answer_that_breaks_off_is_not_read_as_keys(kind: type[AnswerParser]) -> None:
    clock = Clock()
    parser = kind(clock=clock)
    assert read_all(parser, "\x1b[?2026;2$") == []
    clock.now += ANSWER_GAP
    assert list(parser.tick()) == []
    assert read_all(parser, "j") == ["j"]
