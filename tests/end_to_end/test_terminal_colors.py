"""The editor asks a terminal for its colours: one that answers, one that dribbles, one that is silent, tmux and screen."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from draggan_tui.terminal.answer_parser import ANSWER_TIME
from draggan_tui.terminal.start_questions import start_questions
from tests.support.terminal import PROGRAM, Terminal

ASKED = start_questions(about_colors=True, about_graphics=True, in_tmux=False).encode()
YES = "\x1bP1$r0;48:2::1:2:3m\x1b\\\x1b[?62;22;52c"
NO = "\x1bP1$r0;40m\x1b\\\x1b[?62;22;52c"
FEW = "16 colours, as far as the terminal says; --color 256 or truecolor for more"


def asking(directory: Path, *arguments: str, term: str = "xterm-256color") -> Terminal:
    """The editor on a terminal that SSH leads to: there is no COLORTERM."""
    return Terminal(*arguments, directory=directory, colorterm="", exported={"TERM": term})


def until_asked(terminal: Terminal) -> None:
    terminal.wait_for(lambda: ASKED in terminal.raw)


def drawn(terminal: Terminal) -> bytes:
    """What was written, without the question."""
    terminal.read(0)
    return bytes(terminal.raw).replace(ASKED, b"")


def in_truecolor(output: bytes) -> bool:
    return re.search(rb"[34]8;2;\d", output) is not None


def until_loaded(terminal: Terminal) -> tuple[float, float]:
    """Where the cursor is once the image is there."""
    terminal.wait_for(lambda: re.search(r"cursor\s+[\d.]+", terminal.text()) and "colour" in terminal.text())
    return terminal.cursor()


def test_a_terminal_that_answers_gets_truecolor_and_keys_typed_meanwhile_arrive(tmp_path: Path) -> None:
    with asking(tmp_path) as terminal:
        until_asked(terminal)
        terminal.send(";qz" + YES + "xv")  # the list of all commands, and a word to look for
        terminal.wait_for("qzxv")
        terminal.wait_for(lambda: in_truecolor(drawn(terminal)))
        painted_before = len(drawn(terminal))
        terminal.send("\x1b")
        terminal.wait_for(lambda: "qzxv" not in terminal.text())
        until_loaded(terminal)
        assert b"8;5;" not in drawn(terminal)[painted_before:], "widgets and image alike"
        assert "$qm" not in terminal.text()
        terminal.send("q")
        assert terminal.wait() == 0


def test_a_silent_terminal_keeps_256_colours_and_may_still_answer_late_and_slowly(tmp_path: Path) -> None:
    with asking(tmp_path) as terminal:
        until_asked(terminal)
        start = time.monotonic()
        until_loaded(terminal)
        terminal.wait_for(lambda: time.monotonic() > start + ANSWER_TIME + 0.5)
        assert b"8;5;" in drawn(terminal) and not in_truecolor(drawn(terminal))
        assert "16 colours" not in terminal.text()
        assert "$qm" not in terminal.text()
        place = terminal.cursor()
        for byte in YES:
            terminal.send(byte)
            terminal.read(0.01)
        terminal.wait_for(lambda: in_truecolor(drawn(terminal)))
        terminal.send("j")
        terminal.wait_for(lambda: terminal.cursor()[1] > place[1])
        assert terminal.cursor()[0] == place[0], "no byte of the answer was a key"
        terminal.send("q")
        assert terminal.wait() == 0


def test_after_a_stop_the_terminal_may_be_another_one_and_is_asked_again(tmp_path: Path) -> None:
    with asking(tmp_path) as terminal:
        until_asked(terminal)
        terminal.send(NO)
        until_loaded(terminal)
        assert not in_truecolor(drawn(terminal))
        terminal.signal(signal.SIGSTOP)
        terminal.signal(signal.SIGCONT)
        terminal.wait_for(lambda: terminal.raw.count(ASKED) == 2)
        terminal.send(YES)
        terminal.wait_for(lambda: in_truecolor(drawn(terminal)))
        terminal.send("q")
        assert terminal.wait() == 0


def test_few_colours_are_mentioned_once_with_the_way_to_more(tmp_path: Path) -> None:
    with asking(tmp_path, term="xterm") as terminal:
        until_asked(terminal)
        terminal.send(NO)
        terminal.wait_for(FEW)
        output = drawn(terminal)
        assert not in_truecolor(output) and b"8;5;" not in output
        terminal.send("l?")
        terminal.wait_for(lambda: FEW not in terminal.text())


@pytest.mark.parametrize(
    ("arguments", "exported"),
    [
        (("--color", "256"), {"COLORTERM": ""}),
        ((), {"COLORTERM": "truecolor"}),
        ((), {"NO_COLOR": "1", "COLORTERM": ""}),
        ((), {"TERM": "alacritty", "COLORTERM": ""}),
        ((), {"TERM": "linux", "COLORTERM": ""}),
    ],
    ids=["told", "colorterm", "no color", "name", "console"],
)
def test_nobody_is_asked_who_need_not_be(tmp_path: Path, arguments: tuple[str, ...], exported: dict[str, str]) -> None:
    with Terminal(*arguments, directory=tmp_path, exported=exported) as terminal:
        terminal.wait_for("critters")
        terminal.wait_for("cursor")
        assert b"$qm" not in terminal.raw
        if exported.get("TERM") == "alacritty":
            assert in_truecolor(bytes(terminal.raw)) and b"8;5;" not in terminal.raw


def test_the_configuration_and_the_option_are_not_mentioned_as_few(tmp_path: Path) -> None:
    with Terminal("--color", "16", directory=tmp_path) as terminal:
        until_loaded(terminal)
        terminal.read_for(1)
        assert "16 colours" not in terminal.text()


@contextmanager
def inside(multiplexer: str, directory: Path, configuration: str = "") -> Iterator[Terminal]:
    """The editor in a multiplexer, which is gone afterwards."""
    if shutil.which(multiplexer) is None:
        pytest.skip(f"{multiplexer} is not installed")
    (directory / "sockets").mkdir(mode=0o700)
    exported = {
        "TMUX_TMPDIR": str(directory / "sockets"),
        "SCREENDIR": str(directory / "sockets"),
        "TERM": "xterm-256color",
    }
    (directory / "configuration").write_text(configuration)
    file = str(directory / "configuration")
    start = {"tmux": ("tmux", "-f", file, "new-session"), "screen": ("screen", "-c", file)}[multiplexer]
    end = {"tmux": ("tmux", "kill-server"), "screen": ("screen", "-X", "quit")}[multiplexer]
    with Terminal(directory=directory, colorterm="", command=(*start, str(PROGRAM)), exported=exported) as terminal:
        try:
            yield terminal
        finally:
            subprocess.run(end, env={"PATH": "/usr/bin:/bin", **exported}, capture_output=True, check=False)


@pytest.mark.parametrize("multiplexer", ["tmux", "screen"])
def test_in_a_multiplexer_there_are_256_colours_and_no_stray_bytes(tmp_path: Path, multiplexer: str) -> None:
    with inside(multiplexer, tmp_path) as terminal:
        column, _ = until_loaded(terminal)
        terminal.send("l")
        terminal.wait_for(lambda: terminal.cursor()[0] > column)
        assert b"$qm" not in terminal.raw
        output = bytes(terminal.raw)
        assert b"48;5;" in output and not in_truecolor(output)
        terminal.send("q")
        terminal.wait_for(lambda: terminal.status is not None)


def test_tmux_says_that_its_terminal_has_truecolor(tmp_path: Path) -> None:
    with inside("tmux", tmp_path, "set -as terminal-features ',xterm-256color:RGB'") as terminal:
        until_loaded(terminal)
        output = bytes(terminal.raw)
        assert in_truecolor(output) and b"48;5;" not in output
        terminal.send("q")
        terminal.wait_for(lambda: terminal.status is not None)
