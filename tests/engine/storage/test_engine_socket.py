"""The private socket of an engine: where it is, who may connect, and what a killed engine leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from draggan_engine.core.errors import EngineError, StorageError
from draggan_engine.storage.engine_socket import MAX_PATH_BYTES, EngineSocket, connect_to_engine, socket_path
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE

LISTEN = """
import sys
from pathlib import Path
from draggan_engine.storage.engine_socket import EngineSocket
engine_socket = EngineSocket(Path(sys.argv[1]))
print(engine_socket.path, flush=True)
print("refused" if engine_socket.accept(float(sys.argv[2])) is None else "accepted", flush=True)
"""


@pytest.fixture(autouse=True)
def runtime_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a short name, as the system makes it."""
    with tempfile.TemporaryDirectory(prefix="run") as directory:
        monkeypatch.setenv("XDG_RUNTIME_DIR", directory)
        yield Path(directory)


def start_listener(session_directory: Path, *, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start a process that listens for one client of the session."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", LISTEN, str(session_directory), str(PATIENCE)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "engine")},
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_client_and_the_engine_talk(tmp_path: Path) -> None:
    engine_socket = EngineSocket(tmp_path)
    client = connect_to_engine(tmp_path)
    connection = engine_socket.accept(PATIENCE)
    assert client is not None and connection is not None
    with client, connection:
        client.sendall(b"command")
        assert connection.recv(7) == b"command"
    engine_socket.close()


def test_only_the_user_may_enter_and_connect(tmp_path: Path, runtime_directory: Path) -> None:
    engine_socket = EngineSocket(tmp_path)
    assert engine_socket.path.parent == runtime_directory / "draggan-tui"
    assert stat.S_IMODE(engine_socket.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(engine_socket.path.parent.stat().st_mode) == 0o700
    assert list(engine_socket.path.parent.iterdir()) == [engine_socket.path]
    engine_socket.close()
    assert not list(engine_socket.path.parent.iterdir())


def test_without_a_runtime_directory_the_socket_is_in_the_state_directory(
    tmp_path: Path, runtime_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(runtime_directory / "state"))
    assert socket_path(tmp_path).parent == runtime_directory / "state" / "draggan-tui" / "engines"


def test_sessions_of_one_name_have_sockets_of_their_own(tmp_path: Path) -> None:
    session_paths = [tmp_path / parent_name / "seed42" for parent_name in ("a", "b")]
    socket_names = [socket_path(session_path).name for session_path in session_paths]
    assert socket_names[0] != socket_names[1]
    assert all(name.startswith("seed42-") for name in socket_names)


def test_a_long_name_is_left_out_of_the_path(tmp_path: Path) -> None:
    session_directory = tmp_path / ("é" * 100)
    path = socket_path(session_directory)
    assert len(os.fsencode(path)) <= MAX_PATH_BYTES
    EngineSocket(session_directory).close()


def test_a_directory_that_is_too_long_for_sockets_is_named(
    tmp_path: Path, runtime_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_directory = runtime_directory / ("x" * 100)
    long_directory.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long_directory))
    with pytest.raises(EngineError, match=r"too long for a socket .* set XDG_RUNTIME_DIR to a shorter one"):
        EngineSocket(tmp_path)


def test_a_directory_that_others_may_enter_is_not_used(tmp_path: Path, runtime_directory: Path) -> None:
    (runtime_directory / "draggan-tui").mkdir()
    (runtime_directory / "draggan-tui").chmod(0o755)
    with pytest.raises(StorageError, match="others may enter this directory"):
        EngineSocket(tmp_path)


def test_a_link_is_not_followed_to_another_directory(tmp_path: Path, runtime_directory: Path) -> None:
    (runtime_directory / "elsewhere").mkdir(mode=0o700)
    (runtime_directory / "draggan-tui").symlink_to(runtime_directory / "elsewhere")
    with pytest.raises(StorageError):
        EngineSocket(tmp_path)


def test_without_an_engine_there_is_no_connection(tmp_path: Path) -> None:
    assert connect_to_engine(tmp_path) is None


def test_the_socket_of_a_killed_engine_is_removed(tmp_path: Path) -> None:
    listener = start_listener(tmp_path)
    stale_path = Path(first_line(listener))
    listener.send_signal(signal.SIGKILL)
    listener.wait(PATIENCE)
    assert stale_path.exists()
    assert connect_to_engine(tmp_path) is None
    assert not stale_path.exists()


def test_the_next_engine_replaces_the_socket_of_a_killed_one(tmp_path: Path) -> None:
    listener = start_listener(tmp_path)
    first_line(listener)
    listener.send_signal(signal.SIGKILL)
    listener.wait(PATIENCE)
    engine_socket = EngineSocket(tmp_path)
    client = connect_to_engine(tmp_path)
    assert client is not None
    client.close()
    engine_socket.close()


def test_an_engine_notices_that_its_socket_was_removed(tmp_path: Path) -> None:
    engine_socket = EngineSocket(tmp_path)
    assert engine_socket.can_be_reached
    engine_socket.path.unlink()
    assert not engine_socket.can_be_reached
    engine_socket.close()


def test_closing_leaves_a_socket_that_has_taken_its_place(tmp_path: Path) -> None:
    first_socket, second_socket = EngineSocket(tmp_path), EngineSocket(tmp_path)
    first_socket.close()
    assert second_socket.can_be_reached
    second_socket.close()


def test_waiting_ends_without_a_client(tmp_path: Path) -> None:
    engine_socket = EngineSocket(tmp_path)
    assert engine_socket.accept(0.01) is None
    engine_socket.close()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_both_sides_refuse_another_user(tmp_path: Path, runtime_directory: Path) -> None:
    """Root may open any socket file, so only the user that the kernel names keeps it out."""
    runtime_directory.chmod(0o777)
    listener = start_listener(tmp_path, prefix=("setpriv", "--reuid=nobody", "--clear-groups"))
    path = first_line(listener)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE)
        client.connect(path)
        assert client.recv(1) == b""
    assert first_line(listener) == "refused"
    listener.wait(PATIENCE)
    with pytest.raises(StorageError, match="others may enter"):
        connect_to_engine(tmp_path)
