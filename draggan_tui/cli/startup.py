"""What every command makes of its surroundings before it does anything: streams, signals, the home directory."""

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
EXIT_AGAIN = 5.0  # seconds, in which a command cleans up
_BROKEN_PIPE = 128 + signal.SIGPIPE  # the status of a program that the signal ended


class StandardOutput(io.TextIOWrapper):
    """Standard output whose failures are errors for the user. A reader that has gone away ends the program quietly.

    Raises:
        StorageError: what was written could not be delivered.
        SystemExit: the pipe is broken.
    """

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> NoReturn:
        _send_to_null(self.fileno())  # else Python would try once more when it exits
        if isinstance(error, BrokenPipeError):
            raise SystemExit(_BROKEN_PIPE) from error
        raise StorageError(f"standard output could not be written ({error.strerror}); send it elsewhere") from error


class StandardError(io.TextIOWrapper):
    """Standard error for logs and progress: where they cannot be written, the work goes on without them."""

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


def prepare_process() -> None:
    """Make streams, signals and the home directory what the commands expect them to be."""
    _prepare_streams()
    _end_on_signals()
    _prepare_home()


def _prepare_streams() -> None:
    """Open closed streams as the null device; write what the locale lacks as `?`, and undecodable file names as they are."""
    codecs.register_error(_ENCODING_ERRORS, _replace_unencodable)
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
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


def _end_on_signals() -> None:
    """End in good order on SIGTERM and SIGHUP, unless whoever started the program told it to ignore them (nohup)."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit_by_signal)


def _exit_by_signal(number: int, _: object) -> NoReturn:
    """Raise the exit, and again after a while: raised in a destructor, or in what C code calls back, it would be lost."""
    signal.signal(signal.SIGALRM, lambda *_: _exit_by_signal(number, None))
    signal.setitimer(signal.ITIMER_REAL, EXIT_AGAIN)
    raise SystemExit(128 + number)


def end_of_process() -> None:
    """The exit has arrived: what Python does from here on is not to be disturbed."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _prepare_home() -> None:
    """Without a home directory, let those of configuration, cache and state be ones that cannot be made, and not in `./~`."""
    if not Path(os.environ.get("HOME", "")).is_absolute():
        os.environ.pop("HOME", None)
    try:
        Path.home()
    except RuntimeError:  # nor does the system know one
        os.environ["HOME"] = os.devnull
