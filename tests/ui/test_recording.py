"""The recorder: a screen's cells to the pixel, and the looks at it as the frames of a GIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyte
import pytest
from PIL import Image

from docs import record
from docs.record import KEY, SCRIPT, SIZE, Look, common_palette, frames, write_gif
from docs.terminal_picture import CELL, INK, PAPER, draw
from draggan_tui.config.themes import load

WIDTH, HEIGHT = CELL
RED, BLUE = "\x1b[38;2;255;0;0m", "\x1b[48;2;0;0;255m"


def drawn(text: str, columns: int = 4, lines: int = 1) -> np.ndarray:
    """The picture of a small screen that was sent a text: `uint8 [lines·16, columns·8, 3]`."""
    screen = pyte.Screen(columns, lines)
    pyte.Stream(screen).feed(text)
    return np.asarray(draw(screen))


def color(name: str) -> list[int]:
    return list(bytes.fromhex(name))


def test_half_blocks_are_two_colours_one_above_the_other() -> None:
    cell = drawn(f"{RED}{BLUE}▀▄")
    assert (cell[: HEIGHT // 2, :WIDTH] == [255, 0, 0]).all()
    assert (cell[HEIGHT // 2 :, :WIDTH] == [0, 0, 255]).all()
    assert (cell[: HEIGHT // 2, WIDTH : 2 * WIDTH] == [0, 0, 255]).all()
    assert (cell[HEIGHT // 2 :, WIDTH : 2 * WIDTH] == [255, 0, 0]).all()
    assert (cell[:, 2 * WIDTH :] == color(PAPER)).all()


@pytest.mark.parametrize(
    ("sign", "share"), [("█", 1), ("▁", 1 / 8), ("▅", 5 / 8), ("▏", 1 / 8), ("▐", 1 / 2), ("▔", 1 / 8), ("▘", 1 / 4), ("▙", 3 / 4)]
)  # fmt: skip
def test_blocks_cover_their_share(sign: str, share: float) -> None:
    cell = drawn(f"{RED}{sign}")[:, :WIDTH]
    assert (cell == [255, 0, 0]).all(axis=2).mean() == share


def test_lines_meet_across_cells() -> None:
    picture = (drawn(f"{RED}╭──╮\r\n{RED}│━━│", lines=2) == [255, 0, 0]).all(axis=2)
    middle, left = HEIGHT // 2, WIDTH // 2
    assert picture[middle, left : 3 * WIDTH + left].all()
    assert picture[middle:, left].all() and picture[middle:, 3 * WIDTH + left].all()
    assert not picture[:middle].any()
    assert picture[HEIGHT + middle, WIDTH : 3 * WIDTH].all() and picture[HEIGHT + middle + 1, WIDTH : 3 * WIDTH].all()


def test_text_is_drawn_in_its_cell_and_reverse_swaps() -> None:
    picture = drawn(f"{RED}{BLUE}a \x1b[7mb\x1b[0mc")
    for column in (0, 2, 3):
        assert len(np.unique(picture[:, column * WIDTH : (column + 1) * WIDTH].reshape(-1, 3), axis=0)) > 1
    assert (picture[:, WIDTH : 2 * WIDTH] == [0, 0, 255]).all()
    assert (picture[0, 2 * WIDTH : 3 * WIDTH] == [255, 0, 0]).all()  # above the letter
    last = picture[:, 3 * WIDTH :].reshape(-1, 3).max(axis=0)
    assert (last <= color(INK)).all() and (last > color(PAPER)).all()


def test_frames_are_the_looks_at_which_something_was_new() -> None:
    raw = b"one\x1b[Htwo\x1b[Htwo\x1b[Hend"
    ends = [3, 3, 9, 15, len(raw)]
    looks = [Look(10 + 0.5 * i, end) for i, end in enumerate(ends)]
    found = list(frames(raw, [*looks, Look(14.0, len(raw))]))
    assert [seconds for _, seconds in found] == [1.0, 1.0, 2.0]
    screen = pyte.Screen(*SIZE)
    for text, (picture, _) in zip(("one", "two", "end"), found, strict=True):
        pyte.Stream(screen).feed(f"\x1b[H{text}")
        assert picture == draw(screen)


def test_a_gif_has_the_frames_their_durations_and_the_colours_of_the_marks(tmp_path: Path) -> None:
    handle = load("dark").canvas.handle
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)  # more colours than a GIF takes
    pictures = [Image.fromarray(noise), Image.fromarray(noise)]
    pictures[1].putpixel((5, 5), handle)
    path = tmp_path / "a.gif"
    write_gif(path, [(pictures[0], 0.5), (pictures[1], 1.234)])
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.info["duration"]) == (2, 500)
        gif.seek(1)
        assert gif.info["duration"] == 1230
        assert gif.convert("RGB").getpixel((5, 5)) == handle
    assert len(common_palette(pictures).getpalette() or []) <= 768


def test_the_script_is_typed_key_by_key() -> None:
    assert KEY.findall("\x1b[H\x1b[5~7l\r\x1b\x12") == ["\x1b[H", "\x1b[5~", "7", "l", "\r", "\x1b", "\x12"]
    assert sum(step.still for step in SCRIPT) == 1
    typed = sum(len(KEY.findall(step.keys)) for step in SCRIPT)
    assert typed * record.BETWEEN_KEYS + sum(step.pause for step in SCRIPT) < 18  # and what it waits for; 20 s in all
