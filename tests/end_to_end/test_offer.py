"""The question at the start, whether to go on with a session that was not closed: each way out of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from draggan_engine.storage.session_lock import remove_stale_lock, was_interrupted
from tests.support.keys import LOADED, session_directory
from tests.support.terminal import RESTORED, Terminal
from tests.support.tiny_models import save_tiny

QUESTION = "was not closed"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory in which an editor was killed."""
    save_tiny(tmp_path / "tiny.safetensors")
    with start(tmp_path) as killed:
        killed.wait_for(LOADED)
        killed.send("\r")
        killed.wait_for("target?")
        killed.wait_for(lambda: list(tmp_path.glob("draggan-out/*/session.json")))
        killed.signal(signal.SIGKILL)
        killed.wait_for(lambda: killed.status is not None)
    yield tmp_path


def start(directory: Path) -> Terminal:
    return Terminal("--model", "tiny.safetensors", directory=directory)


def assert_left(terminal: Terminal, status: int, directory: Path) -> None:
    """The terminal is as it was, nothing but a farewell is on it, and the session is offered again."""
    assert terminal.wait() == status
    assert RESTORED in terminal.raw
    assert b"Traceback" not in terminal.raw and b"Error" not in terminal.raw
    assert was_interrupted(session_directory(directory))


def test_the_question_can_be_left_and_is_asked_again(directory: Path) -> None:
    for key in ("q", "\x03", "\x11"):
        with start(directory) as terminal:
            terminal.wait_for(QUESTION)
            terminal.send(key)
            assert_left(terminal, 0, directory)
    for number, status in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        with start(directory) as terminal:
            terminal.wait_for(QUESTION)
            terminal.signal(number)
            assert_left(terminal, status, directory)


def test_escape_begins_a_new_session_and_keeps_the_question_for_the_next_start(directory: Path) -> None:
    with start(directory) as terminal:
        terminal.wait_for(QUESTION)
        terminal.wait_for("ask again next time")
        terminal.send("\x1b")
        terminal.wait_for(LOADED)
        terminal.send("q")
        assert_left(terminal, 0, directory)
    with start(directory) as terminal:
        terminal.wait_for(QUESTION)
        terminal.send("y")
        terminal.wait_for("target?")
        terminal.send("q")
        assert terminal.wait() == 0
    assert not was_interrupted(session_directory(directory))


@pytest.mark.parametrize("awaited", [b"\x1b[?1049h", b"tiny"])
def test_a_signal_while_the_editor_opens(directory: Path, awaited: bytes) -> None:
    with start(directory) as terminal:
        terminal.wait_for(lambda: awaited in terminal.raw)
        terminal.signal(signal.SIGTERM)
        assert_left(terminal, 143, directory)
    remove_stale_lock(session_directory(directory))  # so that there is nothing to ask
    with start(directory) as terminal:
        terminal.wait_for(lambda: awaited in terminal.raw)
        terminal.signal(signal.SIGTERM)
        assert terminal.wait() == 143
        assert RESTORED in terminal.raw and b"Traceback" not in terminal.raw
