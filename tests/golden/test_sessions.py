"""Sessions of every schema version: they open, are undone to their start and redone, and are continued.

`revisions.json` says what session.json and mask.png hold at each revision, from the one that was open to the first.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.golden.user import GOLDEN, User, assert_same_image, read_image
from tests.support.keys import place_pair, steer
from tests.support.terminal import Terminal

REDO = "\x12"
SESSIONS = {
    "version-1": GOLDEN.parent / "session-1",
    "version-2": GOLDEN.parent / "session-2",
    "seed": GOLDEN / "sessions" / "seed",
    "latent": GOLDEN / "sessions" / "latent",
    "killed": GOLDEN / "sessions" / "killed",
    "methods": GOLDEN / "sessions" / "methods",
}
WITH_IMAGES = ("seed", "latent", "killed", "methods")  # the weights of the others' model are lost


def revision_of(session: Path) -> dict[str, Any]:
    """What is on the disk of the present revision, without what depends on the machine."""
    document = json.loads((session / "session.json").read_text())
    del document["schema_version"], document["model"]["path"], document["result"]
    if document["mask"] is not None:
        with Image.open(session / document["mask"]) as image:
            document["mask"] = np.packbits(np.asarray(image) == 255).tobytes().hex()
    return {"at": present_id(session), **document}


def present_id(session: Path) -> int:
    last_line = (session / "history.jsonl").read_text().splitlines()[-1]
    return int(json.loads(last_line).get("at", 0))


def modified(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def wait_until_loaded(terminal: Terminal) -> None:
    terminal.wait_for(lambda: re.search(r"cursor +\d", terminal.text()))


def move(terminal: Terminal, session: Path, key: str) -> dict[str, Any]:
    """Press a key that leads to another revision, and return that once it is saved."""
    present = present_id(session)
    terminal.send(key)
    journal, document = session / "history.jsonl", session / "session.json"
    terminal.wait_for(lambda: present_id(session) != present and modified(document) >= modified(journal))
    return revision_of(session)


def save(terminal: Terminal, session: Path) -> None:
    """Save the present revision and its image."""
    final, document = session / "final.png", session / "session.json"
    before = modified(final)
    terminal.send("s")
    terminal.wait_for(lambda: modified(document) >= modified(final) > before)


@pytest.mark.parametrize(
    ("name", "latent", "image"),
    [
        ("seed", "drag-002.after", "drag-002/final.png"),  # of a branch that was undone
        ("latent", "drag-001.after", "drag-001/final.png"),
        ("latent", "given", "initial.png"),
        ("methods", "drag-001.after", "drag-001/final.png"),
    ],
)
def test_a_latent_of_a_session_makes_the_same_image(user: User, name: str, latent: str, image: str) -> None:
    user.install_models()
    session = SESSIONS[name]
    model = json.loads((session / "session.json").read_text())["model"]["name"]
    assert_same_image(user.render("--model", model, "--latent", f"{session}#{latent}"), session / image)


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_opens_is_undone_redone_and_continued(user: User, name: str) -> None:
    user.install_models()
    golden, session = SESSIONS[name], user.directory / "session"
    shutil.copytree(golden, session)
    revisions = json.loads((GOLDEN / "sessions" / "revisions.json").read_text())[name]
    for revision in revisions:  # settings that name no method were written when there was one
        revision["settings"].setdefault("method", "draggan")
        revision["settings"].setdefault("stay", 0.4)
    with Terminal("open", "session", "--device", "cpu", directory=user.directory) as terminal:
        wait_until_loaded(terminal)
        save(terminal, session)
        assert revision_of(session) == revisions[0]
        if name in WITH_IMAGES:
            assert_same_image(read_image(session / "final.png"), golden / "final.png")

        for revision in revisions[1:]:
            assert move(terminal, session, "u") == revision
        save(terminal, session)
        if name in WITH_IMAGES:
            assert_same_image(read_image(session / "final.png"), golden / "initial.png")

        for revision in reversed(revisions[:-1]):
            assert move(terminal, session, REDO) == revision

        if name == "version-1":  # its last pair has no target yet
            steer(terminal, 20, 16)
            terminal.send("\r")
        else:
            place_pair(terminal, (16, 16), (20, 16))
        number = revisions[0]["drag_count"] + 1
        terminal.send(".")
        terminal.wait_for(lambda: present_id(session) == -number)
        result = json.loads((session / f"drag-{number:03d}" / "drag.json").read_text())
        assert (result["number"], result["steps"], result["start"]) == (number, 1, revisions[0]["latent"])
        terminal.send("q")
        assert terminal.wait() == 0


def test_redo_leads_where_the_history_says(user: User) -> None:
    """The revision that was open has two children; `onward` in the last line names the second."""
    user.install_models()
    session = user.directory / "session"
    shutil.copytree(SESSIONS["latent"], session)
    lines = (session / "history.jsonl").read_text().splitlines(keepends=True)
    while "onward" not in lines[-1]:  # as the file was before it was continued
        lines.pop()
    (session / "history.jsonl").write_text("".join(lines))
    with Terminal("open", "session", "--device", "cpu", directory=user.directory) as terminal:
        wait_until_loaded(terminal)
        save(terminal, session)
        revision = move(terminal, session, REDO)
        assert (revision["at"], revision["latent"]) == (-3, 3)
        assert revision["pairs"] == [{"handle": [24.0, 20.0], "target": [31.0, 31.0], "enabled": True}]
        terminal.send("q")
        assert terminal.wait() == 0


def test_sessions_are_listed_from_the_list_of_recent_ones(user: User) -> None:
    lines = (GOLDEN / "user" / "state" / "sessions").read_text()
    (user.state / "sessions").write_text(lines.replace("/home/ada/pictures", str(user.directory)))
    for name in ("seed", "latent"):
        shutil.copytree(SESSIONS[name], user.directory / name)
    listed = json.loads(user.run("sessions", "--json"))
    for session in listed:
        del session["changed"]
        assert session.pop("photograph") is None
    assert listed == [
        {"folder": str(user.directory / "latent"), "model": "golden-stylegan2", "seed": 42, "drags": 3},
        {"folder": str(user.directory / "seed"), "model": "golden-conditional", "seed": 3, "drags": 3},
    ]
