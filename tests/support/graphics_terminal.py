"""A terminal that takes kitty's graphics protocol with Unicode placeholders, answers it, and can be looked at."""

from __future__ import annotations

import base64
import fcntl
import io
import re
import struct
import termios
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from draggan_tui.terminal.kitty_graphics import DIACRITICS, PLACEHOLDER
from draggan_tui.terminal.xterm_palette import xterm_colors
from tests.support.terminal import Terminal, complete_length

Pixels = NDArray[np.uint8]

_COMMAND = re.compile(rb"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\")
_NUMBER_OF_DIACRITIC = {chr(code): number for number, code in enumerate(DIACRITICS.tolist())}
LONGEST_PAYLOAD = 4096


@dataclass
class GraphicsParser:
    """What the commands of the protocol leave in a terminal.

    Attributes:
        graphics: by number, `uint8 [H, W, 3]`.
        cells: columns and rows of the virtual placements, by number of their graphic.
        answers: what the terminal answers to the commands since somebody has last taken it.
        payload_bytes: of all commands.
    """

    graphics: dict[int, Pixels] = field(default_factory=dict)
    cells: dict[int, tuple[int, int]] = field(default_factory=dict)
    answers: str = ""
    payload_bytes: int = 0
    _keys: dict[str, str] = field(default_factory=dict)
    _payload: bytes = b""

    def take(self, keys_text: str, payload: bytes) -> None:
        """Carries out one command."""
        assert len(payload) <= LONGEST_PAYLOAD, "the protocol allows no longer pieces"
        self.payload_bytes += len(payload)
        keys = dict(key.split("=", 1) for key in keys_text.split(","))
        if self._keys:  # a transfer goes on
            assert set(keys) <= {"m", "q"}, "nothing else may come before a transfer is complete"
        else:
            self._keys, self._payload = keys, b""
        self._payload += payload
        if keys.get("m", "0") == "0":
            complete_keys, self._keys = self._keys, {}
            self._carry_out(complete_keys, base64.b64decode(self._payload, validate=True))

    def _carry_out(self, keys: dict[str, str], data: bytes) -> None:
        number = int(keys.get("i", "0"))
        match keys["a"]:
            case "q":
                _pixels(keys, data)
                self._answer(number, keys)
            case "t":
                self.cells.pop(number, None)
                self.graphics[number] = _pixels(keys, data)
                self._answer(number, keys)
            case "p":
                assert keys["U"] == "1" and number in self.graphics
                self.cells[number] = int(keys["c"]), int(keys["r"])
                self._answer(number, keys)
            case "d":
                assert keys["d"] == "I", "other graphics than the program's own must stay"
                self.graphics.pop(number, None)
                self.cells.pop(number, None)

    def _answer(self, number: int, keys: dict[str, str]) -> None:
        if keys.get("q", "0") == "0":
            self.answers += f"\x1b_Gi={number};OK\x1b\\"


def _pixels(keys: dict[str, str], data: bytes) -> Pixels:
    if keys["f"] == "100":
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert keys["f"] == "24"
    data = zlib.decompress(data) if keys.get("o") == "z" else data
    return np.frombuffer(data, dtype=np.uint8).reshape(int(keys["v"]), int(keys["s"]), 3)


class GraphicsTerminal(Terminal):
    """`Terminal` that shows graphics.

    Args:
        cell_pixels: width and height of a cell.
        version: how it calls itself.
        takes_graphics: whether it knows the protocol.
    """

    def __init__(
        self,
        *arguments: str,
        directory: Path,
        size: tuple[int, int] = (80, 24),
        cell_pixels: tuple[int, int] = (8, 16),
        version: str = "kitty(0.35.1)",
        takes_graphics: bool = True,
        **options: object,
    ) -> None:
        self.graphics = GraphicsParser()
        self.version, self._takes_graphics, self._cell_pixels = version, takes_graphics, cell_pixels
        self._answered = 0
        super().__init__(*arguments, directory=directory, size=size, **options)  # type: ignore[arg-type]
        self.resize(*size)

    def resize(self, columns: int, rows: int) -> None:
        super().resize(columns, rows)
        width, height = self._cell_pixels
        _set_pixels(self._our_end, columns, rows, width * columns, height * rows)

    def read(self, patience: float) -> None:
        super().read(patience)
        self._answer_questions()

    def _answer_questions(self) -> None:
        """Carries out and answers what has come since the last call, in order."""
        output = bytes(self.raw[self._answered :])
        complete = output[: complete_length(output)]
        self._answered += len(complete)
        for match in re.finditer(_COMMAND.pattern + rb"|\x1b\[>q|\x1b\[c", complete):
            if match[0] == b"\x1b[>q":
                self.graphics.answers += f"\x1bP>|{self.version}\x1b\\" if self.version else ""
            elif match[0] == b"\x1b[c":
                self.graphics.answers += "\x1b[?62;22;52c"
            elif self._takes_graphics:
                self.graphics.take(match[1].decode(), match[2] or b"")
        answers, self.graphics.answers = self.graphics.answers, ""
        if answers and self.status is None:
            self.send(answers)

    def shown_numbers(self) -> set[int]:
        """The numbers of the graphics that the screen shows."""
        self.read(0)
        cells = (cell for row in self._parse().buffer.values() for cell in row.values())
        return {NUMBER_OF_COLOR[cell.fg] for cell in cells if cell.data.startswith(chr(PLACEHOLDER))}

    def shown(self) -> Pixels:
        """What the placeholders on the screen show, `uint8 [rows · height, columns · width, 3]`; zero elsewhere."""
        self.read(0)
        screen = self._parse()
        width, height = self._cell_pixels
        shown = np.zeros((screen.lines * height, screen.columns * width, 3), dtype=np.uint8)
        scaled: dict[int, Pixels] = {}
        for row in range(screen.lines):
            for column in range(screen.columns):
                cell = screen.buffer[row][column]
                if not cell.data.startswith(chr(PLACEHOLDER)):
                    continue
                _, row_mark, column_mark = cell.data
                number = NUMBER_OF_COLOR[cell.fg]
                columns, rows = self.graphics.cells[number]
                if number not in scaled:
                    scaled[number] = np.asarray(
                        Image.fromarray(self.graphics.graphics[number]).resize((columns * width, rows * height))
                    )
                y, x = _NUMBER_OF_DIACRITIC[row_mark] * height, _NUMBER_OF_DIACRITIC[column_mark] * width
                shown[row * height : (row + 1) * height, column * width : (column + 1) * width] = scaled[number][
                    y : y + height, x : x + width
                ]
        return shown


NUMBER_OF_COLOR = {bytes(rgb).hex(): number for number, rgb in enumerate(xterm_colors()) if number >= 16}


def _set_pixels(file_number: int, columns: int, rows: int, width: int, height: int) -> None:
    fcntl.ioctl(file_number, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))
