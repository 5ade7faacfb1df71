"""How many processors a process may use: those that it may run on, and the share of them that its container grants.

The quota of a cgroup is in `cpu.max` (version 2) or in `cpu.cfs_quota_us` and `cpu.cfs_period_us` (version 1), of its own
directory or of one above it. https://docs.kernel.org/admin-guide/cgroup-v2.html, …/scheduler/sched-bwc.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUPS = Path("sys/fs/cgroup")


def usable_processors(root: Path = Path("/")) -> int:
    """Return how many threads can run at a time, at least 1.

    A part of a processor does not count: a thread too many has them all wait for the next period.

    Args:
        root: where /proc and /sys are.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([float(count), *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Yield each limit that holds for this process, in processors."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if hierarchy == "0":
            directories = [root / CGROUPS, root / CGROUPS / "unified"]
        elif "cpu" in controllers.split(","):
            directories = [root / CGROUPS / controllers, root / CGROUPS / "cpu"]
        else:
            continue
        for directory in directories:
            for group in _with_parents(path):
                quota = _quota(directory / group)
                if quota is not None:
                    yield quota


def _with_parents(path: str) -> Iterator[str]:
    """Yield a cgroup's path and those above it, relative to the mount; a container may show the host's path but mount
    its own cgroup at the top."""
    cgroup = PurePosixPath(path.lstrip("/"))
    if ".." not in cgroup.parts:  # else it lies above what is mounted here
        yield str(cgroup)
    yield from map(str, cgroup.parents)


def _quota(directory: Path) -> float | None:
    """Return the limit that a cgroup's directory names, in processors; None: it names none."""
    try:
        if (directory / "cpu.max").exists():
            quota, period = (directory / "cpu.max").read_text().split()
        else:
            quota = (directory / "cpu.cfs_quota_us").read_text().strip()
            period = (directory / "cpu.cfs_period_us").read_text().strip()
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
