"""Processes that begin their sessions at the same moment: each ends with a directory of its own, or is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.support.paths import ROOT

ROUNDS = 30
PROGRAM = """
import sys
import time
from pathlib import Path
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import OutputError
from draggan_engine.core.history import Revision

for line in sys.stdin:  # a round: when it starts, and the directory, or none for the default one
    start, _, out = line.strip().partition(" ")
    store = SessionStore("toy", Path(out) if out else None)
    while time.monotonic() < float(start):
        pass
    try:
        print(store.save((Revision(id=0, edit=Edit(model="toy", seed=7)),), 0), flush=True)
    except OutputError as error:
        print(f"refused: {error}", flush=True)
"""


def race(folder: Path, out: str) -> list[tuple[str, str]]:
    """What two processes answer in each round, which they begin at the same moment of the machine's clock."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "engine"),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    command = [sys.executable, "-c", PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    first, second = (subprocess.Popen(command, cwd=folder, env=environment, **pipes) for _ in range(2))  # type: ignore[call-overload]
    answers = []
    with first, second:
        for number in range(ROUNDS):
            start = time.monotonic() + 0.03
            for process in (first, second):
                process.stdin.write(f"{start} {out.format(number)}\n")
                process.stdin.flush()
            answers.append((first.stdout.readline().strip(), second.stdout.readline().strip()))
        for process in (first, second):
            process.stdin.close()
    return answers


def test_in_the_default_place_each_has_its_own(tmp_path: Path) -> None:
    answers = race(tmp_path, "")
    directories = [directory for pair in answers for directory in pair]
    assert max(Counter(directories).values()) == 1 and len(directories) == 2 * ROUNDS
    assert all((tmp_path / directory / "session.json").is_file() for directory in directories)


def test_of_two_with_one_out_one_has_it_and_the_other_is_told(tmp_path: Path) -> None:
    for number, pair in enumerate(race(tmp_path, "out-{}")):
        winner, refused = sorted(pair)
        assert winner == f"out-{number}"
        assert refused.startswith(f"refused: out-{number}: ") and "give another directory" in refused
