"""`draggan-tui config`: print the path, show the configuration, and edit it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from draggan_tui.cli.main import app
from draggan_tui.config.key_settings import default_keys
from draggan_tui.config.settings_file import config_template
from tests.support.configuration import write_config


@pytest.fixture(autouse=True)
def no_text_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the variables that name the user's text editor."""
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)


def text_editor(directory: Path, body: str) -> str:
    """Return the command of a text editor, a shell script that changes the file $1."""
    script = directory / "my editor"
    script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    script.chmod(0o755)
    return f"'{script}'"


def run(*arguments: str) -> tuple[int, str, str]:
    """Run `draggan-tui config …` and return its exit status, stdout and stderr."""
    result = CliRunner().invoke(app, ["config", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_path(config_directory: Path) -> None:
    assert run("path") == (0, f"{config_directory / 'config.toml'}\n", "")


def test_show(config_directory: Path) -> None:
    write_config(config_directory, '[editor]\ntheme = "light"\n[keys]\nundo = "f9"\n')
    status, stdout, stderr = run("show")
    shown = tomllib.loads(stdout)
    assert (status, stderr) == (0, "")
    assert shown["editor"] == {
        "theme": "light",
        "color": "auto",
        "cells": "auto",
        "fps": 15,
        "graphics": "auto",
        "model": "auto",
        "device": "auto",
        "escape_delay": 0,
    }
    assert shown["keys"] == {**default_keys(), "undo": "f9"}


def test_keys_that_came_later_yield_to_those_of_an_older_configuration(config_directory: Path) -> None:
    write_config(config_directory, "[keys]\nundo = 'ctrl+z'\nquit = 'q,ctrl+q,ctrl+c'\n")
    status, stdout, stderr = run("show")
    assert (status, stderr) == (0, "")
    keys = tomllib.loads(stdout)["keys"]
    assert keys["undo"] == "ctrl+z" and keys["redraw"] == "ctrl+l"
    assert {"suspend", "interrupt"}.isdisjoint(keys)
    write_config(config_directory, stdout)  # what is shown can be used
    assert run("show")[:2] == (0, stdout)
    write_config(config_directory, "[keys]\nundo = 'ctrl+z'\nsuspend = 'ctrl+z'\n")
    assert "ctrl+z is the key of" in run("show")[2]


def test_show_of_a_bad_file(config_directory: Path) -> None:
    path = write_config(config_directory, "[keys]\nundo = 'd'\n")
    status, stdout, stderr = run("show")
    assert (status, stdout) == (2, "")
    assert stderr.startswith(f"draggan-tui: {path}: keys.undo (line 2): d is the key of drag too")
    assert "Traceback" not in stderr


def test_edit_makes_a_template_and_checks_it(config_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config_directory / "config.toml"
    monkeypatch.setenv("EDITOR", text_editor(config_directory, 'echo \'undo = "f9"\' >> "$1"'))
    assert run("edit") == (0, f"{path}: no mistakes found\n", "")
    assert path.read_text(encoding="utf-8") == config_template() + 'undo = "f9"\n'
    status, _, stderr = run("edit")  # now it is there twice
    assert status == 2
    assert f"draggan-tui: {path}: the file is not TOML: Cannot overwrite a value (at line" in stderr


@pytest.mark.usefixtures("config_directory")
def test_visual_comes_before_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "false")
    monkeypatch.setenv("VISUAL", "true")
    assert run("edit")[0] == 0
    monkeypatch.delenv("VISUAL")
    assert "editor 'false' ended with status 1" in run("edit")[2]


@pytest.mark.parametrize("command", ["no-such-editor --wait", "unclosed 'quote"])
@pytest.mark.usefixtures("config_directory")
def test_an_editor_that_cannot_be_run(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("VISUAL", command)
    status, _, stderr = run("edit")
    assert status == 2
    assert "cannot be run" in stderr and "set VISUAL or EDITOR" in stderr and len(stderr.splitlines()) == 1
