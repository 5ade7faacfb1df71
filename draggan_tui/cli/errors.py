"""How a command ends that met an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


@contextmanager
def friendly() -> Iterator[None]:
    """An error becomes one line on stderr and its exit code; a traceback goes to the log file."""
    try:
        _check_working_directory()
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        raise typer.Exit(explain(error)) from error


def _check_working_directory() -> None:
    """
    Raises:
        InputError: it was deleted, so that no relative path means anything, and torch cannot be loaded.
    """
    try:
        Path.cwd()
    except OSError as error:
        from draggan_engine.core.errors import InputError

        raise InputError("the working directory was deleted; change to another one (cd)") from error


def explain(error: Exception) -> int:
    """Say in one line on stderr what went wrong; a traceback goes to the log file. Returns the exit status."""
    from draggan_engine.core.errors import DragganError

    if isinstance(error, DragganError):
        message, status = str(error), error.exit_code
    else:
        from draggan_tui.config import paths

        message, status = f"unexpected {type(error).__name__}: {error}; details in {paths.log_traceback()}", 1
    # A file's name may hold anything, the terminal's own commands too.
    printable = "".join(sign if sign.isprintable() else "?" for sign in message)
    typer.echo(f"draggan-tui: {printable}", err=True)
    return status
