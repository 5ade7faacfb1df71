"""How an error of a command reaches the user: one line on stderr and an exit status."""

from __future__ import annotations

from pathlib import Path

import typer


def check_working_directory() -> None:
    """
    Raises:
        InputError: the working directory was deleted; relative paths mean nothing, and torch cannot be loaded.
    """
    try:
        Path.cwd()
    except OSError as error:
        from draggan_engine.core.errors import InputError

        raise InputError("the working directory was deleted; change to another one (cd)") from error


def report_error(error: Exception) -> int:
    """Print an error in one line on stderr and return the exit status.

    The traceback of an unexpected error goes to the log.
    """
    from draggan_engine.core.errors import DragganError

    if isinstance(error, DragganError):
        from draggan_tui.client.advice import with_advice

        error_message, exit_status = with_advice(str(error), error.remedy), error.exit_code
    else:
        from draggan_tui.config import paths

        error_message = f"unexpected {type(error).__name__}: {error}; details in {paths.log_traceback()}"
        exit_status = 1
    # The name of a file may contain anything, even commands for the terminal.
    printable_message = "".join(sign if sign.isprintable() else "?" for sign in error_message)
    typer.echo(f"draggan-tui: {printable_message}", err=True)
    return exit_status
