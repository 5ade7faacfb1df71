"""The shell blocks of the getting-started page run from top to bottom, as a reader types them; the editor runs in a real terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import hatchling
import pytest

from tests.support.keys import LOADED
from tests.support.markdown import ROOT, commands, shell_blocks
from tests.support.terminal import RESTORED, Terminal

PAGE = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
PROGRAMS = Path(sys.executable).parent
SITE_PACKAGES = Path(hatchling.__file__).parents[1]
OFFLINE_PIP = {
    "PIP_NO_INDEX": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the value of `build isolation`
    "PYTHONPATH": str(SITE_PACKAGES),  # what draggan-tui depends on counts as installed
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project that `make` finds set up, with a small checkpoint as the reader's own model."""
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("draggan_tui", "engine", "themes"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(PROGRAMS)
    (tmp_path / ".venv" / "installed").touch()
    shutil.copy(ROOT / "tests" / "fixtures" / "checkpoints" / "sg2ada_64_clamp.pkl", tmp_path / "ffhq.pkl")
    return tmp_path


def test_every_shell_block_runs(project: Path) -> None:
    blocks = shell_blocks(PAGE)
    assert len(blocks) > 5
    for block in blocks:
        run_block(block, project)
    assert (project / "nose.mp4").is_file()


def test_the_first_drag_works_as_described(tmp_path: Path) -> None:
    typed = re.findall(r"`(:[^`]+)` and `Enter`", PAGE)
    assert len(typed) == 2
    with Terminal("--seed", "42", directory=tmp_path) as terminal:
        terminal.wait_for(LOADED)
        for coordinates, position, pair in zip(typed, ((134, 142), (158, 142)), ("target?", "24.0"), strict=True):
            terminal.send(f"{coordinates}\r")
            terminal.wait_for(lambda position=position: terminal.cursor() == position)
            terminal.send("\r")
            terminal.wait_for(pair)
        terminal.send("d")
        terminal.wait_for("drag 1 reached")
        terminal.send("q")
        assert terminal.wait() == 0


def run_block(block: str, directory: Path) -> None:
    """Run a block in a shell that ends at the first error; save and quit in each editor that it opens."""
    exported = {**OFFLINE_PIP, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    opened = 0
    with Terminal(directory=directory, command=("bash", "-ec", block), exported=exported) as terminal:
        while terminal.status is None:
            terminal.wait_for(lambda: LOADED in terminal.text() or terminal.status is not None)
            if terminal.status is None:
                opened += 1
                save_and_quit(terminal, opened)
        assert terminal.wait() == 0, f"{block}\n{terminal.text()}"
    assert opened == len(editor_lines(block)), f"{block}\n{terminal.text()}"


def save_and_quit(terminal: Terminal, opened: int) -> None:
    terminal.send("s")
    terminal.wait_for("saved to ")
    terminal.send("q")
    terminal.wait_for(lambda: terminal.raw.count(RESTORED) == opened)
    terminal.wipe()


def editor_lines(block: str) -> list[str]:
    """Return the lines of a block that open the editor."""
    makes = [line for line in block.splitlines() if line.startswith("make run")]
    documented = [(command.line, *command.arguments[:1]) for command in commands(f"```sh\n{block}```\n")]
    return makes + [line for line, *first in documented if first in ([], ["open"]) or first[0].startswith("--")]
