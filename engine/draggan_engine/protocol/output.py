"""Where a new session may be written, and where the next one."""

from __future__ import annotations

from pathlib import Path

from .errors import OutputError


def check_output(out: Path) -> None:
    """
    Raises:
        OutputError: the path cannot become the folder of a new session.
    """
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise OutputError(f"--out {out}: {path} is a file; give a folder")
    if (out / "session.json").exists():
        raise OutputError(f"--out {out}: it already holds a session; give another folder, or remove that one")


def next_output(out: Path) -> Path:
    """For a further session: DIR itself while it holds none, then the first of DIR-2, DIR-3 … that is not there."""
    if not (out / "session.json").exists():
        return out
    number = 2
    while (path := out.with_name(f"{out.name}-{number}")).exists():
        number += 1
    return path
