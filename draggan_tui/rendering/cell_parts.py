"""The parts of a cell, and the characters that fill some of them."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from draggan_engine.core.geometry import Size
from draggan_tui.terminal.cell_shape import CellShape

PARTS: dict[CellShape, Size] = {
    "half": Size(1, 2),
    "quadrant": Size(2, 2),
    "sextant": Size(2, 3),
    "octant": Size(2, 4),
}
"""How many parts a cell has beside and below each other."""

_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
_FIRST_SEXTANT, _FIRST_OCTANT = 0x1FB00, 0x1CD00
# The octants that are older characters, beside those that are quadrants: quarters of a cell and of its halves.
_OLDER_OCTANTS = {
    0b00000001: 0x1CEA8,
    0b00000010: 0x1CEAB,
    0b01000000: 0x1CEA3,
    0b10000000: 0x1CEA0,
    0b00010100: 0x1FBE6,
    0b00101000: 0x1FBE7,
    0b00000011: 0x1FB82,
    0b00111111: 0x1FB85,
    0b11000000: ord("▂"),
    0b11111100: ord("▆"),
}


@cache
def characters(shape: CellShape) -> NDArray[np.uint32]:
    """Return the code point of each pattern, `uint32 [2^parts]`.

    Bit 0 of a pattern is the upper left part, bit 1 the one right of it, and so on, row by row. Unicode has the block
    sextants and the block octants in the order of the patterns, without those for which there were characters before.
    """
    if shape == "half":
        return _code_points(" ▀▄█")
    quadrants = _code_points(_QUADRANTS)
    if shape == "quadrant":
        return quadrants
    part_rows = PARTS[shape].height
    patterns = np.arange(1 << 2 * part_rows)
    known_patterns = {0: ord(" "), len(patterns) - 1: ord("█")}
    if shape == "sextant":
        known_patterns |= {0b010101: ord("▌"), 0b101010: ord("▐")}
        first_character = _FIRST_SEXTANT
    else:
        known_patterns |= {_doubled_rows(pattern): int(quadrants[pattern]) for pattern in range(len(quadrants))}
        known_patterns |= _OLDER_OCTANTS
        first_character = _FIRST_OCTANT
    table = np.zeros(len(patterns), dtype=np.uint32)
    is_new = ~np.isin(patterns, list(known_patterns))
    table[is_new] = first_character + np.arange(is_new.sum())
    table[list(known_patterns)] = list(known_patterns.values())
    return table


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.array([ord(character) for character in text], dtype=np.uint32)


def _doubled_rows(quadrant_pattern: int) -> int:
    """Return the pattern of octants that looks like a pattern of quadrants."""
    upper, lower = quadrant_pattern & 3, quadrant_pattern >> 2
    return upper | upper << 2 | lower << 4 | lower << 6
