"""A session whose place cannot be written: that is said as soon as it is known, and another directory takes all of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from draggan_engine.storage.session_lock import is_session_open
from draggan_engine.storage.session_manifest import read_history, read_manifest
from tests.support.keys import LOADED, place_pair
from tests.support.terminal import Terminal
from tests.support.tiny_models import save_tiny

CANNOT = "This session cannot be saved"
CLEAR = "\x15"  # Ctrl-U


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "tiny.safetensors")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs to mount a file system")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def words(terminal: Terminal) -> str:
    """What the dialog says, without its frame, and without spaces: long paths are folded anywhere."""
    return "".join(re.findall(r"[^\s│▀]+", terminal.text()))


def choose(terminal: Terminal, directory: str) -> None:
    terminal.wait_for(CANNOT)
    terminal.send(f"{directory}\r")  # the first letter replaces what is suggested
    terminal.wait_for(lambda: CANNOT not in terminal.text())


def quit_saved(terminal: Terminal, directory: str) -> None:
    terminal.send("q")
    assert terminal.wait() == 0
    assert f"draggan-tui open {directory}\r\n".encode() in terminal.raw


def test_a_place_that_cannot_be_written_is_said_at_the_start(model: Path, tmp_path: Path) -> None:
    (tmp_path / "draggan-out").write_text("a file where sessions should go\n")
    with Terminal("--model", str(model), directory=tmp_path) as terminal:
        terminal.wait_for(CANNOT)
        terminal.send("tiny.safetensors/s\r")  # no better
        terminal.wait_for(lambda: "tiny.safetensorsisafile" in words(terminal))
        terminal.send(CLEAR)
        terminal.wait_for("path of a directory")  # what stands there while the line is empty
        choose(terminal, "s")
        assert not (tmp_path / "s").exists()  # nothing has been made yet
        place_pair(terminal, (4, 4), (20, 20))
        terminal.wait_for(lambda: (tmp_path / "s" / "session.json").exists())
        quit_saved(terminal, "s")
    assert len(read_manifest(tmp_path / "s").pairs) == 1


def test_a_chosen_place_that_cannot_be_written_ends_the_start(model: Path, tmp_path: Path) -> None:
    with Terminal("--model", str(model), "--out", "/sys/draggan", directory=tmp_path, size=(120, 24)) as terminal:
        assert terminal.wait() == 1
        assert "draggan-tui: /sys/draggan could not be written" in terminal.text()
        assert "choose a directory that you may write to" in terminal.text()


def test_a_session_on_a_disk_that_has_become_full_goes_on_elsewhere(model: Path, disk: Path, tmp_path: Path) -> None:
    with Terminal("--model", str(model), "--out", "disk/s", directory=tmp_path) as terminal:
        terminal.wait_for(LOADED)
        place_pair(terminal, (4, 4), (20, 20))
        terminal.send(".")
        terminal.wait_for("drag 1: 1 step")  # until then, points cannot be placed
        terminal.wait_for(lambda: (disk / "s/drag-001/final.png").exists())
        terminal.wait_for(lambda: read_manifest(disk / "s").drag_count == 1)
        with suppress(OSError), (disk / "large").open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        terminal.send("40j\r10l\r")
        terminal.wait_for(CANNOT)
        assert "Nospaceleftondevice);freesomespace" in words(terminal)
        choose(terminal, "elsewhere")
        terminal.wait_for(lambda: len(read_manifest(tmp_path / "elsewhere").pairs) == 2)
        assert is_session_open(tmp_path / "elsewhere") and not is_session_open(disk / "s")
        terminal.send("u")
        terminal.wait_for("target?")
        quit_saved(terminal, "elsewhere")
    history = read_history(tmp_path / "elsewhere", read_manifest(tmp_path / "elsewhere"))
    assert [record.number for record in history.drag_records] == [1]
    names = {path.name for path in (tmp_path / "elsewhere/drag-001").iterdir()}
    assert names == {"drag.json", "events.jsonl", "final.png", "latents.safetensors", "steps.safetensors"}


def test_who_stays_is_asked_again_by_saving_and_by_quitting(model: Path, tmp_path: Path) -> None:
    with Terminal("--model", str(model), "--out", "taken/session", directory=tmp_path) as terminal:
        terminal.wait_for(LOADED)
        (tmp_path / "taken").write_text("a file\n")
        terminal.send("\r")
        terminal.wait_for(CANNOT)
        assert "takenisafile" in words(terminal)
        terminal.send("\x1b")
        terminal.wait_for(lambda: CANNOT not in terminal.text())
        terminal.send("s")
        terminal.wait_for(CANNOT)
        terminal.send("\x1b")
        terminal.wait_for(lambda: CANNOT not in terminal.text())
        terminal.send("q")
        terminal.wait_for("not on disk")
        terminal.send("d")
        choose(terminal, "s")
        terminal.wait_for(lambda: (tmp_path / "s" / "session.json").exists())
        quit_saved(terminal, "s")


def test_a_session_that_may_only_be_read_opens_and_says_so(model: Path, disk: Path, tmp_path: Path) -> None:
    with Terminal("--model", str(model), "--out", "disk/s", directory=tmp_path) as terminal:
        terminal.wait_for(LOADED)
        place_pair(terminal, (4, 4), (20, 20))
        terminal.wait_for(lambda: (disk / "s" / "session.json").exists())
        terminal.send("q")
        assert terminal.wait() == 0
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with Terminal("open", "disk/s", directory=tmp_path) as terminal:
        terminal.wait_for(CANNOT)
        assert "couldnotbewritten(Read-only" in words(terminal)
        choose(terminal, "copy")
        terminal.wait_for(lambda: (tmp_path / "copy" / "session.json").exists())
        quit_saved(terminal, "copy")
    assert read_history(tmp_path / "copy", read_manifest(tmp_path / "copy")) == read_history(
        disk / "s", read_manifest(disk / "s")
    )
