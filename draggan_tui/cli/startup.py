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
CLEANUP_TIME = 5.0  # seconds that a command gets to clean up after a signal
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
        except OSError as write_error:
            self._fail(write_error)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as write_error:
            self._fail(write_error)

    def _fail(self, write_error: OSError) -> NoReturn:
        _send_to_null(self.fileno())  # or Python would try again when it exits
        if isinstance(write_error, BrokenPipeError):
            raise SystemExit(_BROKEN_PIPE_STATUS) from write_error
        raise StorageError(
            f"standard output could not be written ({write_error.strerror}); send it elsewhere"
        ) from write_error


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
    """Open closed streams as the null device, and choose how characters are written that the locale lacks.

    These become `?`. The bytes of file names that cannot be decoded are written unchanged.
    """
    codecs.register_error(_ENCODING_ERRORS, _replace_unencodable)
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this descriptor's
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    for descriptor, stream_name, stream_type, error_handler in (
        (1, "stdout", StandardOutput, _ENCODING_ERRORS),
        (2, "stderr", StandardError, "backslashreplace"),
    ):
        encoding = getattr(getattr(sys, stream_name), "encoding", "utf-8")
        line_buffering = descriptor == 2 or os.isatty(descriptor)
        byte_stream = open(descriptor, "wb", closefd=False)  # noqa: SIM115
        setattr(sys, stream_name, stream_type(byte_stream, encoding, error_handler, None, line_buffering))


def _replace_unencodable(encoding_error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(encoding_error, UnicodeEncodeError):
        raise encoding_error
    unencodable_text = encoding_error.object[encoding_error.start : encoding_error.end]
    return b"".join(
        bytes([ord(sign) - 0xDC00]) if "\udc80" <= sign <= "\udcff" else b"?" for sign in unencodable_text
    ), encoding_error.end


def _send_to_null(descriptor: int) -> None:
    null_descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null_descriptor, descriptor)
    os.close(null_descriptor)


def _exit_on_signals(cleanup_time: float) -> None:
    """Exit with cleanup on SIGTERM and SIGHUP, unless they are ignored already, as nohup does.

    The exit is repeated after a while, because one that is raised in a destructor or a callback from C code is lost. Python
    would report such a lost exit with a traceback.
    """
    sys.unraisablehook = _report_lost_exception

    def exit_by_signal(signal_number: int, _: object) -> NoReturn:
        signal.signal(signal.SIGALRM, lambda *_: exit_by_signal(signal_number, None))
        signal.setitimer(signal.ITIMER_REAL, cleanup_time)
        raise SystemExit(128 + signal_number)

    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signal_number) is not signal.SIG_IGN:
            signal.signal(signal_number, exit_by_signal)


def _report_lost_exception(lost: sys.UnraisableHookArgs) -> None:
    if not issubclass(lost.exc_type, SystemExit | KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def end_of_process() -> None:
    """Cancel the second exit, so that it does not disturb Python's own cleanup."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _prepare_home() -> None:
    """Use the null device as a missing home directory, so that the program does not create its directories in `./~`."""
    if not Path(os.environ.get("HOME", "")).is_absolute():
        os.environ.pop("HOME", None)
    try:
        Path.home()
    except RuntimeError:  # the system does not know one either
        os.environ["HOME"] = os.devnull
