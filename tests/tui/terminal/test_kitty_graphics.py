"""The sequences of kitty's graphics protocol, taken apart as a terminal does it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from draggan_tui.terminal.graphics_support import GraphicsSupport, graphics_support, has_placeholders
from draggan_tui.terminal.kitty_graphics import (
    CHUNK_BYTES,
    DIACRITICS,
    RATE_TEST,
    free,
    rate_test,
    upload,
)
from draggan_tui.terminal.start_questions import start_questions
from draggan_tui.terminal.tmux import through_tmux
from tests.support.graphics_terminal import GraphicsParser


def carried_out(sequences: list[str]) -> GraphicsParser:
    parser = GraphicsParser()
    for sequence in sequences:
        match = re.fullmatch(r"\x1b_G([^;]*)(?:;(.*))?\x1b\\", sequence)
        assert match
        parser.take(match[1], (match[2] or "").encode())
    return parser


def test_a_graphic_arrives_as_it_is_in_pieces_that_every_terminal_takes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)
    sequences = upload(20, pixels, 30, 15)
    assert len(sequences) > 3
    assert all(len(sequence.split(";")[-1]) <= CHUNK_BYTES + 2 for sequence in sequences)
    parser = carried_out(sequences)
    assert np.array_equal(parser.graphics[20], pixels)
    assert parser.cells == {20: (30, 15)}
    assert parser.answers == "\x1b_Gi=20;OK\x1b\\", "one answer for each graphic"
    assert sequences[-1] == "\x1b_Ga=p,U=1,i=20,c=30,r=15,q=2\x1b\\"
    parser = carried_out([*sequences, *upload(21, pixels, 1, 1), free(20)])
    assert set(parser.graphics) == set(parser.cells) == {21}


@pytest.mark.parametrize("byte_count", [1, 5_000, 16_000])
def test_the_rate_test_leaves_no_graphic_and_is_answered_once(byte_count: int) -> None:
    sequences = rate_test(byte_count)
    parser = carried_out(sequences)
    assert parser.answers == f"\x1b_Gi={RATE_TEST};OK\x1b\\" and not parser.graphics
    assert byte_count - 256 <= parser.payload_bytes <= byte_count + 256


def test_the_combining_characters_are_those_of_the_protocol() -> None:
    assert len(DIACRITICS) == len(set(DIACRITICS.tolist())) == 297
    assert [hex(code) for code in DIACRITICS[[0, 1, 2, 100, 255, 296]].tolist()] == [
        "0x305", "0x30d", "0x30e", "0x7eb", "0xa8e5", "0x1d244",
    ]  # fmt: skip


def test_tmux_passes_a_sequence_on_with_its_escapes_doubled() -> None:
    assert through_tmux(free(20)) == "\x1bPtmux;\x1b\x1b_Ga=d,d=I,i=20,q=2\x1b\x1b\\\x1b\\"


# Which terminals show graphics ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["kitty(0.28.0)", "kitty(0.35.1)", "kitty(1.0)", "ghostty 1.1.0", "Rio 0.2.30"])
def test_terminals_with_placeholders(version: str) -> None:
    assert has_placeholders(version)


@pytest.mark.parametrize(
    "version", ["", "kitty(0.26.5)", "WezTerm 20240203", "Konsole 24.02", "XTerm(379)", "tmux 3.5a"]
)
def test_other_terminals_would_show_the_placeholders(version: str) -> None:
    assert not has_placeholders(version)


def test_graphics_are_shown_by_terminals_that_have_placeholders_or_are_said_to() -> None:
    support = graphics_support({"TERM": "xterm-256color"}, "auto")
    assert support == GraphicsSupport(worth_asking=True)
    assert support.allows("kitty(0.35.1)", {})
    assert not support.allows("WezTerm 20240203", {})
    assert graphics_support({"TERM": "xterm-256color"}, "kitty").allows("WezTerm 20240203", {})


@pytest.mark.parametrize(
    ("variables", "graphics"),
    [
        ({"TERM": "xterm-kitty"}, "none"),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, "auto"),
        ({"TERM": "linux"}, "auto"),
        ({"TERM": "screen"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, "auto"),
        ({"TERM": "tmux-256color", "TMUX": "/nonexistent/socket,1,0"}, "kitty"),
    ],
)
def test_nobody_is_asked_who_cannot_show_graphics_or_should_not(variables: dict[str, str], graphics: str) -> None:
    assert not graphics_support(variables, graphics).worth_asking  # type: ignore[arg-type]


def test_the_questions() -> None:
    assert start_questions(about_colors=False, about_graphics=False, in_tmux=False) == ""
    assert start_questions(about_colors=False, about_graphics=True, in_tmux=False) == (
        "\x1b[>q\x1b_Gi=1,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
    )
    in_tmux = start_questions(about_colors=True, about_graphics=True, in_tmux=True)
    assert in_tmux.startswith("\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[0m\x1b[>q\x1bPtmux;\x1b\x1b_G")
    assert in_tmux.endswith("\x1b[c")
