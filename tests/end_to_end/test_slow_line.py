"""The editor on a slow line: terminals that answer in one way, in another, or not at all; no answer is read as a key."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from draggan_tui.benchmarks.slow_line import CURSOR_ANSWERS, SYNC_ANSWERS, SlowLine
from draggan_tui.terminal.paced_writer import CURSOR_QUESTION, SYNC_QUESTION
from tests.end_to_end.test_terminal_colors import inside, until_loaded
from tests.support.keys import endless_drag, place_pair
from tests.support.terminal import RESTORED, Terminal

RATE, ROUND_TRIP = 50_000, 0.2
REDRAW = "\x0c"
COORDINATES = re.compile(rb"\d+\.\d +\d+\.\d")
HALF_BLOCK = "▀".encode()
BOTH = {**SYNC_ANSWERS, **CURSOR_ANSWERS}
QUESTIONS = {"both": SYNC_QUESTION, "cursor": CURSOR_QUESTION, "none": ""}
ANSWERS: dict[str, Mapping[bytes, str]] = {"both": BOTH, "cursor": CURSOR_ANSWERS, "none": {}}


def open_on(line: SlowLine) -> None:
    line.run_until(lambda shown: shown.count(HALF_BLOCK) > 500, "the image")
    line.type("\x1b")  # closes the hints
    line.run_until_quiet(1)


def panel(terminal: Terminal) -> list[str]:
    """What the side panel says, without the place and the colour of the cursor."""
    lines = [line[80 - 32 :] for line in terminal.text().splitlines()]
    return [line for line in lines if not re.search(r"cursor|colour", line)]


def shown_image(terminal: Terminal) -> list[tuple[str, ...]]:
    """The cells of the canvas, as far as they can be seen."""
    terminal.read(0)
    buffer = terminal._parse().buffer
    cells = [buffer[row][column] for row in range(21) for column in range(80 - 32)]
    return [(cell.data, cell.bg) if cell.data == " " else (cell.data, cell.fg, cell.bg) for cell in cells]


@pytest.mark.parametrize("terminal_answers", ["both", "cursor"])
def test_a_frame_goes_out_little_by_little_and_a_key_is_echoed_before_its_end(
    tmp_path: Path, terminal_answers: str
) -> None:
    with Terminal(directory=tmp_path, size=(160, 48)) as terminal:
        line = SlowLine(terminal, RATE, ROUND_TRIP, ANSWERS[terminal_answers])
        open_on(line)
        line.most_unread = 0
        start = len(line.shown)
        line.type(REDRAW)
        line.run_until(lambda shown: shown.count(HALF_BLOCK, start) > 500, "the beginning of the frame")
        old_coordinates, typed_at = COORDINATES.findall(line.shown)[-1], len(line.shown)
        line.type("l")
        line.run_until_quiet(2)
        frame = line.shown[start:]
        assert len(frame) > 100_000
        assert line.most_unread < 40_000, "5 kB are on a busy line, 10 kB in a round trip"
        echo = next(found for found in COORDINATES.finditer(line.shown, typed_at) if found[0] != old_coordinates)
        assert len(line.shown) - echo.start() > 30_000, "the rest of the frame comes after the echo"
        question = QUESTIONS[terminal_answers].encode()
        assert max(map(len, frame.split(question))) < 6000, "a piece, and what need not be asked about"


@pytest.mark.parametrize("terminal_answers", ["both", "cursor", "none"])
def test_answers_are_never_keys_and_the_image_is_exact_at_rest(tmp_path: Path, terminal_answers: str) -> None:
    with Terminal(directory=tmp_path) as terminal:
        line = SlowLine(terminal, 10 * RATE, ROUND_TRIP / 4, ANSWERS[terminal_answers])
        open_on(line)
        panel_before = panel(terminal)
        for keys in ("llll", "jj", "hhhh", "kk", "+", "-"):
            line.type(keys)
            line.run_until_quiet(0.5)
        assert panel(terminal) == panel_before
        line.type(":60,60\r\r:90,60\r\r20.")
        line.run_until(lambda shown: b"20 steps, " in shown, "the end of the drag")
        line.run_until_quiet(1)
        image_before = shown_image(terminal)
        start = len(line.shown)
        line.type(REDRAW)
        line.run_until(lambda shown: len(shown) > start, "the redraw")
        line.run_until_quiet(1)
        assert shown_image(terminal) == image_before
        question = QUESTIONS[terminal_answers].encode()
        if question:
            assert line.shown.count(question) > 5
        line.type("q")
        line.run_until(lambda shown: RESTORED in shown, "the end")
        line.run(ROUND_TRIP)
        last_question = max(line.shown.rfind(b"\x1b[6n"), line.shown.rfind(b"\x1b[?2026$p"))
        assert last_question < line.shown.rfind(RESTORED), "nothing is asked that the shell would read"


def test_in_tmux_the_cursor_is_asked_for_and_a_drag_leaves_no_stray_keys(tmp_path: Path) -> None:
    with inside("tmux", tmp_path) as terminal:
        output = tmp_path / "pane"
        variables = {"PATH": "/usr/bin:/bin", "TMUX_TMPDIR": str(tmp_path / "sockets")}
        until_loaded(terminal)
        subprocess.run(["tmux", "pipe-pane", f"cat > {output}"], env=variables, check=True)
        endless_drag(terminal)
        column = terminal.cursor()[0]
        for _ in range(8):
            terminal.send("l")
            time.sleep(0.05)
        terminal.wait_for(lambda: terminal.cursor()[0] > column)
        terminal.send("d")
        terminal.wait_for("stopped")
        assert output.read_bytes().count(CURSOR_QUESTION.encode()) > 3
        assert "brush  1 square" in terminal.text()
        place_pair(terminal, (60, 60), (90, 60))
        terminal.send("q")
        terminal.wait_for(lambda: terminal.status is not None)
