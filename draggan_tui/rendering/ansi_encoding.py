"""Cells as the bytes that a terminal takes. This is the hot path: whole frames at a time, without a Python loop over cells."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from draggan_tui.rendering.cells import BOLD, REVERSE, UNDERLINE, UPPER_HALF, Cells
from draggan_tui.rendering.dithering import ColorDepth, nearest_numbers

_SPACE = ord(" ")


def encode_rows(cells: Cells, depth: ColorDepth) -> list[str]:
    """Return one string for each row, with SGR sequences. Each starts from and ends in the terminal's default style.

    What a cell shares with the one before it is not sent again. If the depth is "none", no colour is sent at all.
    """
    fg, bg = _color_keys(cells.fg, depth), _color_keys(cells.bg, depth)
    undecorated = (cells.style & (UNDERLINE | REVERSE)) == 0
    one_color = (cells.char == UPPER_HALF) & (fg == bg) & undecorated & (depth != "none")
    char = np.where(one_color, _SPACE, cells.char)
    fg = _carry_forward(fg, (char != _SPACE) | ~undecorated)
    new_style = _changes(cells.style, first=0)
    new_fg = (_changes(fg, first=-1) | new_style) & (fg >= 0)
    new_bg = _changes(bg, first=-1) | new_style
    if depth == "none":
        new_fg[:] = new_bg[:] = False

    parts = [
        _code_where(new_style | new_fg | new_bg, b"\x1b["),
        _style_codes()[cells.style] * new_style[..., None],
        _code_where(new_style & (new_fg | new_bg), b";"),
        _color_codes(fg, depth, background=False) * new_fg[..., None],
        _code_where(new_fg & new_bg, b";"),
        _color_codes(bg, depth, background=True) * new_bg[..., None],
        _code_where(new_style | new_fg | new_bg, b"m"),
        _utf8(char),
    ]
    row_bytes = np.concatenate(parts, axis=2)
    row_bytes = row_bytes.reshape(cells.rows, cells.columns * row_bytes.shape[2])
    row_ends = _code_where(np.ones(cells.rows, dtype=np.bool_), b"\x1b[0m\n")
    # Zeros stand for bytes that are not sent. No cell contains NUL or a line feed.
    text = np.concatenate([row_bytes, row_ends], axis=1).tobytes().translate(None, b"\0").decode()
    return text.split("\n")[:-1]


def _color_keys(rgb: NDArray[np.uint8], depth: ColorDepth) -> NDArray[np.int32]:
    """Return one number for each colour: 0xRRGGBB, its number in the palette, or 0 if there are no colours."""
    if depth == "none":
        return np.zeros(rgb.shape[:-1], dtype=np.int32)
    if depth == "truecolor":
        wide = rgb.astype(np.int32)
        return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2])
    return nearest_numbers(rgb, depth).astype(np.int32)


def _carry_forward(keys: NDArray[np.int32], matters: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Replace each key that does not matter by the last one before it in its row that does, or by −1."""
    last = np.maximum.accumulate(np.where(matters, np.arange(keys.shape[1]), -1), axis=1)
    return np.where(last < 0, -1, np.take_along_axis(keys, np.maximum(last, 0), axis=1))


def _changes(keys: NDArray[np.generic], first: int) -> NDArray[np.bool_]:
    """Return where a key differs from the one before it in its row. The key before the first one is `first`."""
    changed = np.empty(keys.shape, dtype=np.bool_)
    changed[:, :1] = keys[:, :1] != first
    changed[:, 1:] = keys[:, 1:] != keys[:, :-1]
    return changed


def _code_where(where: NDArray[np.bool_], code: bytes) -> NDArray[np.uint8]:
    """Return `uint8 [rows, columns, k]`: a code where it is sent, zeros elsewhere."""
    return np.asarray(where[..., None] * np.frombuffer(code, dtype=np.uint8), dtype=np.uint8)


def _byte_table(texts: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return `uint8 [n, longest]`: the bytes of each text, then zeros."""
    return np.array(texts, dtype="S").view(np.uint8).reshape(len(texts), -1)


@cache
def _style_codes() -> NDArray[np.uint8]:
    style_codes = ((BOLD, ";1"), (UNDERLINE, ";4"), (REVERSE, ";7"))
    return _byte_table(tuple("0" + "".join(code for flag, code in style_codes if style & flag) for style in range(8)))


_NUMBERS = tuple(str(value) for value in range(256))
_SYSTEM_FG = tuple(str(code) for code in (*range(30, 38), *range(90, 98)))
_SYSTEM_BG = tuple(str(code) for code in (*range(40, 48), *range(100, 108)))


def _color_codes(keys: NDArray[np.int32], depth: ColorDepth, background: bool) -> NDArray[np.uint8]:
    """Return `uint8 [rows, columns, k]`: the SGR parameters of each colour, with zeros between them."""
    if depth == "none":
        return np.zeros((*keys.shape, 0), dtype=np.uint8)
    keys = np.maximum(keys, 0)
    tables = _color_tables(depth, background)
    if len(tables) == 1:
        return tables[0][keys]
    red, green, blue = tables
    return np.concatenate([red[keys >> 16], green[keys >> 8 & 255], blue[keys & 255]], axis=2)


@cache
def _color_tables(depth: ColorDepth, background: bool) -> tuple[NDArray[np.uint8], ...]:
    """Return one table for the palette's numbers, or one each for red, green and blue."""
    if depth == "16":
        return (_byte_table(_SYSTEM_BG if background else _SYSTEM_FG),)
    prefix = "48" if background else "38"
    if depth == "256":
        return (_byte_table(tuple(f"{prefix};5;{number}" for number in _NUMBERS)),)
    red = tuple(f"{prefix};2;{number};" for number in _NUMBERS)
    return _byte_table(red), _byte_table(tuple(f"{number};" for number in _NUMBERS)), _byte_table(_NUMBERS)


def _utf8(char: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return `uint8 [rows, columns, 3]`: the UTF-8 of characters of the basic plane, zeros before the shorter ones."""
    last = np.where(char < 0x80, char, 0x80 | char & 0x3F)
    middle = np.where(char < 0x80, 0, np.where(char < 0x800, 0xC0 | char >> 6, 0x80 | char >> 6 & 0x3F))
    first = np.where(char < 0x800, 0, 0xE0 | char >> 12)
    return np.stack([first, middle, last], axis=2).astype(np.uint8)
