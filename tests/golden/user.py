"""A user's home directory that holds golden files, and the installed program run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GOLDEN = Path(__file__).parents[1] / "fixtures" / "golden"
PROGRAM = Path(sys.executable).with_name("draggan-tui")

PIXEL_TOLERANCE = 2
"""How far a pixel may be from its golden value, of 255: processors round float32 sums differently."""


class User:
    """A user whose home directory is `home` below `directory`; commands run in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.config = self._make("config")
        self.cache = self._make("cache")
        self.data = self._make("data")
        self.state = self._make("state")

    def _make(self, name: str) -> Path:
        directory = self.home / name / "draggan-tui"
        directory.mkdir(parents=True)
        return directory

    def install_models(self) -> None:
        """Put the golden models where imported models are."""
        shutil.copytree(GOLDEN / "models", self.data / "models", ignore=shutil.ignore_patterns("*.json"))

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run `draggan-tui`, check its exit status, and return its stdout."""
        names = ("CONFIG", "CACHE", "DATA", "STATE")
        variables = {f"XDG_{name}_HOME": str(self.home / name.lower()) for name in names}
        process = subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.directory,
            env={**os.environ, **variables, "HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
        )
        assert process.returncode == status, process.stderr
        return process.stdout

    def render(self, *arguments: str) -> NDArray[np.uint8]:
        """Render an image with these arguments, `uint8 [H, W, 3]`."""
        self.run("render", "--device", "cpu", "--out", "rendered.png", *arguments)
        return read_image(self.directory / "rendered.png")


def read_image(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def assert_same_image(image: NDArray[np.uint8], golden: Path) -> None:
    expected = read_image(golden)
    assert image.shape == expected.shape
    difference = np.abs(image.astype(int) - expected)
    assert difference.max() <= PIXEL_TOLERANCE, f"{golden.name}: a pixel differs by {difference.max()}"
