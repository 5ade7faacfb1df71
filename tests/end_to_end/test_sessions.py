"""Earlier sessions: list them, and continue them where they were left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.commands import run_here
from tests.support.keys import session_with_drags
from tests.support.terminal import Terminal

PAIR = ("--pair", "67,71:75,71")


@pytest.fixture(scope="module")
def closed_session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a session "a" that was closed after one drag with a mask."""
    directory = tmp_path_factory.mktemp("sessions")
    mask = np.zeros((128, 128), np.uint8)
    mask[20:110, 10:120] = 255
    Image.fromarray(mask).save(directory / "head.png")
    with pytest.MonkeyPatch.context() as patch:
        status, _, problem = run_here(
            patch, "drag", *PAIR, "--steps", "5", "--mask", "head.png", "--out", "a", directory=directory
        )
    assert status == 0, problem
    return directory


@pytest.fixture
def directory(closed_session: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(closed_session, tmp_path / "work"))


def test_the_last_sessions_are_listed(closed_session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_here(monkeypatch, "drag", *PAIR, "--steps", "1", "--seed", "7", "--out", "b", directory=closed_session)
    status, out, _ = run_here(monkeypatch, "sessions", directory=closed_session)
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith("critters-256  seed 7, 1 drag, 1 pair  ")
    assert [line for line in lines if "open" in line] == ["draggan-tui open b", "draggan-tui open a"]
    listed = json.loads(run_here(monkeypatch, "sessions", "--json", directory=closed_session)[1])
    assert [Path(session["folder"]).name for session in listed] == ["b", "a"]
    listed = json.loads(run_here(monkeypatch, "sessions", "--json", "--limit", "1", directory=closed_session)[1])
    assert [(session["seed"], session["drags"]) for session in listed] == [(7, 1)]
    shutil.rmtree(closed_session / "b")
    assert "open b" not in run_here(monkeypatch, "sessions", directory=closed_session)[1]


def test_an_empty_list_of_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, problem = run_here(monkeypatch, "sessions", directory=tmp_path)
    assert (status, out, problem.count("\n")) == (0, "", 1)
    assert "no sessions yet" in problem
    assert run_here(monkeypatch, "sessions", "--json", directory=tmp_path)[1] == "[]\n"


def test_the_command_that_opens_a_session_is_one_line_in_a_narrow_terminal_too(directory: Path) -> None:
    """This compares the output, not the screen, because a line that the terminal wraps is copied as one line."""
    long_path = directory / ("a long name " * 5).strip()
    (directory / "a").rename(long_path)
    (directory / "home/state/draggan-tui/sessions").write_text(f"{long_path}\n")
    with Terminal("sessions", directory=directory, size=(40, 24)) as terminal:
        assert terminal.wait() == 0
        lines = bytes(terminal.raw).decode().splitlines()
    assert f"draggan-tui open '{long_path.name}'" in lines


def test_open_opens_the_last_session_and_quitting_prints_how_to_continue(directory: Path) -> None:
    (directory / "home/state/draggan-tui/sessions").unlink()
    with Terminal("open", directory=directory) as terminal:
        assert terminal.wait() == 2
        assert "no session to open yet" in terminal.text()
    with Terminal("--model", "critters-128", "--out", "my s", directory=directory, size=(40, 24)) as terminal:
        terminal.wait_for("Enter place")
        terminal.send("\r")
        terminal.wait_for(lambda: (directory / "my s/session.json").exists())
        terminal.send("q")
        assert terminal.wait() == 0
        after = bytes(terminal.raw).decode().rpartition("\x1b[?1049l")[2]
    assert "saved; to continue: draggan-tui open 'my s'\r\n" in after
    with Terminal("open", directory=directory) as terminal:
        terminal.wait_for("opened the session in my s")
        terminal.send("q")
        assert terminal.wait() == 0
        assert "to continue" not in bytes(terminal.raw).decode().rpartition("\x1b[?1049l")[2]  # nothing was changed


def session(directory: Path) -> dict[str, Any]:
    return session_with_drags(directory / "a")


def test_a_session_is_continued(directory: Path) -> None:
    before = session(directory)
    with Terminal("open", "a", directory=directory) as terminal:
        terminal.wait_for("opened the session in a")
        terminal.wait_for("after drag 1")
        assert "60% may move" in terminal.text()
        assert " 75  71" in terminal.text()
        terminal.send("d")
        terminal.wait_for("drag 2")
        terminal.wait_for(
            lambda: (directory / "a" / "drag-002" / "final.png").exists() and "DRAG" not in terminal.text()
        )
        terminal.send("q")
        assert terminal.wait() == 0
    after = session(directory)
    assert [drag["number"] for drag in after["drags"]] == [1, 2]
    assert after["drags"][0] == before["drags"][0]
    assert after["drags"][1]["start"] == 1
    assert after["created"] == before["created"]
    assert after["settings"] == before["settings"]


def change_manifest(directory: Path, **fields: object) -> None:
    path = directory / "a" / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema_version": 99}, "schema version is 99"),
        ({"psi": "much"}, "psi"),
        ({"model": {"name": "gone", "sha256": "0" * 64, "path": "/no/such/gone.pkl"}}, "--model"),
        ({"model": {"name": "gone", "sha256": None}}, "--model"),
    ],
)
def test_a_session_that_cannot_be_opened_is_refused(fields: dict[str, object], message: str, directory: Path) -> None:
    change_manifest(directory, **fields)
    with Terminal("open", "a", directory=directory) as terminal:
        assert terminal.wait() == 2
        assert message in terminal.text().replace("\n", "")
    with Terminal("open", "nothing", directory=directory) as terminal:
        assert terminal.wait() == 2


def test_open_needs_a_terminal(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, _, problem = run_here(monkeypatch, "open", "a", directory=directory)
    assert (status, problem.count("\n")) == (2, 1)


def test_a_session_of_an_earlier_version_finds_its_model_by_name(directory: Path) -> None:
    change_manifest(directory, model={"name": "critters-256", "sha256": None})
    with Terminal("open", "a", directory=directory) as terminal:
        terminal.wait_for("after drag 1")
        terminal.send("q")
        assert terminal.wait() == 0
