"""One line of the report of `draggan-tui doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "hint", "problem"]


@dataclass(frozen=True)
class Finding:
    """
    Attributes:
        topic: what was looked at, for example `terminal`.
        severity: `hint` if something could be better, `problem` if something will not work.
        text: what is the case.
        fix: what to do about it; empty if there is nothing to do.
    """

    topic: str
    severity: Severity
    text: str
    fix: str = ""
