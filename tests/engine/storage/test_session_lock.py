"""Whose a session is: one process at a time, and after a kill anybody's."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from draggan_engine.core.edit import Edit, PointPair
from draggan_engine.core.errors import OutputError
from draggan_engine.core.history import Revision
from draggan_engine.server.messages import Failed, Quit, Saved
from draggan_engine.storage import session_lock
from draggan_engine.storage.recent_sessions import recent_sessions
from draggan_engine.storage.session_lock import (
    LOCK_FILE,
    SessionLock,
    is_session_closing,
    is_session_open,
    remove_stale_lock,
    was_interrupted,
)
from draggan_engine.storage.session_store import SessionStore
from draggan_tui.cli.resume import interrupted_session, resume_session
from tests.support.engine_client import Engine
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE

EDIT = Edit(model="toy", pairs=(PointPair(handle=(64, 70), target=(74, 70)),))
NO_MODEL = ("--model", "critters-128", "--device", "cpu")


@pytest.fixture(autouse=True)
def _own_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def engine(folder: Path, *, resume: bool = False) -> Engine:
    return Engine(*NO_MODEL, "--resume" if resume else "--out", str(folder))


def test_a_session_is_one_processs_until_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with engine(folder) as first:
        first.save(EDIT)
        first.wait_for(Saved)
        assert is_session_open(folder) and not was_interrupted(folder) and not is_session_closing(folder)
        assert interrupted_session() is None
        with pytest.raises(OutputError, match="open in another editor; close that one first"):
            resume_session(folder, None)
        # Two editors that come at the same time: the engine of the second says so, and ends.
        with engine(folder, resume=True) as second:
            failed = second.wait_for(Failed)
            assert failed.task == "start" and "open in another editor" in failed.message
            assert "\n" not in failed.message
            assert second.process.wait(PATIENCE) == 2
        first.save(EDIT.with_source(EDIT.source.model_copy(update={"seed": 1})), change_count=2)
        assert first.wait_for(Saved).change_count == 2
        first.process.kill()
        first.process.wait()
    assert not is_session_open(folder) and was_interrupted(folder)
    offered = interrupted_session()
    assert offered is not None and offered.directory == folder and offered.edit.source.seed == 1
    with engine(folder, resume=True) as third:
        third.save(EDIT)
        third.wait_for(Saved)
        third.send(Quit())
        assert third.process.wait(PATIENCE) == 0
    assert not (folder / LOCK_FILE).exists() and interrupted_session() is None


def test_an_engine_whose_editor_is_gone_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with engine(folder) as left:
        left.save(EDIT)
        left.wait_for(Saved)
        left.process.send_signal(signal.SIGSTOP)
        left.socket.close()
        assert is_session_open(folder) and not was_interrupted(folder)
        left.process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + PATIENCE
        while not (is_session_closing(folder) or was_interrupted(folder)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        offered = interrupted_session()
        assert offered is not None and offered.directory == folder
        assert left.process.wait(PATIENCE) == 0


def test_what_was_left_behind_can_be_forgotten(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.save((Revision(id=0, edit=Edit(model="critters-128")),), 0)
    (tmp_path / "s" / LOCK_FILE).rename(tmp_path / "s" / "held")  # its lock goes along
    (tmp_path / "s" / LOCK_FILE).touch()
    assert was_interrupted(tmp_path / "s")
    remove_stale_lock(tmp_path / "s")
    remove_stale_lock(tmp_path / "s")
    assert not was_interrupted(tmp_path / "s") and interrupted_session() is None


def test_to_ask_makes_no_file(tmp_path: Path) -> None:
    assert not is_session_open(tmp_path) and not was_interrupted(tmp_path) and not is_session_closing(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_closed_to_one_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SessionStore("toy", tmp_path / "s").save((Revision(id=0, edit=Edit(model="critters-128")),), 0)
    assert [path.name for path in recent_sessions()] == ["s"]

    def closed(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", closed)
    monkeypatch.setattr(os, "stat", closed)
    assert recent_sessions() == [] and interrupted_session() is None and not was_interrupted(tmp_path / "s")


def test_several_may_ask_at_once(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).touch()
    with (tmp_path / LOCK_FILE).open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not is_session_open(tmp_path)


def test_a_file_that_its_owner_removes_meanwhile_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the opening of the file and its lock the owner ends, and takes the file away."""
    first = SessionLock(tmp_path)
    lock, owners = fcntl.flock, [first]

    def late(descriptor: int, operation: int) -> None:
        while owners:
            owners.pop().release()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    second = SessionLock(tmp_path)
    assert (tmp_path / LOCK_FILE).exists() and is_session_open(tmp_path)
    second.release()
    assert not (tmp_path / LOCK_FILE).exists()


def test_where_there_are_no_locks_a_session_is_none_the_worse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(session_lock.fcntl, "flock", unknown)
    store = SessionStore("toy", tmp_path / "s")
    store.save((Revision(id=0, edit=Edit(model="toy")),), 0)
    assert not is_session_open(tmp_path / "s")
    again = SessionStore("toy", resume=tmp_path / "s")
    again.close()
    assert not (tmp_path / "s" / LOCK_FILE).exists()


def test_where_no_file_can_be_made_a_session_is_none_the_worse(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).mkdir()
    held = SessionLock(tmp_path)
    held.mark_closing()
    held.release()
    assert not is_session_open(tmp_path) and not is_session_closing(tmp_path)
    gone = SessionLock(tmp_path / "none")
    gone.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody")
def test_a_folder_that_may_only_be_read(tmp_path: Path) -> None:
    SessionStore("toy", tmp_path / "s").save((Revision(id=0, edit=Edit(model="toy")),), 0)
    (tmp_path / "s" / LOCK_FILE).unlink()
    code = """
import os, sys
from pathlib import Path
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.session_lock import is_session_open, was_interrupted
from draggan_engine.core.errors import StorageError
os.setuid(65534)
folder = Path(".")
assert not is_session_open(folder) and not was_interrupted(folder)
store = SessionStore("toy", resume=folder)
try:
    later = store.history.change(store.edit.with_source(store.edit.source.model_copy(update={"seed": 1})))
    store.save(later.missing_from(store.history.revisions), later.current)
    raise SystemExit("it should have failed")
except StorageError as error:
    assert "history.jsonl: it could not be written (Permission denied)" in str(error), error
store.close()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "engine")}
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "s", env=environment, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
