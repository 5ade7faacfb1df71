"""Other processes, as Linux describes them in /proc, and the environment to start them in."""

from __future__ import annotations

import os
import re
from pathlib import Path

PROC = Path("/proc")
KEPT_VARIABLES = (
    "PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY",
)  # fmt: skip


def isolated_environment(home_directory: Path, colorterm: str = "truecolor") -> dict[str, str]:
    """Return the environment of a program that must not see the user's own directories and settings."""
    user_directories = {
        f"XDG_{name}_HOME": str(home_directory / name.lower()) for name in ("CONFIG", "CACHE", "DATA", "STATE")
    }
    kept_variables = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {
        **kept_variables,
        **user_directories,
        "HOME": str(home_directory),
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
    for process_directory in PROC.iterdir():
        if not process_directory.name.isdigit():
            continue
        try:
            ppid = int(_stat_fields(int(process_directory.name))[1])
        except OSError:
            continue
        if ppid == parent_pid:
            child_pids.append(int(process_directory.name))
    return child_pids


def peak_process_memory(pid: int) -> float:
    """Return the most memory that a process has had (VmHWM), in MB.

    Raises:
        OSError: there is no such process.
    """
    memory_match = re.search(r"VmHWM:\s+(\d+) kB", (PROC / str(pid) / "status").read_text())
    return int(memory_match[1]) * 1024 / 1e6 if memory_match else 0.0


def _stat_fields(pid: int) -> list[str]:
    """Return the fields state, parent, … of proc(5), which stand after a name that may contain anything."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
