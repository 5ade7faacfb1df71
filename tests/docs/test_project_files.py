"""The project's own pages: metadata agrees with the package, images are used, and files, tests and modules they name exist."""

from __future__ import annotations

import datetime
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from draggan_engine.checkpoints.unpickling.pickle_stubs import MAX_DIMENSIONS, MAX_INSTRUCTIONS, MAX_KEY_LENGTH
from draggan_tui import __version__
from tests.engine.checkpoints import test_damaged_files
from tests.support import contained_reader
from tests.support.markdown import PAGES, ROOT, links

IMAGES = sorted(path for path in (ROOT / "docs").rglob("*") if path.suffix in (".gif", ".jpg", ".png", ".svg", ".webp"))


def page_ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


def linked_files(page: Path) -> set[Path]:
    """Return the local files that a page links to or shows."""
    targets = [link.partition("#")[0] for link in links(page.read_text(encoding="utf-8")) if "://" not in link]
    return {(page.parent / target).resolve() for target in targets if target}


def citation() -> dict[str, object]:
    content = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def released_versions() -> dict[str, str]:
    """Return the date of each version in the changelog, newest first."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", text, flags=re.MULTILINE))


def test_every_image_in_docs_is_shown_on_a_page() -> None:
    shown = set().union(*map(linked_files, PAGES))
    assert [page_ids(path) for path in IMAGES if path.resolve() not in shown] == []


def test_the_changelog_has_the_packages_version_below_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[([^\]]+)\]", text, flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert __version__ in released_versions()


def test_the_citation_is_of_the_packages_version() -> None:
    fields = citation()
    assert fields["cff-version"] == "1.2.0"
    assert fields["version"] == __version__
    released = fields["date-released"]
    assert isinstance(released, datetime.date)
    assert released.isoformat() == released_versions()[__version__]


def test_the_citation_agrees_with_the_package_metadata() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    fields = citation()
    assert (fields["title"], fields["license"]) == (project["name"], project["license"])
    references = fields["references"]
    assert isinstance(references, list)
    assert project["urls"]["Paper"] in [reference["url"] for reference in references]


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_modules_that_a_page_runs_exist(page: Path) -> None:
    modules = re.findall(r"python3? -m ((?:draggan_|scripts)[\w.]+)", page.read_text(encoding="utf-8"))
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_files_that_a_page_names_exist(page: Path) -> None:
    paths = re.findall(
        r"(?<![\w/.])(?:tests|scripts|docs|themes|draggan_tui|engine)/[\w/.-]*\w", page.read_text(encoding="utf-8")
    )
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md"])
def test_test_modules_that_a_page_names_exist(name: str) -> None:
    modules = re.findall(r"`(test_\w+)`", (ROOT / name).read_text(encoding="utf-8"))
    assert modules
    assert [module for module in modules if not list((ROOT / "tests").rglob(f"{module}.py"))] == []


def test_the_limits_in_the_security_page_are_those_of_the_code() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for words in (
        f"at most {MAX_INSTRUCTIONS:,} pickle instructions",
        f"arrays of at most {MAX_DIMENSIONS} dimensions",
        f"keys of at most {MAX_KEY_LENGTH} characters",
        f"it may take {contained_reader.MAX_BYTES / 1e6:.0f} MB and {contained_reader.MAX_SECONDS:.0f} seconds for a file at most",
        f"runs {test_damaged_files.CASES:,}",
    ):
        assert words in page, words


def test_modules_that_the_architecture_page_names_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    modules = set(re.findall(r"`([a-z_/0-9]+\.py)`", page))
    sources = [
        path.as_posix() for package in ("draggan_tui", "engine", "scripts") for path in (ROOT / package).rglob("*.py")
    ]
    assert len(modules) > 40
    assert sorted(module for module in modules if not any(path.endswith(f"/{module}") for path in sources)) == []
