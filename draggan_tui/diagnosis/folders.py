"""The directories that the program writes to, and whether the system ends processes at logout."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from draggan_engine.core.errors import StorageError
from draggan_engine.storage import user_directories
from draggan_engine.storage.output_paths import DEFAULT_OUTPUT_DIRECTORY, check_writable
from draggan_tui.diagnosis.finding import Finding

_SETTING = re.compile(r"^\s*KillUserProcesses\s*=\s*(\S+)", re.MULTILINE)


def folder_findings() -> Iterator[Finding]:
    """Yield one finding for each directory."""
    yield _folder_finding(
        "sessions", DEFAULT_OUTPUT_DIRECTORY.absolute(), "new sessions cannot be saved here",
        "change to another directory, or give one: draggan-tui --out DIR", is_needed=True,
    )  # fmt: skip
    directories = (
        (
            "configuration",
            user_directories.config_directory(),
            "XDG_CONFIG_HOME",
            "a new configuration cannot be written",
        ),
        ("models", user_directories.data_directory(), "XDG_DATA_HOME", "models cannot be downloaded or imported"),
        (
            "cache",
            user_directories.cache_directory(),
            "XDG_CACHE_HOME",
            "models of other programs are converted each time",
        ),
        ("state", user_directories.state_directory(), "XDG_STATE_HOME", "the list of the last sessions is not kept"),
    )
    for topic, directory, variable, consequence in directories:
        fix = f"export {variable}=DIR with a directory that you may write to"
        yield _folder_finding(topic, directory, consequence, fix, is_needed=False)


def _folder_finding(topic: str, directory: Path, consequence: str, fix: str, *, is_needed: bool) -> Finding:
    try:
        check_writable(directory)
    except StorageError as write_error:
        return Finding(topic, "problem" if is_needed else "hint", f"{write_error}: {consequence}", fix)
    return Finding(topic, "ok", shlex.quote(str(directory)))


def logout_finding(root: Path = Path("/")) -> Finding | None:
    """Return a hint if systemd ends a user's processes at logout; None if it does not.

    Args:
        root: the directory that holds etc, run and usr.
    """
    value = "no"
    for path in _logind_files(root):
        try:
            values = _SETTING.findall(path.read_text(errors="replace"))
        except OSError:
            continue
        value = values[-1].lower() if values else value
    if value not in ("yes", "true", "on", "1"):
        return None
    return Finding(
        "logout", "hint", "systemd ends all your processes when you log out (KillUserProcesses), also tmux and what runs in it",
        "start tmux by: systemd-run --scope --user tmux",
    )  # fmt: skip


def _logind_files(root: Path) -> Iterator[Path]:
    """Yield the files of systemd-logind's configuration, those that count more later."""
    yield root / "usr/lib/systemd/logind.conf"
    yield root / "etc/systemd/logind.conf"
    for directory in ("usr/lib", "run", "etc"):
        try:
            yield from sorted((root / directory / "systemd/logind.conf.d").glob("*.conf"))
        except OSError:
            continue
