"""The commands without a screen: as a process of their own, or, where many are tried, in this one."""

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
    """`draggan-tui …` in `directory`, its streams not terminals."""
    return subprocess.run(
        [str(PROGRAM), *arguments],
        cwd=directory,
        env=isolated_environment(directory / "home"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )


def start(*arguments: str, directory: Path) -> subprocess.Popen[str]:
    """The same, not waited for."""
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
    """The same in this process, where torch is imported but once: exit status, stdout, stderr."""
    monkeypatch.chdir(directory)
    for name, value in isolated_environment(directory / "home").items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, list(arguments), prog_name="draggan-tui")
    return result.exit_code, result.stdout, result.stderr


def files_under(directory: Path) -> set[str]:
    """All files and directories, without those of the program's own home."""
    paths = (Path(parent, name) for parent, directories, files in os.walk(directory) for name in (*directories, *files))
    names = {str(path.relative_to(directory)) for path in paths}
    return {name for name in names if name != "home" and not name.startswith("home/")}
