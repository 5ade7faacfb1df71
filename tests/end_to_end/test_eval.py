"""`draggan-tui eval` as a user runs it: progress, report, refusals, and a run that is killed and continued."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from draggan_tui.benchmarks.processes import child_processes, is_alive, isolated_environment
from tests.support.paths import FIXTURES
from tests.support.patience import PATIENCE
from tests.support.terminal import PROGRAM

CHECKPOINTS = FIXTURES / "checkpoints"
SHORT = (
    "eval",
    "landmarks",
    "--n",
    "1",
    "--methods",
    "no edit",
    "--methods",
    "drag",
    "--model",
    "critters-128",
    "--out",
    "run",
)


DLIB_REFUSAL = (
    "'sg2_flat_32': no face was detected in 50 of its images|the detector dlib: dlib or its predictor of landmarks is not "
    "installed"
)


def command(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments], cwd=directory, env=isolated_environment(directory), capture_output=True, text=True
    )


def told(path: Path) -> list[dict[str, object]]:
    """Return the rows without their times, sorted."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["values"].pop("seconds", None)
    return sorted(rows, key=lambda row: (row["chunk"], row["index"]))


def test_a_run_is_killed_and_continued_and_writes_its_report(tmp_path: Path) -> None:
    first = subprocess.Popen(
        [PROGRAM, *SHORT], cwd=tmp_path, env=isolated_environment(tmp_path), stderr=subprocess.PIPE, text=True
    )
    assert first.stderr is not None
    assert first.stderr.readline().startswith("draggan-tui: left out: RAFT") or first.stderr.readline()
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "run/rows.jsonl").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = [pid for pid in child_processes(first.pid) if is_alive(pid)]
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stderr.close()
    deadline = time.monotonic() + PATIENCE
    while any(map(is_alive, workers)):  # none of them outlives the run
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kept = told(tmp_path / "run/rows.jsonl")

    second = command(*SHORT, directory=tmp_path)
    assert second.returncode == 0, second.stderr
    assert second.stdout == "run/report.md\n"
    assert "6/6 landmarks/" in second.stderr and "left" in second.stderr
    rows = told(tmp_path / "run/rows.jsonl")
    assert len(rows) == 6 and all(row in rows for row in kept)
    report = (tmp_path / "run/report.md").read_text()
    assert "`draggan-tui eval landmarks --n 1 --methods 'no edit' --methods drag" in report
    assert "| drag" in report and "68 points" in report

    model = ("--model", "critters-128")
    fewer = command("eval", "landmarks", "--n", "1", "--methods", "drag", *model, "--out", "run", directory=tmp_path)
    assert fewer.returncode == 0, fewer.stderr
    assert (
        "--methods 'no edit' --methods drag" in (tmp_path / "run/report.md").read_text()
    )  # all methods in the directory

    whole = command(*SHORT[:-1], "other", directory=tmp_path)
    assert whole.returncode == 0
    assert told(tmp_path / "other/rows.jsonl") == rows
    chunks = [line for line in whole.stderr.splitlines() if "/6 " in line]
    drags = [index for index, line in enumerate(chunks) if "/drag/" in line]
    assert len(chunks) == 6  # the remaining time is printed from the first drag on
    assert [" left" in line for line in chunks] == [index >= drags[0] for index in range(6)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mask",), "the experiment mask needs images whose landmarks are known, and those of 'sg2_flat_32' are not"),
        (("paired", "--methods", "magic"), "there is no method 'magic'; choose from no edit, drag"),
        (
            ("landmarks", "--detector", "dlib"),
            "the detector dlib needs a predictor of landmarks that was trained on the data set iBUG 300-W, whose licence "
            "excludes commercial use; if that suits your use, add --accept-licence",
        ),
        (("landmarks", "--detector", "dlib", "--accept-licence"), DLIB_REFUSAL),
    ],
)
def test_an_impossible_experiment_or_method_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = command(
        "eval", *arguments, "--model", str(CHECKPOINTS / "sg2_flat_32.pkl"), "--out", "run", directory=tmp_path
    )
    assert done.returncode == 2
    assert re.match(f"draggan-tui: ({message})", done.stderr.splitlines()[-1])
    assert not (tmp_path / "run").exists()


def test_a_model_without_landmarks_runs_the_experiments_that_need_none(tmp_path: Path) -> None:
    model = str(CHECKPOINTS / "sg2_flat_32.pkl")
    done = command("eval", "all", "--n", "1", "--methods", "drag", "--model", model, "--out", "run", directory=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "sg2_flat_32: the landmarks of its images are not known, so only paired and tracking can be run" in done.stderr
    )
    report = (tmp_path / "run/report.md").read_text()
    assert "## Paired reconstruction" in report and "## Tracking" in report and "## Landmarks" not in report
