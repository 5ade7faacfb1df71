"""The number of usable processors follows the quota of the container, in both versions of cgroups."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from draggan_engine.core.cpu_quota import usable_processors


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def write_files(root: Path, contents: Mapping[str, str]) -> Path:
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def version_1(directory: str, quota: str, period: str = "100000") -> dict[str, str]:
    return {f"{directory}/cpu.cfs_quota_us": f"{quota}\n", f"{directory}/cpu.cfs_period_us": f"{period}\n"}


CGROUPS = "sys/fs/cgroup"
OWN_1 = "3:cpuset:/other\n2:cpu,cpuacct:/pods/one\n0::/\n"
OWN_2 = "0::/pods/one\n"


@pytest.mark.parametrize(
    ("cgroup", "contents", "expected"),
    [
        pytest.param("0::/\n", {f"{CGROUPS}/cpu.max": "50000 100000\n"}, 1, id="v2, half a processor"),
        pytest.param("0::/\n", {f"{CGROUPS}/cpu.max": "350000 100000\n"}, 3, id="v2, three and a half"),
        pytest.param("0::/\n", {f"{CGROUPS}/cpu.max": "100000 50000\n"}, 2, id="v2, another period"),
        pytest.param("0::/\n", {f"{CGROUPS}/cpu.max": "max 100000\n"}, 8, id="v2, no limit"),
        pytest.param("0::/\n", {f"{CGROUPS}/cpu.max": "6400000 100000\n"}, 8, id="v2, more than there are"),
        pytest.param(OWN_2, {f"{CGROUPS}/pods/one/cpu.max": "200000 100000\n"}, 2, id="v2, nested"),
        pytest.param(
            OWN_2,
            {f"{CGROUPS}/pods/one/cpu.max": "max 100000\n", f"{CGROUPS}/pods/cpu.max": "200000 100000\n"},
            2,
            id="v2, the parent's",
        ),
        pytest.param(
            OWN_2,
            {f"{CGROUPS}/pods/one/cpu.max": "300000 100000\n", f"{CGROUPS}/pods/cpu.max": "500000 100000\n"},
            3,
            id="v2, the smaller of two",
        ),
        pytest.param(OWN_2, {f"{CGROUPS}/cpu.max": "200000 100000\n"}, 2, id="v2, the host's path is shown"),
        pytest.param("0::/../../x\n", {f"{CGROUPS}/cpu.max": "200000 100000\n"}, 2, id="v2, above what is mounted"),
        pytest.param(OWN_1, version_1(f"{CGROUPS}/cpu,cpuacct/pods/one", "50000"), 1, id="v1, nested"),
        pytest.param(OWN_1, version_1(f"{CGROUPS}/cpu/pods/one", "250000"), 2, id="v1, mounted as cpu"),
        pytest.param(OWN_1, version_1(f"{CGROUPS}/cpu", "40000", "10000"), 4, id="v1, the host's path is shown"),
        pytest.param(OWN_1, version_1(f"{CGROUPS}/cpu/pods", "200000"), 2, id="v1, the parent's"),
        pytest.param(OWN_1, version_1(f"{CGROUPS}/cpu", "-1"), 8, id="v1, no limit"),
        pytest.param(OWN_1, version_1(f"{CGROUPS}/cpuset/other", "50000"), 8, id="v1, another controller's"),
        pytest.param(
            "1:cpu:/\n0::/pods/one\n",
            version_1(f"{CGROUPS}/cpu", "200000") | {f"{CGROUPS}/unified/pods/one/cgroup.procs": ""},
            2,
            id="both versions",
        ),
        pytest.param("0::/\n", {f"{CGROUPS}/cpu.max": "many\n"}, 8, id="malformed"),
        pytest.param("0::/\n", {f"{CGROUPS}/cpu.max": "50000 0\n"}, 8, id="no period"),
        pytest.param("nonsense\n\n0::/\n", {f"{CGROUPS}/cpu.max": "50000 100000\n"}, 1, id="malformed line"),
    ],
)
def test_the_quota_limits_the_processors(
    tmp_path: Path, cgroup: str, contents: Mapping[str, str], expected: int
) -> None:
    assert usable_processors(write_files(tmp_path, {"proc/self/cgroup": cgroup, **contents})) == expected


def test_without_cgroups_all_allowed_processors_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_processors(tmp_path) == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert usable_processors(tmp_path) == 1
