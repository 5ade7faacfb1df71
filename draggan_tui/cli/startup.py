"""Prepare the process for every command: its streams, signals and home directory."""

from __future__ import annotations

import codecs
import io
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from draggan_engine.core.errors import StorageError

_ENCODING_ERRORS = "draggan-tui"
CLEANUP_TIME = 5.0  # seconds in which a command that was told to end cleans up
_BROKEN_PIPE_STATUS = 128 + signal.SIGPIPE  # as if the signal had ended the program


class StandardOutput(io.TextIOWrapper):
    """Standard output whose failures are shown to the user. If its reader has gone, the program ends quietly.

    Raises:
        StorageError: the output could not be written.
        SystemExit: the pipe is broken.
    """

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._fail(error)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> NoReturn:
        _send_to_null(self.fileno())  # or Python would try again when it exits
        if isinstance(error, BrokenPipeError):
            raise SystemExit(_BROKEN_PIPE_STATUS) from error
        raise StorageError(f"standard output could not be written ({error.strerror}); send it elsewhere") from error


class StandardError(io.TextIOWrapper):
    """Standard error for logs and progress. If they cannot be written, the work continues without them."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError:
            _send_to_null(self.fileno())
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            _send_to_null(self.fileno())


def prepare_process(cleanup_time: float = CLEANUP_TIME) -> None:
    """Prepare streams, signals and the home directory as the commands expect them."""
    _prepare_streams()
    _exit_on_signals(cleanup_time)
    _prepare_home()


def _prepare_streams() -> None:
    """Open closed streams as the null device. Write characters that the locale lacks as `?`, and the bytes of undecodable
    file names unchanged."""
    codecs.register_error(_ENCODING_ERRORS, _replace_unencodable)
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this descriptor's
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    for descriptor, name, kind, errors in (
        (1, "stdout", StandardOutput, _ENCODING_ERRORS),
        (2, "stderr", StandardError, "backslashreplace"),
    ):
        encoding = getattr(getattr(sys, name), "encoding", "utf-8")
        line_buffering = descriptor == 2 or os.isatty(descriptor)
        buffer = open(descriptor, "wb", closefd=False)  # noqa: SIM115
        setattr(sys, name, kind(buffer, encoding, errors, None, line_buffering))


def _replace_unencodable(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return b"".join(bytes([ord(sign) - 0xDC00]) if "\udc80" <= sign <= "\udcff" else b"?" for sign in text), error.end


def _send_to_null(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def _exit_on_signals(cleanup_time: float) -> None:
    """Exit with cleanup on SIGTERM and SIGHUP, unless they are ignored already, as nohup does.

    The exit is repeated after a while, because one that is raised in a destructor or a callback from C code is lost.
    """

    def exit_by_signal(number: int, _: object) -> NoReturn:
        signal.signal(signal.SIGALRM, lambda *_: exit_by_signal(number, None))
        signal.setitimer(signal.ITIMER_REAL, cleanup_time)
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, exit_by_signal)


def end_of_process() -> None:
    """Cancel the second exit, so that it does not disturb Python's own cleanup."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _prepare_home() -> None:
    """Without a home directory, let the program's own directories be impossible to create, instead of lying in `./~`."""
    if not Path(os.environ.get("HOME", "")).is_absolute():
        os.environ.pop("HOME", None)
    try:
        Path.home()
    except RuntimeError:  # the system does not know one either
        os.environ["HOME"] = os.devnull
