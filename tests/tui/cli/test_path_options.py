"""Every path on the command line may begin with `~`, also after `--option=`, where no shell expands it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from draggan_tui.cli.main import app
from draggan_tui.config.themes import load_theme

PATH_METAVARS = {"FILE", "DIR", "[DIR]", "PHOTO"}


def path_parameters(command: typer.core.TyperCommand, name: str) -> Iterator[tuple[str, typer.core.TyperOption]]:
    """Yield the parameters of a command and of the commands below it that are paths, each with a name for the test."""
    for parameter in command.params:
        if getattr(parameter, "metavar", None) in PATH_METAVARS:
            yield f"{name}{parameter.name}", parameter
    for subcommand_name, subcommand in getattr(command, "commands", {}).items():
        yield from path_parameters(subcommand, f"{name}{subcommand_name} ")


PARAMETERS = dict(path_parameters(typer.main.get_command(app), ""))


def test_the_commands_have_path_parameters() -> None:
    assert {"latent", "out", "open directory", "drag mask", "invert photograph", "eval out"} <= PARAMETERS.keys()


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_tilde_is_the_home_directory(name: str) -> None:
    context = typer.Context(typer.main.get_command(app))
    assert PARAMETERS[name].process_value(context, "~/a") == Path.home() / "a"


def test_a_tilde_in_the_path_of_a_theme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    theme_text = (Path(__file__).parents[3] / "themes" / "moss.toml").read_text()
    (tmp_path / "mine.toml").write_text(theme_text)
    assert load_theme("~/mine.toml").name == "moss"
