"""Other processes, as Linux describes them in /proc, and the environment to start them in."""

from __future__ import annotations

import os
import re
from pathlib import Path

PROC = Path("/proc")
KEPT_VARIABLES = (
    "PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY",
)  # fmt: skip


def isolated_environment(home: Path, colorterm: str = "truecolor") -> dict[str, str]:
    """Return the environment of a program that must not see the user's own directories and settings."""
    directories = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "CACHE", "DATA", "STATE")}
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {
        **kept,
        **directories,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": colorterm,
    }


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    try:
        return _stat_fields(pid)[0] not in "ZX"
    except OSError:
        return False


def child_processes(parent_pid: int) -> list[int]:
    """Return the ids of the processes that a process has started."""
    child_pids = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            ppid = int(_stat_fields(int(entry.name))[1])
        except OSError:
            continue
        if ppid == parent_pid:
            child_pids.append(int(entry.name))
    return child_pids


def peak_process_memory(pid: int) -> float:
    """Return the most memory that a process has had (VmHWM), in MB.

    Raises:
        OSError: there is no such process.
    """
    match = re.search(r"VmHWM:\s+(\d+) kB", (PROC / str(pid) / "status").read_text())
    return int(match[1]) * 1024 / 1e6 if match else 0.0


def _stat_fields(pid: int) -> list[str]:
    """Return the fields state, parent, … of proc(5), which stand after a name that may contain anything."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
