"""The project's Markdown pages, and the links, code blocks and commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_SHELLS = ("sh", "bash", "console")
_COMMAND_ENDS = {"|", "||", "&", "&&", ";", ">", ">>", "<"}


@dataclass(frozen=True)
class DocumentedCommand:
    """A `draggan-tui …` command in a page.

    Attributes:
        line: as it is written.
        arguments: what follows `draggan-tui`.
        complete: it stands in a shell block to be copied, not within a sentence.
    """

    line: str
    arguments: tuple[str, ...]
    complete: bool


def shell_blocks(page: str) -> list[str]:
    """Return the code blocks of a page that are marked as shell."""
    return [code for language, code in _BLOCK.findall(page) if language in _SHELLS]


def links(page: str) -> list[str]:
    """Return the targets of all links and images outside code."""
    prose = _INLINE_CODE.sub("", _BLOCK.sub("", page))
    return [inline or source for inline, source in _LINK.findall(prose)]


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs name them."""
    headings = _HEADING.findall(_BLOCK.sub("", page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def commands(page: str) -> Iterator[DocumentedCommand]:
    """Yield every `draggan-tui` command in shell blocks and in code within sentences."""
    lines = [(line, True) for block in shell_blocks(page) for line in block.replace("\\\n", " ").splitlines()]
    lines += [(code, False) for code in _INLINE_CODE.findall(_BLOCK.sub("", page))]
    for line, complete in lines:
        words = _words(line)
        names = [word.rpartition("/")[2] for word in words]
        if "draggan-tui" in names:
            yield DocumentedCommand(line, tuple(words[names.index("draggan-tui") + 1 :]), complete)


def _words(line: str) -> list[str]:
    """Return the words of a shell command up to a pipe or another command; none if it is not shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return []
    end = next((index for index, word in enumerate(words) if word in _COMMAND_ENDS), len(words))
    return words[:end]
