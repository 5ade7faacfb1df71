"""Python, Textual and the locale."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Callable, Iterator, Mapping

from draggan_tui.diagnosis.finding import Finding

REQUIRED_TEXTUAL = re.compile(r"textual\b(?P<limits>[^;\[]*)")


def software_findings(
    environment: Mapping[str, str], installed_version: Callable[[str], str] = importlib.metadata.version
) -> Iterator[Finding]:
    """Yield findings about Python, Textual and the character set."""
    yield Finding("Python", "ok", f"{platform.python_version()} on {platform.system()} ({platform.machine()})")
    yield textual_finding(installed_version("textual"), required_textual())
    yield locale_finding(environment)


def required_textual() -> str:
    """Return which versions of Textual the installed draggan-tui needs, as `>=8.2,<8.3`; empty if it is not installed."""
    try:
        requirements = importlib.metadata.requires("draggan-tui") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    matches = (REQUIRED_TEXTUAL.match(requirement) for requirement in requirements)
    return next((",".join(sorted(match["limits"].strip().split(","), reverse=True)) for match in matches if match), "")


def textual_finding(version: str, required_versions: str) -> Finding:
    """Return whether Textual is a version that the editor has been adapted to.

    Args:
        required_versions: limits such as `>=8.2,<8.3`; empty: unknown.
    """
    lower_limit, upper_limit = (
        _numbers(match[1]) if (match := re.search(sign + r"([\d.]+)", required_versions)) else None
        for sign in (">=", "<")
    )
    is_required = (lower_limit is None or _numbers(version) >= lower_limit) and (
        upper_limit is None or _numbers(version) < upper_limit
    )
    if is_required:
        return Finding("Textual", "ok", version)
    return Finding(
        "Textual", "problem", f"{version}, but draggan-tui needs {required_versions}: it uses private parts of Textual",
        f"pip install 'textual{required_versions}'",
    )  # fmt: skip


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def locale_finding(environment: Mapping[str, str]) -> Finding:
    """Return whether the locale's character set is UTF-8, as LC_ALL, LC_CTYPE or LANG name it."""
    name = next((environment[key] for key in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(key)), "")
    if re.search(r"utf-?8", name, re.IGNORECASE):
        return Finding("locale", "ok", name)
    if name in ("", "C", "POSIX"):  # Python takes UTF-8 for these (PEP 538)
        return Finding(
            "locale", "hint", f"{name or 'none is set'}: tmux and other programs may show _ for the marks of the editor",
            "export LC_ALL=C.UTF-8",
        )  # fmt: skip
    return Finding(
        "locale", "hint", f"{name} is not UTF-8: marks that it lacks are shown as ?", "export LC_ALL=C.UTF-8"
    )
