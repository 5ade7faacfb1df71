"""How an error of a command reaches the user: one line on stderr and an exit status."""

from __future__ import annotations

from pathlib import Path

import typer


def check_working_directory() -> None:
    """
    Raises:
        InputError: the working directory was deleted, so that no relative path has a meaning and torch cannot be loaded.
    """
    try:
        Path.cwd()
    except OSError as error:
        from draggan_engine.core.errors import InputError

        raise InputError("the working directory was deleted; change to another one (cd)") from error


def report_error(error: Exception) -> int:
    """Print an error in one line on stderr, write the traceback of an unexpected one to the log, and return the exit status."""
    from draggan_engine.core.errors import DragganError

    if isinstance(error, DragganError):
        from draggan_tui.client.advice import with_advice

        message, status = with_advice(str(error), error.remedy), error.exit_code
    else:
        from draggan_tui.config import paths

        message, status = f"unexpected {type(error).__name__}: {error}; details in {paths.log_traceback()}", 1
    # The name of a file may contain anything, even commands for the terminal.
    printable = "".join(sign if sign.isprintable() else "?" for sign in message)
    typer.echo(f"draggan-tui: {printable}", err=True)
    return status
