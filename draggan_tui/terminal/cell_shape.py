"""Into how many parts the characters of a terminal divide a cell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

CellShape = Literal["half", "quadrant", "sextant", "octant"]
CELL_SHAPES: tuple[CellShape, ...] = ("half", "quadrant", "sextant", "octant")
"""From the coarsest to the finest."""

_DRAWS_SEXTANTS = re.compile(r"foot|(xterm-)?(ghostty|kitty)|wezterm|contour")


def guess_cell_shape(environment: Mapping[str, str]) -> CellShape:
    """Return the finest shape that is safe in the terminal that TERM names.

    Sextants are only taken in terminals that draw them without a font. In tmux and GNU screen TERM says nothing about the
    terminal around them, so half-cells are taken.
    """
    return "sextant" if _DRAWS_SEXTANTS.match(environment.get("TERM", "").lower()) else "half"
