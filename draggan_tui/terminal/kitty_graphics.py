"""The graphics protocol of kitty, with Unicode placeholders: graphics that the terminal shows in the place of text cells.

A graphic is sent once, with a number, and placed virtually: so many columns and rows. It is seen wherever the terminal is
sent placeholder characters whose colour is the graphic's number, and whose two combining characters say which row and
which column of the graphic the cell shows. Such cells are text like any other, so what lies over the graphic, a change of
the terminal's size and tmux need no care. Source: kitty's documentation, "Terminal graphics protocol".
"""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PLACEHOLDER = 0x10EEEE
END_OF_TRANSFER = "\x1b_Gm=0,q=2;\x1b\\"
"""Ends a transfer that is not complete. The terminal throws the graphic away."""
RATE_TEST = 2
"""The number in the answer to `rate_test`; 1 is `SUPPORT_TEST`."""
CHUNK_BYTES = 4096  # of base64 in a sequence, at most
PNG_LEVEL = 3  # of compression: a tenth larger than at level 6, in a third of the time

_DIACRITIC_RANGES = """
    305 30D-30E 310 312 33D-33F 346 34A-34C 350-352 357 35B 363-36F 483-487 592-595 597-599 59C-5A1 5A8-5A9 5AB-5AC 5AF 5C4
    610-617 657-65B 65D-65E 6D6-6DC 6DF-6E2 6E4 6E7-6E8 6EB-6EC 730 732-733 735-736 73A 73D 73F-741 743 745 747 749-74A
    7EB-7F1 7F3 816-819 81B-823 825-827 829-82D 951 953-954 F82-F83 F86-F87 135D-135F 17DD 193A 1A17 1A75-1A7C 1B6B 1B6D-1B73
    1CD0-1CD2 1CDA-1CDB 1CE0 1DC0-1DC1 1DC3-1DC9 1DCB-1DCC 1DD1-1DE6 1DFE 20D0-20D1 20D4-20D7 20DB-20DC 20E1 20E7 20E9 20F0
    2CEF-2CF1 2DE0-2DFF A66F A67C-A67D A6F0-A6F1 A8E0-A8F1 AAB0 AAB2-AAB3 AAB7-AAB8 AABE-AABF AAC1 FE20-FE26 10A0F 10A38
    1D185-1D189 1D1AA-1D1AD 1D242-1D244
"""


def _code_points(ranges: str) -> Iterator[int]:
    for code_range in ranges.split():
        first, _, last = code_range.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


DIACRITICS: NDArray[np.uint32] = np.fromiter(_code_points(_DIACRITIC_RANGES), dtype=np.uint32)
"""The combining characters that stand for the numbers from 0: those of class 230 in Unicode 6.0 that do not decompose."""
MOST_CELLS = 256
"""More rows or columns than that of a graphic are never addressed; there are combining characters for all of them."""
FIRST_NUMBER, LAST_NUMBER = 16, 255
"""Numbers of graphics that every terminal with 256 colours can pass on as a colour; the first 16 have other codes."""


def upload(number: int, pixels: NDArray[np.uint8], columns: int, rows: int) -> list[str]:
    """Return the sequences that send a graphic and place it virtually, each short enough for every terminal.

    The terminal answers with the graphic's number when it has it all. An earlier graphic of the same number is replaced.

    Args:
        pixels: `uint8 [H, W, 3]`. The terminal scales them to the cells.
    """
    png_file = io.BytesIO()
    Image.fromarray(pixels).save(png_file, "PNG", compress_level=PNG_LEVEL)
    transfer = _in_chunks(f"a=t,i={number},f=100,t=d", png_file.getvalue())
    return [*transfer, f"\x1b_Ga=p,U=1,i={number},c={columns},r={rows},q=2\x1b\\"]


def rate_test(byte_count: int) -> list[str]:
    """Return sequences of about so many bytes that ask whether the terminal can show a graphic, without showing it.

    The terminal answers with the number `RATE_TEST` once it has read them all. The pixels are random, so that no
    compression on the way makes the line seem quicker than it is for graphics.
    """
    row_bytes = 3 * 64
    rows = max(1, byte_count * 3 // 4 // row_bytes)
    return _in_chunks(f"a=q,i={RATE_TEST},f=24,t=d,s=64,v={rows}", random.Random(0).randbytes(rows * row_bytes))


def _in_chunks(keys: str, payload: bytes) -> list[str]:
    """Return the sequences that send a payload; only the first one has the keys."""
    encoded = base64.b64encode(payload).decode()
    chunks = [encoded[start : start + CHUNK_BYTES] for start in range(0, len(encoded), CHUNK_BYTES)]
    more_follow = [1] * (len(chunks) - 1) + [0]
    chunk_keys = [f"{keys},", *[""] * (len(chunks) - 1)]
    return [
        f"\x1b_G{first_keys}m={more};{chunk}\x1b\\"
        for first_keys, more, chunk in zip(chunk_keys, more_follow, chunks, strict=True)
    ]


def free(number: int) -> str:
    """Return the sequence that removes a graphic from the terminal, and its data."""
    return f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\"
