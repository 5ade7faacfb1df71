"""README and docs/: short enough, no broken links, no command that does not exist, generated parts up to date."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer import Exit
from typer.main import get_command

from draggan_tui.cli.main import app
from scripts import write_reference
from tests.support.markdown import PAGES, ROOT, DocumentedCommand, anchors, commands, links

COMMANDS = [(page.name, command) for page in PAGES for command in commands(page.read_text(encoding="utf-8"))]
COMPLETION = {"--install-completion", "--show-completion"}


def test_readme_fits_on_two_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_images_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for link in links(page.read_text(encoding="utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{page.name}: {link}"


def test_readme_and_getting_started_contain_commands() -> None:
    assert {"README.md", "getting-started.md", "scripting.md", "models.md"} <= {name for name, _ in COMMANDS}


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=lambda part: getattr(part, "line", part))
def test_documented_commands_are_accepted(page: str, command: DocumentedCommand) -> None:
    problem = parsing_problem(command.arguments, complete=command.complete)
    assert problem is None, f"{page}: {command.line}: {problem}"


@pytest.mark.parametrize(
    "line", ["--sed 42", "dragg", "drag --pair 1,2:3,4 --rr 3", "models show", "render --seed x --out a.png", "render"]
)
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    assert parsing_problem(line.split(), complete=True) is not None


def test_a_command_in_a_sentence_may_leave_out_what_is_required_and_name_placeholders() -> None:
    assert parsing_problem(["render"], complete=False) is None
    assert parsing_problem(["render", "--seed", "N"], complete=False) is None
    assert parsing_problem(["models"], complete=False) is None


@pytest.mark.parametrize("page", write_reference.pages(), ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == write_reference.updated(text), f"{page.name} is out of date: python -m scripts.write_reference"


def test_every_generated_part_stands_in_a_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in write_reference.pages())
    assert [name for name in write_reference.PARTS if f"begin {name}," not in text] == []


def parsing_problem(arguments: Sequence[str], *, complete: bool) -> str | None:
    """Return what the command line says against these arguments; None if it accepts them. No command is run.

    Args:
        complete: nothing that is required may be missing, and no value may be a placeholder such as `N`.
    """
    words = [argument for argument in arguments if argument not in COMPLETION]  # these would be carried out
    placeholders = not complete and any(word.isupper() for word in words)
    try:
        _parse(get_command(app), "draggan-tui", words)
    except Exit:  # help or the version was printed
        return None
    except Exception as error:
        names = {kind.__name__ for kind in type(error).__mro__}
        incomplete = names & {"MissingParameter", "NoArgsIsHelpError"} or (placeholders and "BadParameter" in names)
        if not complete and incomplete:
            return None
        return f"{type(error).__name__}: {error}"
    return None


def _parse(command: Any, name: str, arguments: list[str], parent: Any = None) -> None:
    with command.make_context(name, arguments, parent=parent) as context:
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        if rest and hasattr(command, "resolve_command"):
            _parse(*_resolved(command, context, rest), parent=context)


def _resolved(command: Any, context: Any, arguments: list[str]) -> tuple[Any, str, list[str]]:
    name, subcommand, rest = command.resolve_command(context, arguments)
    return subcommand, name, rest
