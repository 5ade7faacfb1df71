"""Cells as the bytes that a terminal takes. This is the hot path: whole frames at a time, without a Python loop over cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from draggan_tui.rendering.cells import BOLD, REVERSE, UNDERLINE, UPPER_HALF, VISIBLE_STYLES, Cells
from draggan_tui.rendering.dithering import ColorDepth, nearest_numbers
from draggan_tui.terminal.kitty_graphics import DIACRITICS, PLACEHOLDER

_SPACE_CODE = ord(" ")
_GRAPHIC_KEY = 1 << 24  # is added to the number of a graphic, whose key as a colour must be no colour's
LONGEST_RUN = 32  # cells; encoded, they have less than 2000 bytes


@dataclass(frozen=True)
class EncodedCells:
    """Some cells of one row as a text that begins by moving the cursor to the first of them.

    Attributes:
        row: on the screen.
        columns: `int [n]`, ascending.
    """

    row: int
    columns: NDArray[np.intp]
    text: str


def encode_changes(cells: Cells, is_changed: NDArray[np.bool_], depth: ColorDepth) -> list[EncodedCells]:
    """Return the cells that have changed, in the order of rows and columns, in texts of at most `LONGEST_RUN` cells.

    Cells that have not changed are skipped by a move of the cursor.

    Args:
        cells: the whole screen.
        is_changed: `bool [rows, columns]`.
    """
    rows, columns = np.nonzero(is_changed)
    if not len(rows):
        return []
    row_counts = np.bincount(rows)
    place_in_row = np.arange(len(rows)) - np.repeat(np.cumsum(row_counts) - row_counts, row_counts)
    run_place = place_in_row % LONGEST_RUN
    run_index = np.cumsum(run_place == 0) - 1
    run_starts = np.flatnonzero(run_place == 0)
    run_lengths = np.diff(run_starts, append=len(rows))
    # One row for each run; the last cell of a run stands in the places behind it, which are not sent.
    places = np.minimum(run_starts[:, None] + np.arange(run_lengths.max()), (run_starts + run_lengths - 1)[:, None])
    is_sent = np.arange(places.shape[1]) < run_lengths[:, None]
    skipped_columns = np.zeros(places.shape, dtype=np.intp)
    skipped_columns[run_index, run_place] = np.diff(columns, prepend=-1) - 1
    skipped_columns[:, 0] = 0
    run_texts = _encode(cells.take(rows[places], columns[places]), depth, skipped_columns, is_sent)
    return [
        EncodedCells(row, columns[start : start + length], f"\x1b[{row + 1};{column + 1}H{run_text}")
        for row, column, start, length, run_text in zip(
            rows[run_starts].tolist(),
            columns[run_starts].tolist(),
            run_starts.tolist(),
            run_lengths.tolist(),
            run_texts,
            strict=True,
        )
    ]


def encode_rows(cells: Cells, depth: ColorDepth) -> list[str]:
    """Return one string for each row, with SGR sequences. Each starts from and ends in the terminal's default style.

    What a cell shares with the one before it is not sent again. If the depth is "none", no colour is sent at all.
    """
    shape = cells.char.shape
    return _encode(cells, depth, np.zeros(shape, dtype=np.intp), np.ones(shape, dtype=np.bool_))


def _encode(
    cells: Cells, depth: ColorDepth, skipped_columns: NDArray[np.intp], is_sent: NDArray[np.bool_]
) -> list[str]:
    """Return one string for each row.

    Args:
        skipped_columns: `int [rows, columns]`, by how many columns the cursor moves to the right before each cell.
        is_sent: `bool [rows, columns]`; what is not sent is at the end of a row.
    """
    fg, bg = _color_keys(cells.fg, depth), _color_keys(cells.bg, depth)
    style, chars = cells.style & VISIBLE_STYLES, cells.char
    graphics = cells.graphics
    shows_graphic = (graphics[..., 0] > 0) & (depth != "none")
    has_graphics = bool(shows_graphic.any())
    if has_graphics:
        fg, bg = np.where(shows_graphic, _GRAPHIC_KEY + graphics[..., 0].astype(np.int32), fg), bg * ~shows_graphic
        style, chars = np.where(shows_graphic, 0, style), np.where(shows_graphic, PLACEHOLDER, chars)
    is_undecorated = (style & (UNDERLINE | REVERSE)) == 0
    one_color = (chars == UPPER_HALF) & (fg == bg) & is_undecorated & (depth != "none")
    code_points = np.where(one_color, _SPACE_CODE, chars)
    fg = _carry_forward(fg, (code_points != _SPACE_CODE) | ~is_undecorated)
    new_style = _changes(style, first_key=0)
    new_fg = (_changes(fg, first_key=-1) | new_style) & (fg >= 0)
    new_bg = _changes(bg, first_key=-1) | new_style
    if depth == "none":
        new_fg[:] = new_bg[:] = False

    byte_parts = [
        _move_codes(skipped_columns),
        _code_where(new_style | new_fg | new_bg, b"\x1b["),
        _style_codes()[style] * new_style[..., None],
        _code_where(new_style & (new_fg | new_bg), b";"),
        _color_codes(fg, depth, background=False) * new_fg[..., None],
        _code_where(new_fg & new_bg, b";"),
        _color_codes(bg, depth, background=True) * new_bg[..., None],
        _code_where(new_style | new_fg | new_bg, b"m"),
        _utf8(code_points),
    ]
    if has_graphics:
        byte_parts += [_utf8(np.where(shows_graphic, DIACRITICS[graphics[..., axis]], 0)) for axis in (1, 2)]
    row_bytes = np.concatenate(byte_parts, axis=2) * is_sent[..., None]
    row_bytes = row_bytes.reshape(cells.rows, cells.columns * row_bytes.shape[2])
    row_ends = _code_where(np.ones(cells.rows, dtype=np.bool_), b"\x1b[0m\n")
    # Zeros stand for bytes that are not sent. No cell contains NUL or a line feed.
    row_text = np.concatenate([row_bytes, row_ends], axis=1).tobytes().translate(None, b"\0").decode()
    return row_text.split("\n")[:-1]


def _color_keys(rgb: NDArray[np.uint8], depth: ColorDepth) -> NDArray[np.int32]:
    """Return one number for each colour: 0xRRGGBB, its number in the palette, or 0 if there are no colours."""
    if depth == "none":
        return np.zeros(rgb.shape[:-1], dtype=np.int32)
    if depth == "truecolor":
        wide_rgb = rgb.astype(np.int32)
        return np.asarray(wide_rgb[..., 0] << 16 | wide_rgb[..., 1] << 8 | wide_rgb[..., 2])
    return nearest_numbers(rgb, depth).astype(np.int32)


def _carry_forward(cell_keys: NDArray[np.int32], key_matters: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Replace each key that does not matter by the last one before it in its row that does, or by −1."""
    last_column = np.maximum.accumulate(np.where(key_matters, np.arange(cell_keys.shape[1]), -1), axis=1)
    return np.where(last_column < 0, -1, np.take_along_axis(cell_keys, np.maximum(last_column, 0), axis=1))


def _changes(cell_keys: NDArray[np.generic], first_key: int) -> NDArray[np.bool_]:
    """Return where a key differs from the one before it in its row. The key before the first one is `first_key`."""
    has_changed = np.empty(cell_keys.shape, dtype=np.bool_)
    has_changed[:, :1] = cell_keys[:, :1] != first_key
    has_changed[:, 1:] = cell_keys[:, 1:] != cell_keys[:, :-1]
    return has_changed


def _code_where(is_sent: NDArray[np.bool_], sgr_code: bytes) -> NDArray[np.uint8]:
    """Return `uint8 [rows, columns, k]`: a code where it is sent, zeros elsewhere."""
    return np.asarray(is_sent[..., None] * np.frombuffer(sgr_code, dtype=np.uint8), dtype=np.uint8)


def _byte_table(table_texts: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return `uint8 [n, longest]`: the bytes of each text, then zeros."""
    return np.array(table_texts, dtype="S").view(np.uint8).reshape(len(table_texts), -1)


def _move_codes(skipped_columns: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Return `uint8 [rows, columns, k]`: moves of the cursor to the right, nothing for 0 columns."""
    most_skipped = int(skipped_columns.max(initial=0))
    return _byte_table(("", *(f"\x1b[{count}C" for count in range(1, most_skipped + 1))))[skipped_columns]


@cache
def _style_codes() -> NDArray[np.uint8]:
    style_codes = ((BOLD, ";1"), (UNDERLINE, ";4"), (REVERSE, ";7"))
    return _byte_table(
        tuple(
            "0" + "".join(style_code for style_flag, style_code in style_codes if style & style_flag)
            for style in range(8)
        )
    )


_BYTE_TEXTS = tuple(str(value) for value in range(256))
_SYSTEM_FG = tuple(str(code) for code in (*range(30, 38), *range(90, 98)))
_SYSTEM_BG = tuple(str(code) for code in (*range(40, 48), *range(100, 108)))


def _color_codes(cell_keys: NDArray[np.int32], depth: ColorDepth, background: bool) -> NDArray[np.uint8]:
    """Return `uint8 [rows, columns, k]`: the SGR parameters of each colour, with zeros between them."""
    if depth == "none":
        return np.zeros((*cell_keys.shape, 0), dtype=np.uint8)
    is_graphic = cell_keys > _GRAPHIC_KEY
    if not is_graphic.any():
        return _rgb_or_palette_codes(np.maximum(cell_keys, 0), depth, background)
    color_codes = _rgb_or_palette_codes(np.where(is_graphic, 0, np.maximum(cell_keys, 0)), depth, background)
    (numbered_codes,) = _color_tables("256", background)
    return np.concatenate(
        [
            color_codes * ~is_graphic[..., None],
            numbered_codes[np.where(is_graphic, cell_keys - _GRAPHIC_KEY, 0)] * is_graphic[..., None],
        ],
        axis=2,
    )


def _rgb_or_palette_codes(cell_keys: NDArray[np.int32], depth: ColorDepth, background: bool) -> NDArray[np.uint8]:
    color_tables = _color_tables(depth, background)
    if len(color_tables) == 1:
        return color_tables[0][cell_keys]
    red_codes, green_codes, blue_codes = color_tables
    return np.concatenate(
        [red_codes[cell_keys >> 16], green_codes[cell_keys >> 8 & 255], blue_codes[cell_keys & 255]], axis=2
    )


@cache
def _color_tables(depth: ColorDepth, background: bool) -> tuple[NDArray[np.uint8], ...]:
    """Return one table for the palette's numbers, or one each for red, green and blue."""
    if depth == "16":
        return (_byte_table(_SYSTEM_BG if background else _SYSTEM_FG),)
    sgr_prefix = "48" if background else "38"
    if depth == "256":
        return (_byte_table(tuple(f"{sgr_prefix};5;{byte_text}" for byte_text in _BYTE_TEXTS)),)
    red_codes = tuple(f"{sgr_prefix};2;{byte_text};" for byte_text in _BYTE_TEXTS)
    return (
        _byte_table(red_codes),
        _byte_table(tuple(f"{byte_text};" for byte_text in _BYTE_TEXTS)),
        _byte_table(_BYTE_TEXTS),
    )


def _utf8(code_points: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return `uint8 [rows, columns, 3 or 4]`: the UTF-8 of characters, zeros before the shorter ones."""
    last_byte = np.where(code_points < 0x80, code_points, 0x80 | code_points & 0x3F)
    third_byte = np.where(
        code_points < 0x80, 0, np.where(code_points < 0x800, 0xC0 | code_points >> 6, 0x80 | code_points >> 6 & 0x3F)
    )
    second_byte = np.where(
        code_points < 0x800,
        0,
        np.where(code_points < 0x10000, 0xE0 | code_points >> 12, 0x80 | code_points >> 12 & 0x3F),
    )
    utf8_bytes = [second_byte, third_byte, last_byte]
    if code_points.max(initial=0) >= 0x10000:
        utf8_bytes.insert(0, np.where(code_points < 0x10000, 0, 0xF0 | code_points >> 18))
    return np.stack(utf8_bytes, axis=2).astype(np.uint8)
