"""Commands that are stopped by Ctrl-C, SIGTERM (Slurm), SIGHUP (a closed terminal) or kill -9."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from draggan_engine.core.revision_id import DragRevisionId
from draggan_engine.storage.session_manifest import read_history, read_manifest
from draggan_engine.storage.session_store import SessionStore
from scripts.template_search import load_rgb
from tests.support.commands import files_under, start
from tests.support.patience import PATIENCE
from tests.support.terminal import Terminal

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
ENDLESS = (  # the paper's method goes on for as many steps as it may; others end when the handles come no nearer
    "drag", "--model", "critters-128", "--method", "draggan", "--pair", "64,70:4,4", "--steps", "100000", "--out", "out",
)  # fmt: skip
FILES = {
    "session.json", "history.jsonl", "initial.png", "final.png", "drag-001/drag.json", "drag-001/final.png",
    "drag-001/events.jsonl", "drag-001/steps.safetensors", "drag-001/latents.safetensors",
}  # fmt: skip


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def written_steps(directory: Path) -> int:
    """Return how many steps of the drag have been written."""
    lines = directory / "out/drag-001/events.jsonl"
    return lines.read_text().count("\n") if lines.exists() else 0


def has_handler(pid: int, number: signal.Signals) -> bool:
    """Return whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", status)
    return caught is not None and bool(int(caught[1], 16) & 1 << (number - 1))


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """A list of processes that are killed after the test."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", STATUS)
def test_a_stopped_drag_writes_its_result(
    number: signal.Signals, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    process = start(*ENDLESS, "--json", directory=tmp_path)
    processes.append(process)
    wait_until(lambda: written_steps(tmp_path) >= 3, process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert (process.returncode, stderr) == (STATUS[number], "")
    report = json.loads(stdout)
    assert report["reason"] == "stopped" and report["steps"] == written_steps(tmp_path) >= 3
    assert {Path(name).relative_to("out").as_posix() for name in report["files"]} == FILES
    assert read_history(tmp_path / "out", read_manifest(tmp_path / "out")).current_revision.record is not None
    assert not (tmp_path / "out/.open").exists()  # the session was closed


def test_a_drag_whose_terminal_is_closed_writes_its_result(tmp_path: Path) -> None:
    with Terminal(*ENDLESS, directory=tmp_path) as terminal:
        terminal.wait_for(lambda: written_steps(tmp_path) >= 3)
        terminal.hang_up()
        wait_until(lambda: terminal.status is not None)
        assert terminal.status == 129
    history = read_history(tmp_path / "out", read_manifest(tmp_path / "out"))
    assert [record.reason for record in history.drag_records] == ["stopped"]
    assert (load_rgb(tmp_path / "out/final.png") != load_rgb(tmp_path / "out/initial.png")).any()


def test_a_drag_under_nohup_continues(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does; the child inherits it
    try:
        process = start(*ENDLESS, "--json", directory=tmp_path)
    finally:
        signal.signal(signal.SIGHUP, previous)
    processes.append(process)
    wait_until(lambda: written_steps(tmp_path) >= 3, process)
    process.send_signal(signal.SIGHUP)
    before = written_steps(tmp_path)
    wait_until(lambda: written_steps(tmp_path) > before + 3, process)


def test_a_killed_drag_can_be_continued(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    process = start(*ENDLESS, directory=tmp_path)
    processes.append(process)
    wait_until((tmp_path / "out/drag-001/steps.safetensors").exists, process)  # it is written every two seconds
    process.kill()
    process.wait()
    made = written_steps(tmp_path)
    with Terminal("open", "out", directory=tmp_path, size=(100, 40)) as terminal:
        terminal.wait_for("drag 1 was interrupted")
        terminal.send("q")
        assert terminal.wait(PATIENCE) == 0
    store = SessionStore("critters-128", resume=tmp_path / "out")
    assert store.history is not None and store.history.current == 0  # the first image; the drag is a branch
    record = store.history.revisions[DragRevisionId(1)].record
    assert record is not None and record.reason == "interrupted" and 0 < record.steps <= made
    store.close()


def test_a_drag_that_is_killed_at_once_leaves_a_session(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    process = start(*ENDLESS, directory=tmp_path)
    processes.append(process)
    wait_until(lambda: written_steps(tmp_path) >= 1, process)
    process.kill()
    process.wait()
    store = SessionStore("critters-128", resume=tmp_path / "out")
    assert store.edit is not None and store.edit.pairs[0].target == (4, 4)
    assert len(np.unique(load_rgb(tmp_path / "out/initial.png"))) > 50
    store.close()


COMMANDS = {
    "render": ("render", "--out", "a.png"),
    "eval": ("eval", "tracking", "--n", "1000", "--out", "run", "--model", "critters-128"),
    "bench drag": ("bench", "drag", "--steps", "100000", "--size", "64"),
    "bench start": ("bench", "start", "--rounds", "1000"),
    "models convert": ("models", "convert", "critters-256", "--out", "m.safetensors"),
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", COMMANDS)
def test_other_commands_end_without_output_or_files(
    command: str, number: signal.Signals, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    process = start(*COMMANDS[command], directory=tmp_path)
    processes.append(process)
    wait_until(lambda: has_handler(process.pid, number), process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert (process.returncode, stdout, stderr) == (STATUS[number], "", "")
    assert files_under(tmp_path) == set()


def test_an_exit_that_a_destructor_swallows_is_repeated_and_not_reported(tmp_path: Path) -> None:
    program = """
import os, signal, time
from draggan_tui.cli import startup

class Doomed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)  # where the signal is handled

startup.prepare_process(cleanup_time=0.1)
del (doomed := [Doomed()])[0]
print("swallowed", flush=True)
for _ in range(600):
    time.sleep(0.1)
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (STATUS[signal.SIGTERM], "swallowed\n", "")


def test_other_errors_that_a_destructor_swallows_are_reported(tmp_path: Path) -> None:
    program = """
from draggan_tui.cli import startup

class Broken:
    def __del__(self):
        raise ValueError("broken")

startup.prepare_process()
del (broken := [Broken()])[0]
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and "ValueError: broken" in ended.stderr


def test_an_evaluation_can_be_stopped(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    process = start(*COMMANDS["eval"], "--methods", "drag", directory=tmp_path)
    processes.append(process)
    wait_until((tmp_path / "run/run.json").exists, process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert "Traceback" not in stderr and "unexpected" not in stderr
    assert not [name for name in files_under(tmp_path) if name.endswith(".part")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_download_keeps_its_part(
    number: signal.Signals, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sent = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + bytes(2_000_000))
                sent.set()
                with suppress(ConnectionResetError):
                    connection.recv(1)  # returns when the client has gone

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/m.pkl"
        process = start("models", "pull", url, directory=tmp_path)
        processes.append(process)
        wait_until(sent.is_set, process)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=PATIENCE)
        thread.join(PATIENCE)
    assert (process.returncode, stdout) == (STATUS[number], "")
    assert stderr == "draggan-tui: stopped; the part that was downloaded is kept, and the same command continues it\n"
