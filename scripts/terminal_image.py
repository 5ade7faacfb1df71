"""Draw a terminal's screen, as pyte keeps it, as an image. Block and line characters are drawn to the exact pixel."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import pyte
from PIL import Image, ImageDraw, ImageFont

from draggan_tui.rendering.cell_parts import PARTS, characters

CELL = (8, 16)  # width and height in pixels; both even, for the half blocks
BACKGROUND, FOREGROUND = "101014", "e0e0e0"  # the terminal's default colours

Rectangle = tuple[float, float, float, float]

# Left, top, right and bottom, as fractions of the cell.
_BLOCKS: dict[str, tuple[Rectangle, ...]] = {
    "▀": ((0, 0, 1, 1 / 2),), "▐": ((1 / 2, 0, 1, 1),), "▔": ((0, 0, 1, 1 / 8),), "▕": ((7 / 8, 0, 1, 1),),
    **{character: ((0, 1 - n / 8, 1, 1),) for n, character in enumerate("▁▂▃▄▅▆▇█", 1)},
    **{character: ((0, 0, n / 8, 1),) for n, character in enumerate("▏▎▍▌▋▊▉", 1)},
}  # fmt: skip
for _shape, _parts in PARTS.items():
    _BLOCKS |= {
        chr(code_point): tuple(
            (
                (part % _parts.width) / _parts.width,
                (part // _parts.width) / _parts.height,
                (part % _parts.width + 1) / _parts.width,
                (part // _parts.width + 1) / _parts.height,
            )
            for part in range(_parts.width * _parts.height)
            if pattern >> part & 1
        )
        for pattern, code_point in enumerate(characters(_shape).tolist())
    }
_SHADES = {"░": 1, "▒": 2, "▓": 3}  # how many quarters of the cell's pixels have the foreground colour
# The arms of a line character from the middle of its cell: left, right, up, down. Capitals are heavy.
_LINES = {
    "─": "lr", "│": "ud", "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu", "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu",
    "├": "rud", "┤": "lud", "┬": "lrd", "┴": "lru", "┼": "lrud", "━": "LR", "╸": "L", "╺": "R", "┃": "UD",
}  # fmt: skip


def draw_screen(screen: pyte.Screen) -> Image.Image:
    """Return the whole screen as an RGB image, without the cursor."""
    width, height = CELL
    image = Image.new("RGB", (screen.columns * width, screen.lines * height), f"#{BACKGROUND}")
    for row in range(screen.lines):
        line: Mapping[int, pyte.screens.Char] = screen.buffer[row]
        for column in range(screen.columns):
            cell = line[column]
            foreground = FOREGROUND if cell.fg == "default" else cell.fg
            background = BACKGROUND if cell.bg == "default" else cell.bg
            if cell.reverse:
                foreground, background = background, foreground
            if cell.data:  # the second half of a wide character has no data
                tile = _draw_cell(cell.data, foreground, background, cell.bold)
                image.paste(tile, (column * width, row * height))
    return image


@lru_cache(maxsize=20_000)
def _draw_cell(character: str, foreground: str, background: str, bold: bool) -> Image.Image:
    """Return the image of one cell. Colours are `rrggbb`."""
    width, height = CELL
    tile = Image.new("RGB", CELL, f"#{background}")
    pen = ImageDraw.Draw(tile)
    for left, top, right, bottom in _BLOCKS.get(character, ()):
        box = (round(left * width), round(top * height), round(right * width) - 1, round(bottom * height) - 1)
        pen.rectangle(box, f"#{foreground}")
    if character in _SHADES:
        darkness = _SHADES[character]
        pen.point([(x, y) for x in range(width) for y in range(height) if _rank(x, y) < darkness], f"#{foreground}")
    for direction in _LINES.get(character, ""):
        pen.rectangle(_line_arm(direction), f"#{foreground}")
    if character not in _BLOCKS and character not in _LINES and character not in _SHADES and character != " ":
        pen.text((0, height * 0.78), character, f"#{foreground}", _font(bold), anchor="ls")
    return tile


def _rank(x: int, y: int) -> int:
    """Return when a pixel is filled as a shade grows darker, 0 to 3, in a pattern of 2×2 pixels."""
    return ((0, 2), (3, 1))[y % 2][x % 2]


def _line_arm(direction: str) -> tuple[int, int, int, int]:
    """Return the rectangle of one arm of a line character, in pixels of the cell."""
    width, height = CELL
    x, y, extra = width // 2, height // 2, 1 if direction.isupper() else 0
    ends = {"l": (0, y), "r": (width, y), "u": (x, 0), "d": (x, height)}
    (left, right), (top, bottom) = (sorted(pair) for pair in zip((x, y), ends[direction.lower()], strict=True))
    return (left, top, right + extra * (direction in "UD"), bottom + extra * (direction in "LR"))


@lru_cache
def _font(bold: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return DejaVu Sans Mono if it is installed, in a size as wide as a cell, otherwise Pillow's own font."""
    try:
        return ImageFont.truetype(f"DejaVuSansMono{'-Bold' if bold else ''}.ttf", CELL[0] / 0.602)
    except OSError:
        return ImageFont.load_default(CELL[0] / 0.602)
