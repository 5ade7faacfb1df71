"""Every remedy of the engine has advice in commands, options or keys of this program."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import draggan_engine
from draggan_engine.core.errors import CheckpointError, DragganError, Remedy
from draggan_tui.cli.errors import report_error
from draggan_tui.client.advice import with_advice
from draggan_tui.config.key_settings import default_keys

ENGINE = Path(draggan_engine.__file__).parent
PROGRAMS = (  # these have options of their own
    "critters/training",
    "evaluation/baselines/latent_transformer_training.py",
    "server/server.py",
)


@pytest.mark.parametrize("remedy", Remedy)
def test_every_remedy_has_advice(remedy: Remedy) -> None:
    message, _, advice = with_advice("it is broken", remedy).partition("; ")
    assert message == "it is broken"
    assert re.search(r"draggan-tui [a-z]|--[a-z]|\{[a-z-]+\}", advice)


@pytest.mark.parametrize("remedy", Remedy)
def test_advice_names_keys_by_their_bindings(remedy: Remedy) -> None:
    assert set(re.findall(r"\{(.*?)\}", with_advice("it is broken", remedy))) <= set(default_keys())


def test_an_error_without_a_remedy_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_error(DragganError("it is broken")) == 1
    assert capsys.readouterr().err == "draggan-tui: it is broken\n"


def test_the_command_line_adds_advice_to_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_error(CheckpointError("the name is taken", Remedy.choose_model_name)) == 2
    assert capsys.readouterr().err == "draggan-tui: the name is taken; give another name with --name\n"


def test_messages_of_the_engine_name_no_option_and_no_command() -> None:
    """The engine is also a library: what it says must not depend on the program that shows it."""
    option_or_command = re.compile(r"(^|\s)--[a-z]|draggan-tui (bench|config|drag|eval|models|open|render|sessions)")
    messages = [
        (path.name, text)
        for path in sorted(ENGINE.rglob("*.py"))
        if not path.relative_to(ENGINE).as_posix().startswith(PROGRAMS)
        for text in strings_inside_functions(path)
        if option_or_command.search(text)
    ]
    assert messages == []


def strings_inside_functions(path: Path) -> Iterator[str]:
    """Yield the strings in a module's functions, without docstrings."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            docstring = function.body[0].value if isinstance(function.body[0], ast.Expr) else None
            for node in ast.walk(function):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node is not docstring:
                    yield node.value
