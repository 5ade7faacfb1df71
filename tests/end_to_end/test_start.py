"""Commands start fast: heavy modules are imported by the command that needs them."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import draggan_tui
from tests.support.commands import run
from tests.support.terminal import Terminal

MODULES_THAT_COMPUTE = (
    "__main__", ".headless_drag", ".headless_invert", ".headless_photograph_drag", ".evaluation_run", ".model_facts", ".model_index", ".benchmarks.drag", ".diagnosis.machine",
)  # fmt: skip
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(draggan_tui.__path__, "draggan_tui.")
    if not module.name.endswith(MODULES_THAT_COMPUTE)
)


HEAVY = {"torch", "textual", "numpy", "PIL", "av", "httpx", "safetensors"}


def loaded_heavy_modules(statement: str) -> set[str]:
    """Return the heavy modules that a fresh interpreter has loaded after a statement."""
    report = f"import sys; print(*({HEAVY} & set(sys.modules)))"
    code = f"try:\n    {statement}\nexcept SystemExit as end:\n    assert not end.code\n{report}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    return set(result.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("drag", "--help"), ("render", "--help"), ("invert", "--help")]
)
def test_help_and_version_load_no_heavy_module(arguments: tuple[str, ...]) -> None:
    statement = f"import sys; sys.argv[1:] = {list(arguments)}; from draggan_tui.__main__ import main; main()"
    assert loaded_heavy_modules(statement) == set()


def test_the_screen_does_not_load_torch() -> None:
    # All modules of the screen in one interpreter, with the engine's modules that they import.
    assert "draggan_tui.app" in MODULES and "draggan_tui.screens.editor" in MODULES
    loaded = loaded_heavy_modules(f"import {', '.join(MODULES)}")
    assert "textual" in loaded and "torch" not in loaded


def test_the_headless_drag_loads_torch() -> None:
    assert "torch" in loaded_heavy_modules(
        "import draggan_tui.cli.headless_drag"
    )  # or the tests above would prove nothing


def test_help_names_commands_and_options(tmp_path: Path) -> None:
    result = run("--help", directory=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    for word in ("drag", "render", "--seed", "--model", "--theme", "--color", "--version"):
        assert word in result.stdout


def test_version_prints_the_version_of_the_package(tmp_path: Path) -> None:
    result = run("--version", directory=tmp_path)
    assert (result.returncode, result.stdout) == (0, f"draggan-tui {draggan_tui.__version__}\n")


@pytest.mark.parametrize("color", ["truecolor", "256", "16", "none"])
def test_the_first_frame_has_only_the_chosen_colours(tmp_path: Path, color: str) -> None:
    with Terminal("--color", color, directory=tmp_path) as terminal:
        terminal.wait_for("critters")
        rgb = re.findall(rb"8;2;(\d+);(\d+);(\d+)", terminal.raw)
        assert (b"8;5;" in terminal.raw) == (color == "256")
        assert bool(rgb) == (color in ("truecolor", "none"))
        grey = all(len(set(triple)) == 1 for triple in rgb)  # what Textual makes of NO_COLOR
        assert grey == (color != "truecolor")
