"""The private Unix socket of a session's engine, by which an editor can reach an engine that is already running.

Only the user who started the engine may connect: the directory has mode 0700, the socket has mode 0600, and both sides ask
the kernel for the other's user (`SO_PEERCRED` in unix(7)), because the file's mode does not keep root out.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import struct
from contextlib import suppress
from pathlib import Path

from draggan_engine.core.errors import EngineError, StorageError

from .user_directories import APPLICATION, state_directory

MAX_PATH_BYTES = 107
"""The longest path that the address of a Unix socket has room for, without the NUL byte at its end."""
_CREDENTIALS = struct.Struct("3i")
"""`struct ucred`: process, user, group."""


def socket_path(session_directory: Path) -> Path:
    """Return where the engine of a session listens.

    The name has a hash of the session's absolute path, so that sessions of one name in two places have two sockets. It also
    has the session's name where there is room for it.

    Raises:
        EngineError: the path is too long for a socket.
        StorageError: the directory of the sockets is not private, or cannot be made.
    """
    absolute_path = session_directory.resolve()
    path_hash = hashlib.sha256(os.fsencode(absolute_path)).hexdigest()[:16]
    directory = _socket_directory()
    for file_name in (f"{absolute_path.name}-{path_hash}.sock", f"{path_hash}.sock"):
        if len(os.fsencode(directory / file_name)) <= MAX_PATH_BYTES:
            return directory / file_name
    raise EngineError(
        f"{directory}: this path is too long for a socket (at most {MAX_PATH_BYTES} bytes with the socket's name); "
        "set XDG_RUNTIME_DIR to a shorter one"
    )


class EngineSocket:
    """The socket at which the engine of a session listens, until `close`.

    The socket gets its name only when it listens already: a client never meets one that refuses it although its engine lives.
    A socket that a killed engine left behind is replaced; the caller holds the session's lock, so nobody listens there.

    Args:
        session_directory: the session's directory.

    Raises:
        EngineError, StorageError: the socket cannot be made.
    """

    def __init__(self, session_directory: Path) -> None:
        self.path = socket_path(session_directory)
        unnamed_path = self.path.parent / f".{os.getpid()}"  # never longer than the name
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            unnamed_path.unlink(missing_ok=True)
            self._listener.bind(str(unnamed_path))
            unnamed_path.chmod(0o600)
            self._listener.listen()
            self._file_number = unnamed_path.stat().st_ino
            unnamed_path.rename(self.path)
        except OSError as socket_error:
            self._listener.close()
            with suppress(OSError):
                unnamed_path.unlink(missing_ok=True)
            raise StorageError.of(self.path, socket_error) from socket_error

    def accept(self, timeout_seconds: float) -> socket.socket | None:
        """Wait for a client of the same user and return its connection, or None after `timeout_seconds` without one.

        A client of another user is disconnected, and None is returned.
        """
        try:
            self._listener.settimeout(timeout_seconds)
            connection, _ = self._listener.accept()
        except OSError:  # the time is over, or another thread has closed the socket
            return None
        if not _is_same_user(connection):
            connection.close()
            return None
        connection.setblocking(True)
        return connection

    @property
    def can_be_reached(self) -> bool:
        """Whether the socket is still where clients look for it."""
        try:
            return self.path.lstat().st_ino == self._file_number
        except OSError:
            return False

    def close(self) -> None:
        """Stop listening, and remove the socket unless another has taken its place."""
        if self.can_be_reached:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
        self._listener.close()


def connect_to_engine(session_directory: Path) -> socket.socket | None:
    """Return a connection to the session's running engine, or None if there is none; a stale socket is removed.

    Raises:
        EngineError: the engine cannot be reached, or belongs to another user.
        StorageError: the directory of the sockets is not private, or cannot be made.
    """
    path = socket_path(session_directory)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except FileNotFoundError:
        connection.close()
        return None
    except ConnectionRefusedError:  # its engine was killed
        connection.close()
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return None
    except OSError as connection_error:
        connection.close()
        raise EngineError(f"{path}: the engine cannot be reached ({connection_error.strerror})") from connection_error
    if not _is_same_user(connection):
        connection.close()
        raise EngineError(f"{path}: this engine belongs to another user; attach as the user who started it")
    return connection


def _is_same_user(connection: socket.socket) -> bool:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _process, user, _group = _CREDENTIALS.unpack(credentials)
    return bool(user == os.geteuid())


def _socket_directory() -> Path:
    """Return the private directory of the sockets, and make it if need be.

    Raises:
        StorageError: it cannot be made, or others may enter it.
    """
    runtime_directory = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if runtime_directory.is_absolute() and runtime_directory.is_dir():
        directory = runtime_directory / APPLICATION
    else:
        directory = state_directory() / "engines"
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        directory_status = directory.lstat()
    except OSError as directory_error:
        raise StorageError.of(directory, directory_error) from directory_error
    is_private = directory_status.st_uid == os.geteuid() and not directory_status.st_mode & 0o077
    if not (stat.S_ISDIR(directory_status.st_mode) and is_private):
        raise StorageError(f"{directory}: others may enter this directory, so no engine listens in it; remove it")
    return directory
