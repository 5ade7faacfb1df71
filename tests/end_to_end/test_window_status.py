"""The window's title and progress in a real pseudo-terminal: shown, and put back at every ending."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from draggan_tui.terminal.notifications import NO_PROGRESS, RESTORE_TITLE, SAVE_TITLE, title_sequence
from tests.support.graphics_terminal import GraphicsTerminal
from tests.support.keys import LOADED, place_pair
from tests.support.terminal import Terminal

MODEL = ("--model", "critters-128", "--device", "cpu")


def test_a_drag_is_in_the_title_and_in_the_progress_and_both_are_gone_at_the_end(tmp_path: Path) -> None:
    with GraphicsTerminal(*MODEL, directory=tmp_path, version="ghostty 1.2.0", takes_graphics=False) as terminal:
        terminal.wait_for(LOADED)
        place_pair(terminal, (69, 80), (79, 80))
        terminal.send("d")
        terminal.wait_for("drag 1 ")
        terminal.wait_for(lambda: NO_PROGRESS.encode() in terminal.raw)
        terminal.send("q")
        assert terminal.wait() == 0
        output = bytes(terminal.raw).decode(errors="replace")
    places = [
        output.index(sequence)
        for sequence in (
            SAVE_TITLE,
            title_sequence("critters-128, seed 42 · draggan-tui"),
            title_sequence("dragging · critters-128, seed 42 · draggan-tui"),
            "\x1b]9;4;1;",
            NO_PROGRESS,
            RESTORE_TITLE,
        )
    ]
    assert places == sorted(places)
    assert not re.search(r"\x1b\](?:2|9;4;1)", output[places[-1] :])


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGTSTP])
def test_the_title_is_put_back_at_other_endings(tmp_path: Path, end: int) -> None:
    with Terminal(*MODEL, directory=tmp_path) as terminal:
        terminal.wait_for(LOADED)
        terminal.signal(end)
        terminal.wait_for(lambda: RESTORE_TITLE.encode() in terminal.raw)
        if end == signal.SIGTSTP:
            terminal.raw.clear()
            terminal.signal(signal.SIGCONT)
            terminal.wait_for(lambda: title_sequence("critters-128, seed 42 · draggan-tui").encode() in terminal.raw)
            assert bytes(terminal.raw).index(SAVE_TITLE.encode()) < bytes(terminal.raw).index(b"\x1b]2;")


@pytest.mark.parametrize("name", ["linux", "screen.xterm"])
def test_a_terminal_that_would_print_them_gets_none(tmp_path: Path, name: str) -> None:
    with Terminal(*MODEL, directory=tmp_path, exported={"TERM": name}) as terminal:
        terminal.wait_for(LOADED)
        terminal.send("q")
        assert terminal.wait() == 0
        assert b"\x1b]2;" not in terminal.raw and SAVE_TITLE.encode() not in terminal.raw
