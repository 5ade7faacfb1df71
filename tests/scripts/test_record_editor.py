"""The recorder draws the cells of a screen to the pixel, and turns samples of the output into frames of a GIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyte
import pytest
from PIL import Image

from draggan_tui.config.themes import load_theme
from scripts.record_editor import (
    KEY,
    SCREEN_SIZE,
    SCRIPT,
    SECONDS_BETWEEN_KEYS,
    Sample,
    common_palette,
    frames,
    write_gif,
)
from scripts.terminal_image import BACKGROUND, CELL, FOREGROUND, draw_screen

WIDTH, HEIGHT = CELL
RED, BLUE = "\x1b[38;2;255;0;0m", "\x1b[48;2;0;0;255m"


def drawn(text: str, columns: int = 4, lines: int = 1) -> np.ndarray:
    """Return the image of a small screen that received a text, `uint8 [lines·16, columns·8, 3]`."""
    screen = pyte.Screen(columns, lines)
    pyte.Stream(screen).feed(text)
    return np.asarray(draw_screen(screen))


def color(name: str) -> list[int]:
    return list(bytes.fromhex(name))


def test_half_blocks_show_two_colours_one_above_the_other() -> None:
    cell = drawn(f"{RED}{BLUE}▀▄")
    assert (cell[: HEIGHT // 2, :WIDTH] == [255, 0, 0]).all()
    assert (cell[HEIGHT // 2 :, :WIDTH] == [0, 0, 255]).all()
    assert (cell[: HEIGHT // 2, WIDTH : 2 * WIDTH] == [0, 0, 255]).all()
    assert (cell[HEIGHT // 2 :, WIDTH : 2 * WIDTH] == [255, 0, 0]).all()
    assert (cell[:, 2 * WIDTH :] == color(BACKGROUND)).all()


@pytest.mark.parametrize(
    ("character", "share"), [("█", 1), ("▁", 1 / 8), ("▅", 5 / 8), ("▏", 1 / 8), ("▐", 1 / 2), ("▔", 1 / 8), ("▘", 1 / 4), ("▙", 3 / 4)]
)  # fmt: skip
def test_block_characters_cover_their_share_of_the_cell(character: str, share: float) -> None:
    cell = drawn(f"{RED}{character}")[:, :WIDTH]
    assert (cell == [255, 0, 0]).all(axis=2).mean() == share


def test_line_characters_meet_across_cells() -> None:
    image = (drawn(f"{RED}╭──╮\r\n{RED}│━━│", lines=2) == [255, 0, 0]).all(axis=2)
    middle, left = HEIGHT // 2, WIDTH // 2
    assert image[middle, left : 3 * WIDTH + left].all()
    assert image[middle:, left].all() and image[middle:, 3 * WIDTH + left].all()
    assert not image[:middle].any()
    assert image[HEIGHT + middle, WIDTH : 3 * WIDTH].all() and image[HEIGHT + middle + 1, WIDTH : 3 * WIDTH].all()


def test_text_stays_in_its_cell_and_reverse_swaps_the_colours() -> None:
    image = drawn(f"{RED}{BLUE}a \x1b[7mb\x1b[0mc")
    for column in (0, 2, 3):
        assert len(np.unique(image[:, column * WIDTH : (column + 1) * WIDTH].reshape(-1, 3), axis=0)) > 1
    assert (image[:, WIDTH : 2 * WIDTH] == [0, 0, 255]).all()
    assert (image[0, 2 * WIDTH : 3 * WIDTH] == [255, 0, 0]).all()  # above the letter
    last = image[:, 3 * WIDTH :].reshape(-1, 3).max(axis=0)
    assert (last <= color(FOREGROUND)).all() and (last > color(BACKGROUND)).all()


def test_a_frame_lasts_until_the_screen_changes() -> None:
    raw = b"one\x1b[Htwo\x1b[Htwo\x1b[Hend"
    ends = [3, 3, 9, 15, len(raw)]
    samples = [Sample(10 + 0.5 * i, end) for i, end in enumerate(ends)]
    timed_images = list(frames(raw, [*samples, Sample(14.0, len(raw))]))
    assert [seconds for _, seconds in timed_images] == [1.0, 1.0, 2.0]
    screen = pyte.Screen(*SCREEN_SIZE)
    for text, (image, _) in zip(("one", "two", "end"), timed_images, strict=True):
        pyte.Stream(screen).feed(f"\x1b[H{text}")
        assert image == draw_screen(screen)


def test_a_gif_keeps_durations_and_the_exact_colours_of_marks(tmp_path: Path) -> None:
    handle = load_theme("dark").canvas.handle
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)  # more colours than a GIF can hold
    images = [Image.fromarray(noise), Image.fromarray(noise)]
    images[1].putpixel((5, 5), handle)
    path = tmp_path / "a.gif"
    write_gif(path, [(images[0], 0.5), (images[1], 1.234)])
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.info["duration"]) == (2, 500)
        gif.seek(1)
        assert gif.info["duration"] == 1230
        assert gif.convert("RGB").getpixel((5, 5)) == handle
    assert len(common_palette(images).getpalette() or []) <= 768


def test_the_script_is_split_into_keys_and_is_short() -> None:
    assert KEY.findall("\x1b[H\x1b[5~7l\r\x1b\x12") == ["\x1b[H", "\x1b[5~", "7", "l", "\r", "\x1b", "\x12"]
    assert sum(step.still for step in SCRIPT) == 1
    key_count = sum(len(KEY.findall(step.keys)) for step in SCRIPT)
    assert (
        key_count * SECONDS_BETWEEN_KEYS + sum(step.pause for step in SCRIPT) < 18
    )  # the recording also waits for the editor: 20 s in all
