"""A terminal's screen, as pyte keeps it, drawn as a picture: cells of one size, blocks and lines to the pixel."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import pyte
from PIL import Image, ImageDraw, ImageFont

CELL = (8, 16)  # pixels; both even, for the half blocks
PAPER, INK = "101014", "e0e0e0"  # what the terminal itself would take

Rectangle = tuple[float, float, float, float]

# Left, top, right and bottom, in parts of the cell.
_BLOCKS: dict[str, tuple[Rectangle, ...]] = {
    "▀": ((0, 0, 1, 1 / 2),), "▐": ((1 / 2, 0, 1, 1),), "▔": ((0, 0, 1, 1 / 8),), "▕": ((7 / 8, 0, 1, 1),),
    **{sign: ((0, 1 - n / 8, 1, 1),) for n, sign in enumerate("▁▂▃▄▅▆▇█", 1)},
    **{sign: ((0, 0, n / 8, 1),) for n, sign in enumerate("▏▎▍▌▋▊▉", 1)},
}  # fmt: skip
_QUARTERS = ((0, 0, 0.5, 0.5), (0.5, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1))
_BLOCKS |= {
    sign: tuple(_QUARTERS[i] for i in quarters)
    for sign, quarters in {
        "▘": (0,), "▝": (1,), "▖": (2,), "▗": (3,), "▚": (0, 3), "▞": (1, 2),
        "▛": (0, 1, 2), "▜": (0, 1, 3), "▙": (0, 2, 3), "▟": (1, 2, 3),
    }.items()
}  # fmt: skip
_SHADES = {"░": 1, "▒": 2, "▓": 3}  # quarters of the cell's pixels that are inked
# Which ways a line goes from the middle of its cell: left, right, up, down; capitals are heavy.
_LINES = {
    "─": "lr", "│": "ud", "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu", "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu",
    "├": "rud", "┤": "lud", "┬": "lrd", "┴": "lru", "┼": "lrud", "━": "LR", "╸": "L", "╺": "R", "┃": "UD",
}  # fmt: skip


def draw(screen: pyte.Screen) -> Image.Image:
    """The whole screen, RGB, without a cursor."""
    width, height = CELL
    picture = Image.new("RGB", (screen.columns * width, screen.lines * height), f"#{PAPER}")
    for row in range(screen.lines):
        line: Mapping[int, pyte.screens.Char] = screen.buffer[row]
        for column in range(screen.columns):
            cell = line[column]
            ink, paper = (PAPER if c == "default" else c for c in (cell.fg, cell.bg))
            ink = INK if cell.fg == "default" else ink
            if cell.reverse:
                ink, paper = paper, ink
            if cell.data:  # the second half of a wide sign has none
                picture.paste(_tile(cell.data, ink, paper, cell.bold), (column * width, row * height))
    return picture


@lru_cache(maxsize=20_000)
def _tile(sign: str, ink: str, paper: str, bold: bool) -> Image.Image:
    """One cell; colours as rrggbb."""
    width, height = CELL
    tile = Image.new("RGB", CELL, f"#{paper}")
    pen = ImageDraw.Draw(tile)
    for left, top, right, bottom in _BLOCKS.get(sign, ()):
        box = (round(left * width), round(top * height), round(right * width) - 1, round(bottom * height) - 1)
        pen.rectangle(box, f"#{ink}")
    if sign in _SHADES:
        pen.point([(x, y) for x in range(width) for y in range(height) if _rank(x, y) < _SHADES[sign]], f"#{ink}")
    for way in _LINES.get(sign, ""):
        pen.rectangle(_arm(way), f"#{ink}")
    if sign not in _BLOCKS and sign not in _LINES and sign not in _SHADES and sign != " ":
        pen.text((0, height * 0.78), sign, f"#{ink}", _font(bold), anchor="ls")
    return tile


def _rank(x: int, y: int) -> int:
    """When a pixel is inked as a shade grows darker, 0 … 3: a pattern of 2×2."""
    return ((0, 2), (3, 1))[y % 2][x % 2]


def _arm(way: str) -> tuple[int, int, int, int]:
    width, height = CELL
    x, y, thick = width // 2, height // 2, 1 if way.isupper() else 0
    ends = {"l": (0, y), "r": (width, y), "u": (x, 0), "d": (x, height)}
    (left, right), (top, bottom) = (sorted(pair) for pair in zip((x, y), ends[way.lower()], strict=True))
    return (left, top, right + thick * (way in "UD"), bottom + thick * (way in "LR"))


@lru_cache
def _font(bold: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans Mono where it is installed, at a size whose signs are as wide as a cell; else Pillow's own."""
    try:
        return ImageFont.truetype(f"DejaVuSansMono{'-Bold' if bold else ''}.ttf", CELL[0] / 0.602)
    except OSError:
        return ImageFont.load_default(CELL[0] / 0.602)
