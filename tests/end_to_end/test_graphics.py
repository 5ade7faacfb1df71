"""Graphics in a terminal that takes kitty's graphics protocol: what it shows is the model's image, and nothing is left in it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from draggan_engine.core.geometry import Size
from draggan_tui.editor.viewport import Viewport
from draggan_tui.rendering.graphic import graphic_parts
from draggan_tui.rendering.view_sampling import sample_view
from draggan_tui.terminal.kitty_graphics import PLACEHOLDER
from tests.support.graphics_terminal import GraphicsTerminal
from tests.support.keys import LOADED, open_picture, place_pair, session_directory
from tests.support.terminal import PROGRAM

CELL = (10, 20)
MODEL = ("--model", "critters-128")
REACH = 4  # screen pixels around a point, the line or the cursor that may look otherwise


def placeholders(terminal: GraphicsTerminal) -> int:
    return terminal.text().count(chr(PLACEHOLDER))


def expected(image: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """What a terminal makes of the graphic of a whole image, `uint8 [20 · rows, 10 · columns, 3]`."""
    view = Viewport(Size(image.shape[1], image.shape[0]), Size(columns, 2 * rows))
    graphic = sample_view(image, view, graphic_parts(view, Size(*CELL)))
    return np.asarray(Image.fromarray(graphic).resize((columns * CELL[0], rows * CELL[1])))


def differing_cells(terminal: GraphicsTerminal, image_file: Path) -> int | None:
    """How many of the cells with placeholders do not show the image. None: there are too few of them."""
    image = np.asarray(Image.open(image_file).convert("RGB"))
    shown_numbers = terminal.shown_numbers()
    if len(shown_numbers) != 1:
        return None
    columns, rows = terminal.graphics.cells[shown_numbers.pop()]
    shown = terminal.shown()
    covered = shown.any(axis=2)
    if covered.sum() < 0.9 * columns * rows * CELL[0] * CELL[1]:
        return None
    top, left = (int(np.flatnonzero(covered.any(axis=axis))[0]) for axis in (1, 0))
    part = shown[top : top + rows * CELL[1], left : left + columns * CELL[0]]
    if part.shape != (rows * CELL[1], columns * CELL[0], 3):
        return None
    differs = np.abs(part.astype(int) - expected(image, columns, rows)).max(axis=2) > 2
    differs &= part.any(axis=2)
    in_cells = differs.reshape(rows, CELL[1], columns, CELL[0]).any(axis=(1, 3))
    return int(in_cells.sum())


def test_the_graphic_is_the_models_image_and_follows_the_edit(tmp_path: Path) -> None:
    with GraphicsTerminal(*MODEL, directory=tmp_path, cell_pixels=CELL) as terminal:
        open_picture(terminal)
        place_pair(terminal, (40, 60), (80, 60))
        terminal.send("uu")
        directory = session_directory(tmp_path)
        terminal.wait_for(lambda: differing_cells(terminal, directory / "initial.png") == 0)
        place_pair(terminal, (40, 60), (80, 60))
        terminal.wait_for(lambda: 2 < (differing_cells(terminal, directory / "initial.png") or 0) < 120)
        for size in ((120, 40), (60, 20)):
            terminal.resize(*size)
            terminal.wait_for(lambda: (differing_cells(terminal, directory / "initial.png") or 999) < 200)
        terminal.send(".")
        terminal.wait_for(lambda: (directory / "final.png").exists() and "drag 1" in terminal.text())
        terminal.wait_for(lambda: (differing_cells(terminal, directory / "final.png") or 999) < 120)
        assert len(terminal.graphics.graphics) <= 2, "graphics that are not shown any more are replaced"
        terminal.send("?")
        terminal.wait_for("Esc closes")
        terminal.send("\x1b")
        terminal.wait_for(lambda: (differing_cells(terminal, directory / "final.png") or 999) < 120)
        terminal.send("q")
        assert terminal.wait() == 0
        assert not terminal.graphics.graphics, "they are removed from the terminal at the end"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGTSTP])
def test_graphics_are_removed_at_every_ending_and_come_back_after_a_stop(tmp_path: Path, end: int) -> None:
    with GraphicsTerminal(*MODEL, directory=tmp_path, cell_pixels=CELL) as terminal:
        open_picture(terminal)
        terminal.wait_for(lambda: placeholders(terminal) > 300)
        if end == signal.SIGTERM:
            terminal.signal(end)
            terminal.wait()
            assert not terminal.graphics.graphics
            return
        terminal.signal(end)
        terminal.wait_for(lambda: not terminal.graphics.graphics)
        terminal.signal(signal.SIGCONT)
        terminal.wait_for(lambda: terminal.graphics.graphics and placeholders(terminal) > 300)


@pytest.mark.parametrize(
    ("version", "takes_graphics", "options", "shows"),
    [
        ("WezTerm 20240203", True, (), False),
        ("kitty(0.26.5)", True, (), False),
        ("", False, (), False),
        ("kitty(0.35.1)", True, ("--graphics", "none"), False),
        ("WezTerm 20240203", True, ("--graphics", "kitty"), True),
    ],
)
def test_a_terminal_without_placeholders_gets_cells(
    tmp_path: Path, version: str, takes_graphics: bool, options: tuple[str, ...], shows: bool
) -> None:
    with GraphicsTerminal(
        *MODEL, *options, directory=tmp_path, version=version, takes_graphics=takes_graphics
    ) as terminal:
        open_picture(terminal)
        if shows:
            terminal.wait_for(lambda: placeholders(terminal) > 300)
        else:
            terminal.send("l")
            terminal.wait_for(lambda: "▀" in terminal.text())
            assert placeholders(terminal) == 0 and not terminal.graphics.graphics
            assert "\\x1b" not in terminal.text() and "AAAA" not in terminal.text()


@pytest.mark.parametrize(("version", "options", "is_fine"), [
    ("foot(1.16.2)", (), True),
    ("foot(1.16.2)", ("--cells", "half"), False),
    ("XTerm(379)", (), False),
])  # fmt: skip
def test_without_graphics_the_cells_are_as_fine_as_the_terminal_draws_them(
    tmp_path: Path, version: str, options: tuple[str, ...], is_fine: bool
) -> None:
    with GraphicsTerminal(
        *MODEL, *options, directory=tmp_path, version=version, takes_graphics=False, exported={"TERM": "xterm-256color"}
    ) as terminal:
        terminal.wait_for(LOADED)
        if is_fine:
            terminal.wait_for(lambda: len(re.findall("[\U0001fb00-\U0001fb3b]", terminal.text())) > 100)
        else:
            terminal.wait_for(lambda: terminal.text().count("▀") > 300)
            assert not re.search("[\U0001fb00-\U0001fb3b]", terminal.text())


def test_through_tmux_with_passthrough(tmp_path: Path) -> None:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    (tmp_path / "sockets").mkdir(mode=0o700)
    (tmp_path / "configuration").write_text("set -g allow-passthrough on\nset -g default-terminal tmux-256color\n")
    exported = {"TMUX_TMPDIR": str(tmp_path / "sockets"), "TERM": "xterm-256color"}
    command = ("tmux", "-f", str(tmp_path / "configuration"), "new-session", str(PROGRAM), *MODEL)
    with GraphicsTerminal(
        directory=tmp_path, command=command, colorterm="", exported=exported, cell_pixels=CELL
    ) as terminal:
        try:
            terminal.wait_for(lambda: placeholders(terminal) > 300)
            place_pair(terminal, (40, 60), (80, 60))
            terminal.send("uu")
            directory = session_directory(tmp_path)
            terminal.wait_for(lambda: differing_cells(terminal, directory / "initial.png") == 0)
            assert re.search(rb"\x1b_Ga=t", bytes(terminal.raw)), "tmux has passed the sequences on"
            terminal.send("q")
            terminal.wait_for(lambda: not terminal.graphics.graphics)
        finally:
            environment = {"PATH": "/usr/bin:/bin", **exported}
            subprocess.run(("tmux", "kill-server"), env=environment, capture_output=True, check=False)
