"""The lock of a session: one process holds it, and any other can take it after that one was killed."""

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


def engine(session_directory: Path, *, resume: bool = False) -> Engine:
    return Engine(*NO_MODEL, "--resume" if resume else "--out", str(session_directory))


def test_one_process_holds_a_session_until_it_is_killed(tmp_path: Path) -> None:
    session_directory = tmp_path / "s"
    with engine(session_directory) as first:
        first.save(EDIT)
        first.wait_for(Saved)
        assert (
            is_session_open(session_directory)
            and not was_interrupted(session_directory)
            and not is_session_closing(session_directory)
        )
        assert interrupted_session() is None
        with pytest.raises(OutputError, match="open in another editor; close that one first"):
            resume_session(session_directory, None)
        # The engine of a second editor reports that the session is open, and exits.
        with engine(session_directory, resume=True) as second:
            failed = second.wait_for(Failed)
            assert failed.task == "start" and "open in another editor" in failed.message
            assert "\n" not in failed.message
            assert second.process.wait(PATIENCE) == 2
        first.save(EDIT.with_source(EDIT.source.model_copy(update={"seed": 1})), change_count=2)
        assert first.wait_for(Saved).change_count == 2
        first.process.kill()
        first.process.wait()
    assert not is_session_open(session_directory) and was_interrupted(session_directory)
    offered_session = interrupted_session()
    assert (
        offered_session is not None
        and offered_session.directory == session_directory
        and offered_session.edit.source.seed == 1
    )
    with engine(session_directory, resume=True) as third:
        third.save(EDIT)
        third.wait_for(Saved)
        third.send(Quit())
        assert third.process.wait(PATIENCE) == 0
    assert not (session_directory / LOCK_FILE).exists() and interrupted_session() is None


def test_resuming_waits_for_an_engine_that_has_lost_its_editor(tmp_path: Path) -> None:
    session_directory = tmp_path / "s"
    with engine(session_directory) as orphaned_engine:
        orphaned_engine.save(EDIT)
        orphaned_engine.wait_for(Saved)
        orphaned_engine.process.send_signal(signal.SIGSTOP)
        orphaned_engine.socket.close()
        assert is_session_open(session_directory) and not was_interrupted(session_directory)
        orphaned_engine.process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + PATIENCE
        while not (is_session_closing(session_directory) or was_interrupted(session_directory)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        offered_session = interrupted_session()
        assert offered_session is not None and offered_session.directory == session_directory
        assert orphaned_engine.process.wait(PATIENCE) == 0


def test_a_stale_lock_can_be_removed(tmp_path: Path) -> None:
    store = SessionStore("toy", tmp_path / "s")
    store.save((Revision(id=0, edit=Edit(model="critters-128")),), 0)
    (tmp_path / "s" / LOCK_FILE).rename(tmp_path / "s" / "held")  # the lock stays with the renamed file
    (tmp_path / "s" / LOCK_FILE).touch()
    assert was_interrupted(tmp_path / "s")
    remove_stale_lock(tmp_path / "s")
    remove_stale_lock(tmp_path / "s")
    assert not was_interrupted(tmp_path / "s") and interrupted_session() is None


def test_reading_the_state_of_a_lock_creates_no_file(tmp_path: Path) -> None:
    assert not is_session_open(tmp_path) and not was_interrupted(tmp_path) and not is_session_closing(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sessions_in_closed_directories_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SessionStore("toy", tmp_path / "s").save((Revision(id=0, edit=Edit(model="critters-128")),), 0)
    assert [path.name for path in recent_sessions()] == ["s"]

    def fail_as_closed(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", fail_as_closed)
    monkeypatch.setattr(os, "stat", fail_as_closed)
    assert recent_sessions() == [] and interrupted_session() is None and not was_interrupted(tmp_path / "s")


def test_several_processes_may_read_the_state_at_once(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).touch()
    with (tmp_path / LOCK_FILE).open() as locked_file:
        fcntl.flock(locked_file, fcntl.LOCK_SH)
        assert not is_session_open(tmp_path)


def test_a_lock_file_that_its_owner_removes_is_created_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner ends and removes the file after the second process has opened it and before it locks it."""
    first = SessionLock(tmp_path)
    lock, owners = fcntl.flock, [first]

    def release_before_locking(descriptor: int, operation: int) -> None:
        while owners:
            owners.pop().release()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", release_before_locking)
    second = SessionLock(tmp_path)
    assert (tmp_path / LOCK_FILE).exists() and is_session_open(tmp_path)
    second.release()
    assert not (tmp_path / LOCK_FILE).exists()


def test_a_session_works_on_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_without_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(session_lock.fcntl, "flock", fail_without_locks)
    store = SessionStore("toy", tmp_path / "s")
    store.save((Revision(id=0, edit=Edit(model="toy")),), 0)
    assert not is_session_open(tmp_path / "s")
    resumed_store = SessionStore("toy", resume=tmp_path / "s")
    resumed_store.close()
    assert not (tmp_path / "s" / LOCK_FILE).exists()


def test_a_session_works_without_a_lock_file(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).mkdir()
    lock_without_file = SessionLock(tmp_path)
    lock_without_file.mark_closing()
    lock_without_file.release()
    assert not is_session_open(tmp_path) and not is_session_closing(tmp_path)
    lock_without_directory = SessionLock(tmp_path / "none")
    lock_without_directory.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change the user")
def test_a_session_in_a_read_only_directory_can_be_opened(tmp_path: Path) -> None:
    SessionStore("toy", tmp_path / "s").save((Revision(id=0, edit=Edit(model="toy")),), 0)
    (tmp_path / "s" / LOCK_FILE).unlink()
    code = """
import os, sys
from pathlib import Path
from draggan_engine.storage.session_store import SessionStore
from draggan_engine.storage.session_lock import is_session_open, was_interrupted
from draggan_engine.core.errors import StorageError
os.setuid(65534)
session_directory = Path(".")
assert not is_session_open(session_directory) and not was_interrupted(session_directory)
store = SessionStore("toy", resume=session_directory)
try:
    later = store.history.change(store.edit.with_source(store.edit.source.model_copy(update={"seed": 1})))
    store.save(later.missing_from(store.history.revisions), later.current)
    raise SystemExit("it should have failed")
except StorageError as error:
    assert "history.jsonl could not be written (Permission denied)" in str(error), error
store.close()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "engine")}
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "s", env=environment, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
