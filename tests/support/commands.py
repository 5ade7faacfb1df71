"""The commands without a screen: as a process of their own, or, where many are tried, in this one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from draggan_tui.benchmarks.processes import environment
from draggan_tui.cli.main import app
from tests.support.terminal import PROGRAM


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`draggan-tui …` in `folder`, its streams not terminals."""
    return subprocess.run(
        [str(PROGRAM), *arguments],
        cwd=folder,
        env=environment(folder / "home"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    """The same, not waited for."""
    return subprocess.Popen(
        [str(PROGRAM), *arguments],
        cwd=folder,
        env=environment(folder / "home"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run_here(monkeypatch: pytest.MonkeyPatch, *arguments: str, folder: Path) -> tuple[int, str, str]:
    """The same in this process, where torch is imported but once: exit status, stdout, stderr."""
    monkeypatch.chdir(folder)
    for name, value in environment(folder / "home").items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, list(arguments), prog_name="draggan-tui")
    return result.exit_code, result.stdout, result.stderr


def files_under(folder: Path) -> set[str]:
    """All files and folders, without those of the program's own home."""
    paths = (Path(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files))
    names = {str(path.relative_to(folder)) for path in paths}
    return {name for name in names if name != "home" and not name.startswith("home/")}
