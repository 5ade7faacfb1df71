"""Into how many parts the characters of a terminal divide a cell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

CellShape = Literal["half", "quadrant", "sextant", "octant"]
CELL_SHAPES: tuple[CellShape, ...] = ("half", "quadrant", "sextant", "octant")
"""From the coarsest to the finest."""

_DRAWS_SEXTANTS = re.compile(r"foot|(xterm-)?(ghostty|kitty)|wezterm|contour")
_VERSION_DRAWS_SEXTANTS = re.compile(r"(contour|foot|ghostty|kitty|rio|vte|wezterm)\b", re.IGNORECASE)


def guess_cell_shape(environment: Mapping[str, str]) -> CellShape:
    """Return the finest shape that is safe in the terminal that TERM names.

    Sextants are only taken in terminals that draw them without a font. In tmux and GNU screen TERM says nothing about the
    terminal around them, so half-cells are taken.
    """
    return "sextant" if _DRAWS_SEXTANTS.match(environment.get("TERM", "").lower()) else "half"


def cell_shape_of(terminal_version: str) -> CellShape:
    """Return the finest shape that is safe in a terminal that has said how it calls itself.

    Args:
        terminal_version: the answer to XTVERSION, as `foot(1.16.2)`. Over SSH it knows better than TERM.
    """
    return "sextant" if _VERSION_DRAWS_SEXTANTS.match(terminal_version) else "half"
