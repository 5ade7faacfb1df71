"""However the editor ends, the session is on disk, no process stays, and the terminal is as it was."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from draggan_engine.critters import landmarks_of_seed
from draggan_tui.benchmarks.processes import is_alive
from tests.support.keys import endless_drag, open_picture, place_pair, read_session, session_directory
from tests.support.terminal import RESTORED, Terminal

NOSE = landmarks_of_seed(42, 256)["nose_tip"]
TARGET = (NOSE[0] + 24, NOSE[1])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_between_drags_saves_and_restores(tmp_path: Path, number: int, status: int) -> None:
    with Terminal(directory=tmp_path) as terminal:
        open_picture(terminal)
        terminal.send("\r")
        terminal.wait_for("target?")
        engine = terminal.engine_pid
        terminal.signal(number)
        assert terminal.wait() == status
        assert RESTORED in terminal.raw
        assert not is_alive(engine)
        assert len(read_session(tmp_path)["pairs"]) == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_during_a_drag_keeps_what_was_reached(tmp_path: Path, number: int, status: int) -> None:
    with Terminal(directory=tmp_path) as terminal:
        open_picture(terminal)
        endless_drag(terminal)
        engine = terminal.engine_pid
        terminal.signal(number)
        assert terminal.wait() == status
        assert RESTORED in terminal.raw
        assert not is_alive(engine)
    _assert_stopped_drag_is_on_disk(tmp_path)


def test_a_lost_connection_keeps_what_was_reached(tmp_path: Path) -> None:
    with Terminal(directory=tmp_path) as terminal:
        open_picture(terminal)
        endless_drag(terminal)
        engine = terminal.engine_pid
        terminal.hang_up()
        assert terminal.wait() == 129
        terminal.wait_for(lambda: not is_alive(engine))
    _assert_stopped_drag_is_on_disk(tmp_path)


def test_quitting_during_a_drag_keeps_what_was_reached(tmp_path: Path) -> None:
    with Terminal(directory=tmp_path) as terminal:
        open_picture(terminal)
        endless_drag(terminal)
        terminal.send("q")
        assert terminal.wait() == 0
        assert "not on disk" not in terminal.text()
    _assert_stopped_drag_is_on_disk(tmp_path)


def _assert_stopped_drag_is_on_disk(directory: Path) -> None:
    (drag,) = read_session(directory)["drags"]
    assert drag["reason"] == "stopped" and drag["steps"] > 0
    session = session_directory(directory)
    assert len((session / "drag-001/events.jsonl").read_text().splitlines()) == drag["steps"]
    for name in ("drag-001/latents.safetensors", "final.png", "drag-001/final.png"):
        assert (session / name).stat().st_size > 0


def test_a_killed_engine_is_offered_again_and_nothing_is_lost(tmp_path: Path) -> None:
    with Terminal(directory=tmp_path) as terminal:
        open_picture(terminal)
        terminal.send("9] ")  # a mask, toggled under a larger brush
        terminal.wait_for("may move")
        endless_drag(terminal)
        before = read_session(tmp_path)
        mask = (session_directory(tmp_path) / "mask.png").read_bytes()
        engine, output_length = terminal.engine_pid, len(terminal.raw)

        os.kill(engine, signal.SIGKILL)
        terminal.wait_for(lambda: b"ended unexpectedly" in terminal.raw[output_length:])
        terminal.wait_for("r  restart it")

        terminal.send("r")
        terminal.wait_for("device  cpu")
        assert terminal.engine_pid != engine
        assert "may move" in terminal.text() and "▸1 " in terminal.text()
        output_length = len(terminal.raw)
        terminal.send("d")
        terminal.wait_for(lambda: b"steps/s" in terminal.raw[output_length:])
        terminal.send("d")
        terminal.wait_for("drag 2 stopped")  # what the killed one had written is left alone

        after = read_session(tmp_path)
        assert after["mask"] == "mask.png" and (session_directory(tmp_path) / "mask.png").read_bytes() == mask
        (pair,), (dragged,) = before["pairs"], after["drags"][0]["pairs"]
        assert (dragged["handle"], dragged["target"]) == (pair["handle"], pair["target"])


def test_a_killed_engine_takes_no_finished_drag_with_it(tmp_path: Path) -> None:
    with Terminal(directory=tmp_path) as terminal:
        open_picture(terminal)
        place_pair(terminal, NOSE, TARGET)
        terminal.send("d")
        terminal.wait_for(lambda: "drag 1 reached" in terminal.text() or "drag 1 ended" in terminal.text())
        os.kill(terminal.engine_pid, signal.SIGKILL)
        terminal.wait_for("r  restart it")
        terminal.send("r")
        terminal.wait_for("device  cpu")
        # The next drag goes on from the first one's picture.
        terminal.send("J\rK\r.")
        terminal.wait_for(lambda: len(read_session(tmp_path)["drags"]) == 2)
        assert read_session(tmp_path)["drags"][1]["start"] == 1


def test_leaving_with_everything_saved_asks_nothing(tmp_path: Path) -> None:
    with Terminal(directory=tmp_path) as terminal:
        open_picture(terminal)
        place_pair(terminal, NOSE, TARGET)
        terminal.send("q")
        assert terminal.wait() == 0
        assert b"not on disk" not in terminal.raw
        assert len(read_session(tmp_path)["pairs"]) == 1


def test_looking_at_pictures_leaves_nothing_behind(tmp_path: Path) -> None:
    with Terminal(directory=tmp_path) as terminal:
        open_picture(terminal)
        terminal.send("n")
        terminal.wait_for("seed  43")
        terminal.send("q")
        assert terminal.wait() == 0
        assert not (tmp_path / "draggan-out").exists()


def test_an_impossible_folder_is_said_and_the_edit_is_kept(tmp_path: Path) -> None:
    with Terminal("--out", "taken/session", directory=tmp_path) as terminal:
        open_picture(terminal)
        (tmp_path / "taken").write_text("a file\n")
        terminal.send("\r")
        terminal.wait_for("taken is a file")
        terminal.send("\x1b")
        terminal.wait_for(lambda: "cannot be saved" not in terminal.text())
        terminal.send("q")
        terminal.wait_for("not on disk")
        terminal.send("n")
        terminal.wait_for(lambda: "not on disk" not in terminal.text())
        assert "▸1 " in terminal.text()
        terminal.send("q")
        terminal.wait_for("not on disk")
        terminal.send("y")
        assert terminal.wait() == 0


def test_a_full_disk_is_said_and_what_a_drag_made_can_be_saved_later(tmp_path: Path) -> None:
    # Files of at most 8 KiB: the document fits, latents and pictures do not.
    with Terminal(directory=tmp_path, largest_file=8192) as terminal:
        open_picture(terminal)
        place_pair(terminal, NOSE, TARGET)
        terminal.send("d")
        terminal.wait_for("cannot be saved")
        terminal.wait_for("File too large")
        terminal.send("\x1b")
        terminal.wait_for(lambda: "cannot be saved" not in terminal.text())
        terminal.send("q")
        terminal.wait_for("not on disk")
        terminal.send("n")
        terminal.wait_for(lambda: "not on disk" not in terminal.text())

        resource.prlimit(terminal.engine_pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        terminal.send("s")
        terminal.wait_for("saved to ")
        terminal.send("q")
        assert terminal.wait() == 0
    session = session_directory(tmp_path)
    assert read_session(tmp_path)["latent"] == 1
    for name in ("drag-001/steps.safetensors", "initial.png", "final.png"):
        assert (session / name).stat().st_size > 8192
    assert not list(session.rglob("*.part"))
