"""Other processes, as Linux tells of them in /proc."""

from __future__ import annotations

import os
import re
from pathlib import Path

PROC = Path("/proc")
PASSED_ON = (
    "PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY",
)  # fmt: skip


def isolated_environment(home: Path, colorterm: str = "truecolor") -> dict[str, str]:
    """What a program sees that shall see nothing of the user's own directories and settings."""
    directories = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "CACHE", "DATA", "STATE")}
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {
        **kept,
        **directories,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": colorterm,
    }


def is_alive(pid: int) -> bool:
    """Whether the process runs (one that only waits to be reaped does not)."""
    try:
        return _stat(pid)[0] not in "ZX"
    except OSError:
        return False


def child_processes(pid: int) -> list[int]:
    """The processes that `pid` started."""
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int(_stat(int(entry.name))[1])
            except OSError:
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


def peak_memory(pid: int) -> float:
    """The most memory that the process has had at a time (VmHWM), in MB.

    Raises:
        OSError: there is no such process.
    """
    match = re.search(r"VmHWM:\s+(\d+) kB", (PROC / str(pid) / "status").read_text())
    return int(match[1]) * 1024 / 1e6 if match else 0.0


def _stat(pid: int) -> list[str]:
    """State, parent, … (proc(5)); the name before them may hold anything."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
