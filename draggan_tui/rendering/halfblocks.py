"""A picture as terminal cells, and cells as the bytes a terminal takes.

A cell shows two pixels: "▀" in the upper one's colour, on the lower one's. With 16 colours or none it shows one of five
shades. `encode` is the hot path: whole frames at a time, no Python loop over cells.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from draggan_tui.rendering.cells import BOLD, REVERSE, UNDERLINE, UPPER_HALF, Cells
from draggan_tui.rendering.dithering import ColorDepth, luma, nearest_numbers, shade_mixes
from draggan_tui.terminal.xterm_palette import Rgb

RAMP = np.array([ord(char) for char in " ░▒▓█"], dtype=np.uint32)
_SPACE = ord(" ")


def halfblocks(picture: NDArray[np.uint8]) -> Cells:
    """Cells for `uint8 [H, W, 3]`, H even: H/2 rows of W."""
    height, width, _ = picture.shape
    shape = (height // 2, width)
    return Cells(
        np.full(shape, UPPER_HALF, dtype=np.uint32), picture[0::2], picture[1::2], np.zeros(shape, dtype=np.uint8)
    )


def shades(picture: NDArray[np.uint8], ink: Rgb, paper: Rgb) -> Cells:
    """Cells for `uint8 [H, W, 3]`, H even, that need no colour: more ink where the picture is nearer to it.

    Contrast is stretched so that the picture's own range (2nd to 98th percentile) fills the five shades.
    """
    height, width, _ = picture.shape
    cells = Cells.blank(height // 2, width, ink, paper)
    light = luma(picture).reshape(height // 2, 2, width).mean(axis=1)
    low, high = np.percentile(light, (2, 98))
    amount = (light - low) / max(high - low, 1 / 255)
    if luma(np.array(ink)) < luma(np.array(paper)):
        amount = 1 - amount
    cells.char[:] = RAMP[np.clip(amount * len(RAMP), 0, len(RAMP) - 1).astype(np.intp)]
    return cells


def colored_shades(picture: NDArray[np.uint8]) -> Cells:
    """Cells for `uint8 [H, W, 3]`, H even, in the 16 colours: a shade of one on another, in whole cells.

    A terminal's own shades are finer than half-cells, and in so few colours that is worth more than a sharper edge.
    """
    height, width, _ = picture.shape
    mean = picture.reshape(height // 2, 2, width, 3).mean(axis=1).astype(np.uint8)
    dark, light, quarters = shade_mixes(mean)
    return Cells(RAMP[quarters], light, dark, np.zeros(quarters.shape, dtype=np.uint8))


def encode_rows(cells: Cells, depth: ColorDepth) -> list[str]:
    """One string a row, with SGR sequences; each starts from and ends in the terminal's default style.

    What a cell shares with the one before it is not sent again. With "none" no colour is sent at all.
    """
    fg, bg = _color_keys(cells.fg, depth), _color_keys(cells.bg, depth)
    bare = (cells.style & (UNDERLINE | REVERSE)) == 0
    one_color = (cells.char == UPPER_HALF) & (fg == bg) & bare & (depth != "none")
    char = np.where(one_color, _SPACE, cells.char)
    fg = _hold(fg, (char != _SPACE) | ~bare)
    new_style = _changes(cells.style, first=0)
    new_fg = (_changes(fg, first=-1) | new_style) & (fg >= 0)
    new_bg = _changes(bg, first=-1) | new_style
    if depth == "none":
        new_fg[:] = new_bg[:] = False

    parts = [
        _flag(new_style | new_fg | new_bg, b"\x1b["),
        _style_codes()[cells.style] * new_style[..., None],
        _flag(new_style & (new_fg | new_bg), b";"),
        _color_codes(fg, depth, background=False) * new_fg[..., None],
        _flag(new_fg & new_bg, b";"),
        _color_codes(bg, depth, background=True) * new_bg[..., None],
        _flag(new_style | new_fg | new_bg, b"m"),
        _utf8(char),
    ]
    sent = np.concatenate(parts, axis=2)
    sent = sent.reshape(cells.rows, cells.columns * sent.shape[2])
    ends = _flag(np.ones(cells.rows, dtype=np.bool_), b"\x1b[0m\n")
    # Zeros stand for bytes that are not sent; no character of a cell is NUL or a line feed.
    text = np.concatenate([sent, ends], axis=1).tobytes().translate(None, b"\0").decode()
    return text.split("\n")[:-1]


def _color_keys(rgb: NDArray[np.uint8], depth: ColorDepth) -> NDArray[np.int32]:
    """One number a colour: 0xRRGGBB, the palette's index, or 0 where there are none."""
    if depth == "none":
        return np.zeros(rgb.shape[:-1], dtype=np.int32)
    if depth == "truecolor":
        wide = rgb.astype(np.int32)
        return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2])
    return nearest_numbers(rgb, depth).astype(np.int32)


def _hold(keys: NDArray[np.int32], matters: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Keys, each that does not matter replaced by the last before it in its row that does, or −1."""
    last = np.maximum.accumulate(np.where(matters, np.arange(keys.shape[1]), -1), axis=1)
    return np.where(last < 0, -1, np.take_along_axis(keys, np.maximum(last, 0), axis=1))


def _changes(keys: NDArray[np.generic], first: int) -> NDArray[np.bool_]:
    """Where a key differs from the one before it in its row; before the first comes `first`."""
    changed = np.empty(keys.shape, dtype=np.bool_)
    changed[:, :1] = keys[:, :1] != first
    changed[:, 1:] = keys[:, 1:] != keys[:, :-1]
    return changed


def _flag(where: NDArray[np.bool_], code: bytes) -> NDArray[np.uint8]:
    return np.asarray(where[..., None] * np.frombuffer(code, dtype=np.uint8), dtype=np.uint8)


def _byte_table(texts: tuple[str, ...]) -> NDArray[np.uint8]:
    """`uint8 [n, longest]`: each text's bytes, zeros after them."""
    return np.array(texts, dtype="S").view(np.uint8).reshape(len(texts), -1)


@cache
def _style_codes() -> NDArray[np.uint8]:
    names = ((BOLD, ";1"), (UNDERLINE, ";4"), (REVERSE, ";7"))
    return _byte_table(tuple("0" + "".join(code for flag, code in names if style & flag) for style in range(8)))


_NUMBERS = tuple(str(value) for value in range(256))
_SYSTEM_FG = tuple(str(code) for code in (*range(30, 38), *range(90, 98)))
_SYSTEM_BG = tuple(str(code) for code in (*range(40, 48), *range(100, 108)))


def _color_codes(keys: NDArray[np.int32], depth: ColorDepth, background: bool) -> NDArray[np.uint8]:
    """`uint8 [rows, columns, k]`: the SGR parameters of each colour, zeros between them."""
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
    """One table for the palette's indices, or one each for red, green and blue."""
    if depth == "16":
        return (_byte_table(_SYSTEM_BG if background else _SYSTEM_FG),)
    lead = "48" if background else "38"
    if depth == "256":
        return (_byte_table(tuple(f"{lead};5;{number}" for number in _NUMBERS)),)
    red = tuple(f"{lead};2;{number};" for number in _NUMBERS)
    return _byte_table(red), _byte_table(tuple(f"{number};" for number in _NUMBERS)), _byte_table(_NUMBERS)


def _utf8(char: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """`uint8 [rows, columns, 3]`: characters of the basic plane, zeros before the shorter ones."""
    last = np.where(char < 0x80, char, 0x80 | char & 0x3F)
    middle = np.where(char < 0x80, 0, np.where(char < 0x800, 0xC0 | char >> 6, 0x80 | char >> 6 & 0x3F))
    first = np.where(char < 0x800, 0, 0xE0 | char >> 12)
    return np.stack([first, middle, last], axis=2).astype(np.uint8)
