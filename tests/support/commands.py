"""Run commands without a screen: in a process of their own, or in this one, which is faster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from draggan_tui.benchmarks.processes import isolated_environment
from draggan_tui.cli.main import app
from tests.support.terminal import PROGRAM


def run(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run `draggan-tui …` in a directory, without a terminal."""
    return subprocess.run(
        [str(PROGRAM), *arguments],
        cwd=directory,
        env=isolated_environment(directory / "home"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )


def start(*arguments: str, directory: Path) -> subprocess.Popen[str]:
    """Start the same without waiting for it."""
    return subprocess.Popen(
        [str(PROGRAM), *arguments],
        cwd=directory,
        env=isolated_environment(directory / "home"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run_here(monkeypatch: pytest.MonkeyPatch, *arguments: str, directory: Path) -> tuple[int, str, str]:
    """Run the same in this process, where torch is imported only once; return exit status, stdout and stderr."""
    monkeypatch.chdir(directory)
    for name, value in isolated_environment(directory / "home").items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, list(arguments), prog_name="draggan-tui")
    return result.exit_code, result.stdout, result.stderr


def files_under(directory: Path) -> set[str]:
    """Return the names of all files and directories, without those in the program's home."""
    paths = (Path(parent, name) for parent, directories, files in os.walk(directory) for name in (*directories, *files))
    names = {str(path.relative_to(directory)) for path in paths}
    return {name for name in names if name != "home" and not name.startswith("home/")}
