"""Terminals as people have them: 80×24, few colours or none, a window that changes its size while a drag runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from draggan_engine.critters import landmarks_of_seed
from tests.support.keys import LOADED, endless_drag, open_picture, place_pair, read_session
from tests.support.terminal import Terminal

NOSE = landmarks_of_seed(42, 256)["nose_tip"]
SIDE_PANEL = 32  # columns
HELP_ROWS = ("Move", "← h", "zoom to the whole image")


@pytest.mark.parametrize("colors", ["truecolor", "256", "NO_COLOR"])
def test_an_edit_in_80_columns_and_24_rows(tmp_path: Path, colors: str) -> None:
    options = () if colors == "NO_COLOR" else ("--color", colors)
    with Terminal(*options, directory=tmp_path, size=(80, 24), no_color=colors == "NO_COLOR") as terminal:
        terminal.wait_for(LOADED)
        place_pair(terminal, NOSE, (NOSE[0] + 12, NOSE[1]))
        # Shape and number, whatever the colours; the picture may come after what says that all is loaded.
        terminal.wait_for(lambda: "●1" in terminal.text() and "◎1" in terminal.text())
        terminal.send("vHHKK")
        terminal.wait_for("RECTANGLE")
        terminal.send("\r")
        terminal.wait_for("may move")
        terminal.send("?")
        terminal.wait_for(lambda: all(text in terminal.text() for text in HELP_ROWS))
        terminal.send("q5.")
        terminal.wait_for("drag 1: 5 steps")
        terminal.send("u")
        terminal.wait_for("undone: drag 1, 5 steps")
        assert re.fullmatch(r" Enter place  d drag  .*  \? help *", terminal.text().splitlines()[23])
        terminal.send("q")
        assert terminal.wait() == 0
        rgb = re.findall(rb"[34]8;2;(\d+);(\d+);(\d+)", terminal.raw)
        indexed = re.search(rb"[34]8;5;\d+", terminal.raw)
        assert bool(indexed) == (colors == "256")
        assert bool(rgb) == (colors != "256")
        assert all(len(set(triple)) == 1 for triple in rgb) == (colors != "truecolor")


def test_the_window_changes_its_size_during_a_drag(tmp_path: Path) -> None:
    with Terminal(directory=tmp_path, size=(80, 24)) as terminal:
        open_picture(terminal)
        endless_drag(terminal)
        for columns, rows in ((160, 48), (50, 12), (30, 8), (100, 30)):
            terminal.resize(columns, rows)
            step = _step(tmp_path)
            terminal.wait_for(lambda step=step: _step(tmp_path) > step + 5)
            if rows < 10:
                terminal.wait_for("too small")
            else:
                corner = range(columns // 4, columns // 2), range(rows // 2)
                terminal.wait_for(lambda corner=corner: len(set(terminal.backgrounds(*corner))) > 10)
                terminal.wait_for(lambda: terminal.text().splitlines()[-1].startswith(" d stop"))
        terminal.wait_for("steps/s")
        (device,) = (line for line in terminal.text().splitlines() if "device" in line)
        assert device.index("device") == 100 - SIDE_PANEL + 1
        terminal.send("d")
        terminal.wait_for("stopped: ")
        terminal.send("u")
        terminal.wait_for("undone: drag 1")
        terminal.send("q")
        assert terminal.wait() == 0
    (drag,) = read_session(tmp_path)["drags"]
    assert drag["reason"] == "stopped"


def _step(directory: Path) -> int:
    """How many steps of the first drag are on disk."""
    (events,) = directory.glob("draggan-out/*/drag-001/events.jsonl")
    return events.read_text().count("\n")
