"""In which order things are written, in which pieces, and what is never written. Each test looks at bytes and their order."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from draggan_tui.rendering.cell_strip import CellStrip
from draggan_tui.rendering.halfblocks import halfblocks
from draggan_tui.rendering.screen_image import ScreenImage
from draggan_tui.terminal.line_pace import LARGEST_PIECE
from draggan_tui.terminal.paced_writer import (
    CURSOR_QUESTION,
    REST_SECONDS,
    SYNC_END,
    SYNC_QUESTION,
    SYNC_START,
    PacedWriter,
)
from draggan_tui.terminal.screen_update import ImageRow, ScreenUpdate, TextSpan, byte_count
from tests.support.patience import PATIENCE

COLUMNS, ROWS = 80, 24
QUESTIONS = [SYNC_QUESTION, CURSOR_QUESTION]
HOME = "\x1b[1;1H"


class RecordingFile(io.StringIO):
    """A terminal that keeps what was written at once."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.is_gone = False

    def write(self, text: str) -> int:
        if self.is_gone:
            raise OSError(5, "Input/output error")
        self.pieces.append(text)
        return len(text)

    @property
    def output(self) -> str:
        return "".join(self.pieces)


class Screen:
    """A writer, and what it has written. For a terminal that answers nothing, time passes only when a test says so."""

    def __init__(self, question: str | None) -> None:
        self.file, self.question = RecordingFile(), question
        self.seconds_passed = 0.0
        self.writer = PacedWriter(self.file, clock=self.clock)
        self.writer.use_image(ScreenImage())
        if question is not None:
            self.writer.answered(question)

    def clock(self) -> float:
        return self.seconds_passed if self.question is None else time.monotonic()

    def paint(self, *texts: str, image_level: int | None = None, is_full: bool = False) -> None:
        """Paint texts in the last rows, and an image of noise about that level above them."""
        spans = [TextSpan(ROWS - 1 - i, 0, COLUMNS, f"\x1b[{ROWS - i};1H{text}") for i, text in enumerate(texts)]
        rows = []
        if image_level is not None:
            noise = np.random.default_rng(image_level).integers(0, 100, (2 * (ROWS - 3), COLUMNS, 3))
            cells = halfblocks((noise + image_level).astype(np.uint8))
            rows = [
                ImageRow(row, 0, CellStrip(cells.take(slice(row, row + 1)), "truecolor")) for row in range(ROWS - 3)
            ]
        self.writer.paint(ScreenUpdate(spans, rows, is_full, (COLUMNS, ROWS), HOME))

    def wait_for(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.file.output[-300:]
            time.sleep(0.001)

    def wait_until_idle(self) -> None:
        """Until the writer has nothing that it may write."""
        written = threading.Event()
        self.writer.write("\x07")
        self.wait_for(lambda: "\x07" in self.file.output)
        self.file.pieces = [piece for piece in self.file.pieces if piece != "\x07"]
        count = -1
        while count != len(self.file.pieces):
            count = len(self.file.pieces)
            written.wait(0.05)

    def answer(self, count: int = 1) -> None:
        assert self.question is not None
        for _ in range(count):
            self.writer.answered(self.question)

    def asked(self) -> int:
        assert self.question is not None
        return self.file.output.count(self.question)

    def answer_all(self, condition: Callable[[], object]) -> None:
        """Answer each question until something is so."""
        answered = 0
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.file.output[-300:]
            if self.asked() > answered:
                answered += 1
                self.answer()
            time.sleep(0.001)


@contextmanager
def started(question: str | None) -> Iterator[Screen]:
    screen = Screen(question)
    screen.writer.start()
    try:
        yield screen
    finally:
        screen.writer.stop()


def has_row(output: str, row: int) -> bool:
    return f"\x1b[{row + 1};1H\x1b[38;2" in output


@pytest.mark.parametrize("question", QUESTIONS)
def test_pieces_are_small_and_wait_for_answers(question: str) -> None:
    with started(question) as screen:
        screen.paint(image_level=20, is_full=True)
        screen.wait_for(screen.asked)
        screen.wait_until_idle()
        first_bytes = len(screen.file.output.encode())
        assert first_bytes < 12_000, "the frame has 60 kB, and nothing has been answered"
        assert not has_row(screen.file.output, ROWS - 4)
        screen.answer_all(lambda: has_row(screen.file.output, ROWS - 4))
        assert max(len(piece.encode()) for piece in screen.file.pieces) <= LARGEST_PIECE + 60


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_echo_of_a_key_comes_before_the_rest_of_a_frame(question: str) -> None:
    with started(question) as screen:
        screen.paint(image_level=20, is_full=True)
        screen.wait_for(screen.asked)
        screen.wait_until_idle()
        screen.writer.note_key()
        screen.paint("echo of a key")
        screen.wait_for(lambda: "echo of a key" in screen.file.output)
        assert not has_row(screen.file.output, ROWS - 4)
        screen.answer_all(lambda: has_row(screen.file.output, ROWS - 4))


def test_the_next_frame_waits_for_the_answer_and_the_newest_wins() -> None:
    with started(SYNC_QUESTION) as screen:
        screen.paint(image_level=20, is_full=True)
        screen.answer_all(lambda: has_row(screen.file.output, ROWS - 4) and screen.asked() > 3)
        screen.wait_until_idle()
        screen.file.pieces.clear()
        for level in (60, 100, 140):
            screen.paint(image_level=level)
        screen.wait_until_idle()
        assert screen.file.output.count("▀") == 0, "the last question of the first frame has no answer yet"
        screen.answer(2)
        screen.answer_all(lambda: has_row(screen.file.output, ROWS - 4))
        reds = [int(red) for red in re.findall(r"38;2;(\d+);", screen.file.output)]
        assert min(reds) >= 140, "the frames in between were never written"


def test_a_silent_terminal_gets_everything_and_no_question() -> None:
    with started(None) as screen:
        screen.paint("text", image_level=20, is_full=True)
        screen.wait_for(lambda: has_row(screen.file.output, ROWS - 4))
        screen.wait_until_idle()
        assert screen.file.output.index("text") < screen.file.output.index("▀")
        assert not any(question in screen.file.output for question in QUESTIONS)
        assert SYNC_START not in screen.file.output


def test_text_that_covers_an_unwritten_image_is_not_painted_over() -> None:
    with started(SYNC_QUESTION) as screen:
        screen.paint(image_level=20, is_full=True)
        screen.wait_for(screen.asked)
        screen.wait_until_idle()
        dialog = [TextSpan(row, 0, COLUMNS, f"\x1b[{row + 1};1Hdialog") for row in range(ROWS)]
        screen.writer.paint(ScreenUpdate(dialog, [], is_full=True, size=(COLUMNS, ROWS), cursor=HOME))
        screen.answer_all(lambda: screen.file.output.count("dialog") == ROWS)
        screen.wait_until_idle()
        assert "▀" not in screen.file.output[screen.file.output.index("dialog") :]


def test_text_that_the_terminal_shows_is_not_written_again() -> None:
    with started(None) as screen:
        screen.paint("first", "second")
        screen.paint("first", "other")
        screen.wait_for(lambda: "other" in screen.file.output)
        assert screen.file.output.count("first") == 1
        screen.paint("first", is_full=True)
        screen.wait_for(lambda: screen.file.output.count("first") == 2)


def test_a_name_that_is_no_utf_8_is_written_like_other_text() -> None:
    with started(SYNC_QUESTION) as screen:
        screen.paint("saved in d\udcff", "next")
        screen.wait_for(lambda: "saved in d\udcff" in screen.file.output and "next" in screen.file.output)
    assert byte_count("d\udcff") == len("d\\udcff")


def test_frames_are_marked_where_the_terminal_can_be_told() -> None:
    screen = Screen(SYNC_QUESTION)
    screen.writer.answered(SYNC_QUESTION, has_sync=True)
    screen.writer.start()
    screen.paint("text", image_level=20, is_full=True)
    screen.answer_all(lambda: has_row(screen.file.output, ROWS - 4))
    screen.wait_until_idle()
    screen.writer.stop()
    marks = re.findall(r"\x1b\[\?2026[hl]", screen.file.output)
    assert marks == [SYNC_START, SYNC_END] * (len(marks) // 2)
    painted = re.sub(r"(?s)\x1b\[\?2026h.*?\x1b\[\?2026l", "", screen.file.output)
    assert painted == "", "everything is in a frame"


def test_the_cursor_is_asked_for_below_the_first_row() -> None:
    with started(CURSOR_QUESTION) as screen:
        screen.paint(image_level=20, is_full=True)
        screen.wait_for(screen.asked)
        questions = re.findall(r"(\x1b\[\d+;\d+H)\x1b\[6n(.{6})", screen.file.output)
        assert questions and set(questions) == {(f"\x1b[{ROWS};1H", HOME)}


def test_calls_come_when_the_image_has_been_written() -> None:
    with started(SYNC_QUESTION) as screen:
        called: list[bool] = []
        screen.writer.call_when_painted(lambda: called.append(True))
        screen.wait_for(lambda: called)  # nothing is to be painted
        screen.paint(image_level=20, is_full=True)
        screen.writer.call_when_painted(lambda: called.append(has_row(screen.file.output, ROWS - 4)))
        screen.wait_for(screen.asked)
        screen.wait_until_idle()
        assert len(called) == 1
        screen.answer_all(lambda: len(called) == 2)
        assert called[1]


@pytest.mark.parametrize("end", ["rest", "no motion"])
def test_cells_that_differ_little_wait_while_images_move(end: str) -> None:
    with started(None) as screen:
        screen.paint(image_level=20, is_full=True)
        screen.wait_for(lambda: has_row(screen.file.output, ROWS - 4))
        screen.wait_until_idle()
        screen.file.pieces.clear()
        screen.writer.set_motion(True)
        screen.seconds_passed += 10 * REST_SECONDS  # a slow line has not taken the new image for so long
        noise = np.random.default_rng(20).integers(0, 100, (2 * (ROWS - 3), COLUMNS, 3))
        nearly_same_cells = halfblocks((noise + 21).astype(np.uint8))
        rows = [
            ImageRow(row, 0, CellStrip(nearly_same_cells.take(slice(row, row + 1)), "truecolor"))
            for row in range(ROWS - 3)
        ]
        screen.writer.paint(ScreenUpdate([], rows, is_full=False, size=(COLUMNS, ROWS), cursor=HOME))
        written = threading.Event()
        screen.writer.call_when_painted(written.set)
        assert written.wait(PATIENCE)
        assert screen.file.output.count("▀") == 0
        if end == "rest":
            screen.seconds_passed += REST_SECONDS
        else:
            screen.writer.set_motion(False)
        screen.wait_for(lambda: screen.file.output.count("▀") == COLUMNS * (ROWS - 3))


def test_the_end_waits_for_answers_and_writes_no_more() -> None:
    with started(SYNC_QUESTION) as screen:
        screen.paint(image_level=20, is_full=True)
        screen.wait_for(screen.asked)
        screen.wait_until_idle()
        ending = threading.Thread(target=lambda: screen.writer.end_painting(PATIENCE))
        ending.start()
        screen.paint("too late")
        ending.join(0.1)
        assert ending.is_alive()
        screen.answer(screen.asked())
        ending.join(PATIENCE)
        assert not ending.is_alive()
        screen.writer.write("\x1b[?1049l")
        screen.wait_for(lambda: "\x1b[?1049l" in screen.file.output)
    assert screen.file.output.endswith("\x1b[?1049l") and "too late" not in screen.file.output


def test_a_terminal_that_is_gone_blocks_nobody() -> None:
    with started(SYNC_QUESTION) as screen:
        screen.file.is_gone = True
        for level in range(20, 100):
            screen.paint("text", image_level=level)
        screen.writer.write("\x07")
        screen.writer.end_painting(PATIENCE)
    assert screen.file.pieces == []
