"""Where a new session may be written, and where the next one; which files can be exported."""

from __future__ import annotations

from pathlib import Path

from .errors import OutputError

# The kinds of files that there are, told by their suffix.
PICTURES = (".png", ".webp")
FILMS = (".gif", ".mp4")
LATENTS = (".npy", ".npz", ".safetensors")


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


def check_file(path: Path, suffixes: tuple[str, ...]) -> str:
    """Whether a file of one of these kinds can be written there; returns its suffix, in lower case.

    Raises:
        OutputError: it has another suffix, is a folder, or is in no folder.
    """
    if path.is_dir():
        raise OutputError(f"{path}: it is a folder; give the name of a file")
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise OutputError(f"{path}: which file to write is told by its suffix; give one of {', '.join(suffixes)}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; make it first")
    return suffix
