"""Processes that begin their sessions at the same moment: each gets a directory of its own or an error."""

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


def race(working_directory: Path, out: str) -> list[tuple[str, str]]:
    """Return the answers of two processes in each round, which they begin at the same moment of the machine's clock."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "engine"),
        "XDG_STATE_HOME": str(working_directory / "state"),
    }
    command = [sys.executable, "-c", PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    first, second = (subprocess.Popen(command, cwd=working_directory, env=environment, **pipes) for _ in range(2))  # type: ignore[call-overload]
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


def test_two_processes_get_different_default_directories(tmp_path: Path) -> None:
    answers = race(tmp_path, "")
    directories = [directory for pair in answers for directory in pair]
    assert max(Counter(directories).values()) == 1 and len(directories) == 2 * ROUNDS
    assert all((tmp_path / directory / "session.json").is_file() for directory in directories)


def test_one_of_two_processes_gets_the_chosen_directory_and_the_other_an_error(tmp_path: Path) -> None:
    for number, pair in enumerate(race(tmp_path, "out-{}")):
        winner, refusal = sorted(pair)
        assert winner == f"out-{number}"
        assert refusal.startswith(f"refused: out-{number}") and "give another directory" in refusal
