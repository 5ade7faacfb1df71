"""Where a new session may be written."""

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
