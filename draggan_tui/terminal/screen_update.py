"""What is to be painted: text, and rows of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.strip import Strip


def byte_count(text: str) -> int:
    """Return how many bytes the terminal is sent for a text.

    A byte of a file's name that is no UTF-8 is a lone surrogate in the text. Standard error writes it as an escape.
    """
    return len(text.encode(errors="backslashreplace"))


@dataclass(frozen=True)
class TextSpan:
    """A part of a row of the screen.

    Attributes:
        end_column: the column behind it.
        text: what the terminal is sent to show it, from the move of the cursor on.
    """

    row: int
    column: int
    end_column: int
    text: str


@dataclass(frozen=True)
class ImageRow:
    """A part of a row of the screen that shows an image.

    Attributes:
        column: the first one.
    """

    row: int
    column: int
    strip: Strip


@dataclass(frozen=True)
class ScreenUpdate:
    """What has changed on the screen.

    Attributes:
        is_full: nothing that was on the screen before counts any more.
        size: columns and rows of the screen.
        cursor: the sequence that moves the terminal's cursor to its place.
    """

    text_spans: Sequence[TextSpan]
    image_rows: Sequence[ImageRow]
    is_full: bool
    size: tuple[int, int]
    cursor: str
