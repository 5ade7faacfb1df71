"""How many processors this process may use: those it may run on, limited by the quota of its container.

`networks/cpu_threads.py` derives from it how many threads torch uses.

The quota of a cgroup is in `cpu.max` (version 2) or in `cpu.cfs_quota_us` and `cpu.cfs_period_us` (version 1) of its own
directory or of one above it. https://docs.kernel.org/admin-guide/cgroup-v2.html, …/scheduler/sched-bwc.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUPS = Path("sys/fs/cgroup")


def usable_processors(root: Path = Path("/")) -> int:
    """Return how many threads can run at a time, at least 1.

    A fraction of a processor does not count: with one thread too many, all of them wait for the next period.

    Args:
        root: the directory that holds /proc and /sys.
    """
    allowed_processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = processor_quota(root)
    return max(1, int(allowed_processors if quota is None else min(allowed_processors, quota)))


def processor_quota(root: Path = Path("/")) -> float | None:
    """Return how many processors the container's quota allows; None if it sets none.

    Args:
        root: the directory that holds /proc and /sys.
    """
    return min(_quotas(root), default=None)


def _quotas(root: Path) -> Iterator[float]:
    """Yield each limit on this process, in processors."""
    try:
        cgroup_lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return  # not Linux
    for cgroup_line in cgroup_lines:
        hierarchy_id, _, controllers_and_path = cgroup_line.partition(":")
        controller_names, _, cgroup_path = controllers_and_path.partition(":")
        if hierarchy_id == "0":
            mount_points = [root / CGROUPS, root / CGROUPS / "unified"]
        elif "cpu" in controller_names.split(","):
            mount_points = [root / CGROUPS / controller_names, root / CGROUPS / "cpu"]
        else:
            continue
        for mount_point in mount_points:
            for relative_path in _with_parents(cgroup_path):
                processor_quota = _read_quota(mount_point / relative_path)
                if processor_quota is not None:
                    yield processor_quota


def _with_parents(cgroup_path: str) -> Iterator[str]:
    """Yield a cgroup's path and those above it, relative to the mount.

    A container may show the host's path but mount its own cgroup at the top, so all of them are tried.
    """
    relative_path = PurePosixPath(cgroup_path.lstrip("/"))
    if ".." not in relative_path.parts:  # otherwise it lies above what is mounted
        yield str(relative_path)
    yield from map(str, relative_path.parents)


def _read_quota(cgroup_directory: Path) -> float | None:
    """Return the limit in a cgroup's directory, in processors; None if it sets none."""
    try:
        if (cgroup_directory / "cpu.max").exists():
            quota_text, period_text = (cgroup_directory / "cpu.max").read_text().split()
        else:
            quota_text = (cgroup_directory / "cpu.cfs_quota_us").read_text().strip()
            period_text = (cgroup_directory / "cpu.cfs_period_us").read_text().strip()
        return None if quota_text in ("max", "-1") else int(quota_text) / int(period_text)
    except (OSError, ValueError, ZeroDivisionError):
        return None
