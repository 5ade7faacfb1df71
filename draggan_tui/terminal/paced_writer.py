"""The thread that writes to the terminal: text before images, graphics last, and no more than the line carries.

What is to be painted is kept by its place on the screen, so that only the newest of it is ever written. One frame of the
images is in flight: the next one begins when the terminal has answered the question behind the last one.
"""

from __future__ import annotations

import fcntl
import struct
import termios
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread
from time import monotonic
from typing import IO, Protocol

from draggan_tui.terminal.line_pace import LinePace
from draggan_tui.terminal.screen_update import ImageRow, ScreenUpdate, byte_count
from draggan_tui.terminal.text_spans import TextSpans

SYNC_QUESTION = "\x1b[?2026$p"
CURSOR_QUESTION = "\x1b[6n"
SYNC_START, SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
LEAST_DIFFERENCE = 2.0  # ΔE (see `ImageSource.begin_frame`) from which on a cell is sent while the images move
REST_SECONDS = 0.3  # without a new image after which moving images rest, and every cell is sent as it is
ECHO_SECONDS = 0.2  # after a key in which text is taken for its echo
UNSENT_BYTES = 4096  # that a tty may hold when the next piece is written
UNSENT_PAUSE = 0.01  # seconds between two looks at what a tty holds


class ImageSource(Protocol):
    """The images on the screen, as `rendering.screen_image.ScreenImage` keeps them."""

    def resize(self, columns: int, rows: int) -> None: ...
    def cover(self, row: int, column: int, end_column: int) -> None: ...
    def put(self, image_row: ImageRow) -> None: ...
    def begin_frame(self, least_difference: float) -> None: ...
    @property
    def is_writing_frame(self) -> bool: ...
    def take_part(self, most_bytes: int) -> str: ...
    def take_cursor(self) -> str: ...


class PacedWriter(Thread):
    """
    Args:
        file: the terminal.
        clock: seconds that have passed.
    """

    def __init__(self, file: IO[str], clock: Callable[[], float] = monotonic) -> None:
        super().__init__(daemon=True, name="terminal-output")
        self._file, self._clock = file, clock
        self._changed = Condition()  # guards everything below
        self._image: ImageSource | None = None
        self._pace = LinePace(clock)
        self._commands: list[str] = []
        self._text = TextSpans()
        self._graphics: deque[str] = deque()
        self._cursor, self._size = "", (80, 24)
        self._question: str | None = None  # None: the terminal has never answered
        self._has_sync = self._is_synchronizing = False
        self._has_new_image = self._may_be_inexact = False
        self._is_moving = False
        # When an image last came or was written:
        self._last_image = self._last_key = float("-inf")
        self._frame_question = 0  # behind the last frame
        self._painted_calls: list[Callable[[], object]] = []
        self._is_painting, self._is_stopping, self._is_gone = True, False, False

    # Called by other threads ----------------------------------------------------------------------------

    def write(self, text: str) -> None:
        """Write commands for the terminal, before anything that is painted."""
        with self._changed:
            self._commands.append(text)
            self._changed.notify_all()

    def write_graphic(self, sequence: str) -> None:
        """Write a sequence of a graphic after everything that is painted, when the line has room for it."""
        with self._changed:
            self._graphics.append(sequence)
            self._changed.notify_all()

    @property
    def has_unwritten_graphic(self) -> bool:
        """Whether a sequence of a graphic waits."""
        with self._changed:
            return bool(self._graphics)

    def drop_graphics(self) -> None:
        """Never write the sequences of graphics that wait."""
        with self._changed:
            self._graphics.clear()

    def flush(self) -> None:
        """Do nothing: the thread flushes."""

    def paint(self, update: ScreenUpdate) -> None:
        """Paint what has changed, over what has not been written yet."""
        with self._changed:
            if not self._is_painting:
                return
            if update.is_full:
                self._text.clear()
            if self._image is not None and (update.is_full or update.size != self._size):
                self._image.resize(*update.size)
            self._cursor, self._size = update.cursor, update.size
            for text_span in update.text_spans:
                self._text.put(text_span)
                if self._image is not None:
                    self._image.cover(text_span.row, text_span.column, text_span.end_column)
            for image_row in update.image_rows:
                self._put_image_row(image_row)
            self._changed.notify_all()

    def _put_image_row(self, image_row: ImageRow) -> None:
        assert self._image is not None, "images are painted once they have a place to be kept"
        columns = image_row.strip.cell_length
        self._text.cover(image_row.row, image_row.column, image_row.column + columns)
        self._image.put(image_row)
        self._has_new_image = self._may_be_inexact = True
        self._last_image = self._clock()

    def forget_screen(self) -> None:
        """Note that nobody knows what the terminal shows; everything is going to be painted."""
        with self._changed:
            self._text.clear()
            if self._image is not None:
                self._image.resize(*self._size)

    def use_image(self, image: ImageSource) -> None:
        """Keep images there."""
        with self._changed:
            self._image = image
            image.resize(*self._size)

    def note_key(self) -> None:
        """Note that the user does something; what is painted next is its echo."""
        with self._changed:
            self._last_key = self._clock()

    def set_motion(self, is_moving: bool) -> None:
        """Note whether more images follow. While they do, cells that differ little from what the terminal shows can wait."""
        with self._changed:
            self._is_moving = is_moving
            self._changed.notify_all()

    def answered(self, question: str, *, has_sync: bool = False) -> None:
        """Note an answer to `SYNC_QUESTION` or `CURSOR_QUESTION`.

        Args:
            has_sync: the terminal can be told where a frame begins and ends.
        """
        with self._changed:
            if self._question is None:  # both were asked at the start; the first answer decides
                self._question = question
            if question == self._question:
                self._has_sync |= has_sync
                self._pace.answered()
            self._changed.notify_all()

    @property
    def awaits_cursor_report(self) -> bool:
        """Whether the answer to a `CURSOR_QUESTION` may come."""
        with self._changed:
            return self._question is None or (self._question == CURSOR_QUESTION and self._pace.is_waiting)

    def call_when_painted(self, function: Callable[[], object]) -> None:
        """Call a function, from the thread, once the frame with the images of now has been written."""
        with self._changed:
            self._painted_calls.append(function)
            self._changed.notify_all()

    def end_painting(self, timeout: float) -> None:
        """Drop what has not been written, and wait for answers that are expected, so that no other program reads them."""
        with self._changed:
            self._is_painting = False
            self._text.clear()
            self._graphics.clear()
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._is_gone or not (self._pace.is_answering and self._pace.is_waiting), timeout
            )

    def stop(self) -> None:
        """Write the commands that are left, and wait for the end of the thread."""
        with self._changed:
            self._is_stopping, self._is_painting = True, False
            self._changed.notify_all()
        self.join()

    # The thread -----------------------------------------------------------------------------------------

    def run(self) -> None:
        while True:
            with self._changed:
                piece = self._next_piece()
                painted_calls = self._take_painted_calls()
                if piece is None and not painted_calls:
                    if self._is_stopping:
                        return
                    self._changed.wait(self._seconds_to_wait())
                    self._pace.expire()
            if piece is not None:
                self._write_piece(piece)
            for function in painted_calls:
                function()

    def _write_piece(self, piece: str) -> None:
        try:
            self._file.write(piece)
            self._file.flush()
        except (OSError, ValueError):  # the terminal is gone
            with self._changed:
                self._is_gone, self._is_painting = True, False
                self._changed.notify_all()

    def _next_piece(self) -> str | None:
        """Return what is written next; None: nothing may be written now."""
        if self._is_gone:
            return None
        if self._commands:
            commands, self._commands = "".join(self._commands), []
            return commands
        if self._is_painting and (piece := self._text_piece() or self._cursor_piece() or self._image_piece()):
            sync_start = SYNC_START if self._has_sync and not self._is_synchronizing else ""
            self._is_synchronizing = self._has_sync
            return sync_start + piece
        if self._is_synchronizing:
            self._is_synchronizing = False
            return SYNC_END
        if self._is_painting and self._graphics and self._may_send(len(self._graphics[0])):
            return self._asking(self._graphics.popleft())
        return None

    def _may_send(self, new_bytes: int, *, is_echo: bool = False) -> bool:
        if self._pace.is_answering:
            return self._pace.may_send(new_bytes, is_echo=is_echo)
        return _unsent_bytes(self._file) <= UNSENT_BYTES

    def _text_piece(self) -> str:
        if not self._text or not self._may_send(self._text.next_size(), is_echo=self._is_echo):
            return ""
        return self._asking(self._text.take_piece(self._pace.piece_size) + self._cursor)

    def _cursor_piece(self) -> str:
        """Return the cells that the cursor on the image has entered or left."""
        if self._image is None or not self._has_new_image or not self._may_send(0, is_echo=self._is_echo):
            return ""
        cursor_text = self._image.take_cursor()
        return self._asking(cursor_text + self._cursor) if cursor_text else ""

    def _image_piece(self) -> str:
        """Return a part of the frame; if there is none, begin one."""
        piece_size = self._pace.piece_size
        if self._image is None or self._text or not self._may_send(piece_size):
            return ""
        if not self._image.is_writing_frame and self._pace.has_answer(self._frame_question):
            is_exact = not self._is_moving or (not self._has_new_image and self._seconds_to_rest <= 0)
            if self._has_new_image or (self._may_be_inexact and is_exact):
                self._image.begin_frame(0.0 if is_exact else LEAST_DIFFERENCE)
                self._has_new_image, self._may_be_inexact = False, not is_exact
        image_text = self._image.take_part(piece_size)
        if not image_text or self._image.is_writing_frame:
            return image_text and self._asking(image_text)
        last_piece = self._asking(image_text + self._cursor, must_ask=True)
        self._frame_question = self._pace.asked_count
        self._last_image = self._clock()
        return last_piece

    @property
    def _seconds_to_rest(self) -> float:
        return self._last_image + REST_SECONDS - self._clock()

    @property
    def _is_echo(self) -> bool:
        """Whether what is painted now is the answer to a key."""
        return self._clock() < self._last_key + ECHO_SECONDS

    def _asking(self, text: str, *, must_ask: bool = False) -> str:
        """Count a piece, and return it with a question for the terminal behind it if it is time for one."""
        sent_bytes = byte_count(text)
        asks = self._question is not None and (
            self._pace.should_ask(sent_bytes) or (must_ask and self._pace.is_answering)
        )
        self._pace.sent(sent_bytes, asks=asks)
        if not asks:
            return text
        if self._question == SYNC_QUESTION:
            return text + SYNC_QUESTION
        # In the first row, the answer might be Shift and F3.
        return f"{text}\x1b[{self._size[1]};1H{CURSOR_QUESTION}{self._cursor}"

    def _take_painted_calls(self) -> list[Callable[[], object]]:
        """Return the functions to call now: what was new has been written, or never will be."""
        if self._is_painting and (self._has_new_image or self._is_writing_frame):
            return []
        painted_calls, self._painted_calls = self._painted_calls, []
        return painted_calls

    def _seconds_to_wait(self) -> float | None:
        """Return how long nothing can be written if nothing happens; None: for ever."""
        wait_times = [] if (timeout := self._pace.seconds_to_timeout) is None else [timeout]
        if not self._is_painting:
            return min(wait_times, default=None)
        is_waiting = self._text or self._has_new_image or self._is_writing_frame or self._graphics
        if not self._pace.is_answering and is_waiting:
            wait_times.append(UNSENT_PAUSE)
        if self._pace.seconds_to_turn > 0:
            wait_times.append(self._pace.seconds_to_turn)
        if self._may_be_inexact and self._seconds_to_rest > 0:
            wait_times.append(self._seconds_to_rest)
        return min(wait_times, default=None)

    @property
    def _is_writing_frame(self) -> bool:
        return self._image is not None and self._image.is_writing_frame


def _unsent_bytes(file: IO[str]) -> int:
    """Return how many bytes a tty holds that have not been sent; 0 if it does not say, as pseudo-terminals of Linux."""
    with suppress(OSError, ValueError):
        count_bytes = fcntl.ioctl(file.fileno(), termios.TIOCOUTQ, bytes(4))
        return int(struct.unpack("i", count_bytes)[0])
    return 0
