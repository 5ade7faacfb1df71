"""What the terminal is: its size, what it can do, and keys whose bytes come in pieces."""

from __future__ import annotations

import itertools
import time
from itertools import pairwise
from pathlib import Path

import pytest
from textual import constants

from draggan_tui.terminal.driver import EscapeParser
from tests.support.keys import LOADED
from tests.support.terminal import Terminal
from tests.support.tiny_models import save_tiny

OVER_SSH = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22"}
DRIBBLE = 0.12  # seconds between two pieces, as over a slow line
SEQUENCES = {"left": "\x1b[D", "insert": "\x1b[2~", "shift+left": "\x1b[1;2D", "end": "\x1bOF"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "tiny.safetensors")


def width(terminal: Terminal) -> int:
    """How many columns are painted: the last row's keys end with help, at the right."""
    return max(len(line.rstrip()) for line in terminal.text().splitlines())


def test_the_terminals_own_size_counts_not_an_exported_one(model: Path, tmp_path: Path) -> None:
    exported = {"COLUMNS": "80", "LINES": "24"}
    with Terminal("--model", str(model), directory=tmp_path, size=(120, 40), exported=exported) as terminal:
        terminal.wait_for(LOADED)
        terminal.wait_for(lambda: "? help" in terminal.text().splitlines()[39])
        for columns, rows in ((150, 45), (100, 30)):
            terminal.resize(columns, rows)
            terminal.wipe()
            terminal.wait_for(lambda rows=rows: "? help" in terminal.text().splitlines()[rows - 1])
            assert 80 < width(terminal) <= columns
        terminal.send("q")
        assert terminal.wait() == 0


@pytest.mark.parametrize("name", ["dumb", "unknown", ""])
@pytest.mark.parametrize("command", [(), ("open", ".")])
def test_a_terminal_without_a_cursor_is_refused_in_one_line(
    tmp_path: Path, name: str, command: tuple[str, ...]
) -> None:
    with Terminal(*command, directory=tmp_path, size=(300, 24), exported={"TERM": name}) as terminal:
        assert terminal.wait() == 2
        (line,) = terminal.text().split("\n")[0:1]
        assert line.startswith(f"draggan-tui: the editor cannot be drawn here: TERM is {name or 'not set'}")
        assert terminal.raw.count(b"\n") == 1 and b"\x1b" not in terminal.raw


def dribble(terminal: Terminal, keys: str) -> float:
    """Send keys a byte at a time; return the longest pause between two, in seconds, which a busy machine prolongs."""
    times = []
    for piece in keys:
        terminal.send(piece)
        times.append(time.monotonic())
        time.sleep(DRIBBLE)  # what is tested is this pace
    return max(later - earlier for earlier, later in pairwise(times))


@pytest.mark.parametrize("sequence", ["\x1b[D", "\x1b[1;2D"])
def test_over_ssh_an_arrow_whose_bytes_come_in_pieces_is_an_arrow(model: Path, tmp_path: Path, sequence: str) -> None:
    for attempt in range(20):
        directory = tmp_path / str(attempt)
        directory.mkdir()
        with Terminal("--model", str(model), directory=directory, exported=OVER_SSH) as terminal:
            terminal.wait_for(LOADED)
            terminal.send("\r")  # a pair that Escape would delete, and D would take in hand
            terminal.wait_for("target?")
            x, y = terminal.cursor()
            if dribble(terminal, sequence) > 2 * DRIBBLE:
                continue  # this process was held up, so the bytes were later than a slow line's
            terminal.wait_for(lambda x=x: terminal.cursor()[0] < x)
            assert terminal.cursor()[1] == y
            assert "target?" in terminal.text() and "LIVE" not in terminal.text()
            terminal.send("\x1b")
            terminal.wait_for(lambda: "target?" not in terminal.text())  # by itself it is Escape, if later
        return
    pytest.skip("the machine is too busy to keep the pace of a slow line")


def test_the_wait_after_escape_can_be_configured(model: Path, tmp_path: Path) -> None:
    directory = tmp_path / "home" / "config" / "draggan-tui"
    directory.mkdir(parents=True)
    (directory / "config.toml").write_text("[editor]\nescape_delay = 10000\n")
    with Terminal("--model", str(model), directory=tmp_path) as terminal:
        terminal.wait_for(LOADED)
        x, _ = terminal.cursor()
        terminal.send("\x1b")
        time.sleep(1)  # less than was configured, and more than any default
        terminal.send("[D")
        terminal.wait_for(lambda: terminal.cursor()[0] < x)


# The parser ---------------------------------------------------------------------------------------------


def keys_of(pieces: list[str]) -> list[str]:
    """The keys that a parser makes of pieces that come one after the other, none of them too late."""
    parser = EscapeParser()
    return [event.key for piece in pieces for event in parser.feed(piece)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", SEQUENCES)
def test_a_sequence_is_one_key_wherever_it_is_cut(key: str) -> None:
    sequence = SEQUENCES[key]
    for count in range(len(sequence)):
        for cuts in itertools.combinations(range(1, len(sequence)), count):
            pieces = [sequence[start:end] for start, end in itertools.pairwise([0, *cuts, len(sequence)])]
            assert keys_of(pieces) == [key]


@pytest.mark.parametrize(
    ("pieces", "keys"),
    [
        (["\x1b", "j"], ["escape", "j"]),
        (["\x1b", "jj", "\x1b", "\x1b[D"], ["escape", "j", "j", "escape", "left"]),
        (["\x1bj", "k"], ["alt+j", "k"]),  # together they are Alt and j
        (["a\x1b", "\r"], ["a", "escape", "enter"]),
        (["\x1b", "P", "l", "j"], ["escape", "P", "l", "j"]),
        (["\x1b", "Pll"], ["escape", "P", "l", "l"]),
        (["\x1bPl", "j"], ["alt+shift+p", "l", "j"]),
        (["\x1b", "O", "h"], ["escape", "O", "h"]),
        (["\x1b", "[", "l", "j"], ["escape", "left_square_bracket", "l", "j"]),
        (["\x1b", "P", "1", "l"], ["escape", "P", "1", "l"]),
    ],
)
def test_what_cannot_go_on_with_a_sequence_does_not_wait(pieces: list[str], keys: list[str]) -> None:
    assert keys_of(pieces) == keys


@pytest.mark.parametrize(("letter", "key"), [("P", "P"), ("O", "O"), ("[", "left_square_bracket")])
def test_what_might_go_on_and_does_not_is_escape_and_a_key(letter: str, key: str) -> None:
    now = 100.0
    parser = EscapeParser(clock=lambda: now)
    assert [*parser.feed("\x1b"), *parser.feed(letter)] == []
    now += constants.ESCAPE_DELAY
    keys = [event.key for event in parser.tick()]  # type: ignore[attr-defined]
    assert keys == ["escape", key]


def test_the_mouse_in_pieces_is_the_mouse() -> None:
    parser = EscapeParser()
    events = [event for piece in "\x1b[<0;12;7M" for event in parser.feed(piece)]
    assert [type(event).__name__ for event in events] == ["MouseDown"]
