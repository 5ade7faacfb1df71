"""The paths on the command line, all read in the same way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from draggan_engine.core.errors import InputError


def path_parser(option: str) -> Callable[[str], Path]:
    """Return what reads the path of an option or argument: `~` is expanded, also after `--option=`.

    The parser raises `InputError` for an empty path, and for the home directory of an unknown user.
    """

    def parse(text: str) -> Path:
        if not text:
            raise InputError(f"{option}: the path is empty; give one, or leave the option out")
        try:
            return Path(text).expanduser()
        except RuntimeError as error:
            raise InputError(f"{option} {text}: there is no such home directory; give the whole path") from error

    return parse
