"""Directories of evaluation runs of an earlier version: their report is made again, and a run that was killed is continued."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.golden.user import GOLDEN, User

RUNS = {  # directory: model, cases
    "short": ("golden-stylegan2", "2"),
    "finished": ("critters-128", "1"),
}


def evaluate(user: User, name: str) -> None:
    model, cases = RUNS[name]
    user.run("eval", "all", "--n", cases, "--methods", "no edit", "--methods", "drag", "--model", model, "--device", "cpu", "--out", name)  # fmt: skip


def copy_run(user: User, name: str) -> Path:
    user.install_models()
    return Path(shutil.copytree(GOLDEN / "evaluation" / name, user.directory / name))


def figures_of(report: str) -> list[list[str]]:
    """The numbers in each row of the report's tables, without the head of each table."""
    lines = report.splitlines()
    rows = [line for line, following in zip(lines, [*lines[1:], ""], strict=True) if not following.startswith("| --")]
    return [re.findall(r"\d+(?:\.\d+)?", row) for row in rows if row.startswith("|") and not row.startswith("| --")]


def is_subsequence(short_row: list[str], long_row: list[str]) -> bool:
    remaining = iter(long_row)
    return all(figure in remaining for figure in short_row)


def places_of(rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], set[str]]:
    """What the rows are about, and which values they have."""
    fields = ("chunk", "size", "index", "experiment", "group", "method", "case")
    return {tuple(row[field] for field in fields): set(row["values"]) for row in rows}


@pytest.mark.parametrize("name", RUNS)
def test_the_report_of_a_finished_run_is_made_again(user: User, name: str) -> None:
    run = copy_run(user, name)
    rows, report = (run / "rows.jsonl").read_bytes(), (run / "report.md").read_text()
    (run / "report.md").unlink()
    evaluate(user, name)
    assert (run / "rows.jsonl").read_bytes() == rows  # nothing was computed
    new_rows, old_rows = figures_of((run / "report.md").read_text()), figures_of(report)
    assert len(old_rows) >= 3
    for old_row in old_rows:  # a report may have got further figures
        assert any(is_subsequence(old_row, new_row) for new_row in new_rows), old_row


def test_a_run_that_was_killed_is_continued(user: User) -> None:
    run = copy_run(user, "short")
    lines = (run / "rows.jsonl").read_text().splitlines(keepends=True)
    last = json.loads(lines[-1])
    assert last["size"] == 2
    (run / "rows.jsonl").write_text("".join(lines[:-1]) + lines[-1][:40])  # the chunk is not whole
    (run / "report.md").unlink()
    evaluate(user, "short")
    continued = (run / "rows.jsonl").read_text().splitlines(keepends=True)
    assert continued[: len(lines) - 2] == lines[:-2]
    new_places, old_places = (places_of(list(map(json.loads, row_lines))) for row_lines in (continued, lines))
    assert new_places.keys() == old_places.keys() and len(continued) == len(lines)
    assert all(old_places[place] <= values for place, values in new_places.items())  # there may be further figures
    assert (run / "report.md").exists()
