"""How a command ends that met an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def friendly() -> Iterator[None]:
    """An error becomes one line on stderr and its exit code; a traceback goes to the log file."""
    from draggan_engine.protocol.errors import DragganError

    try:
        yield
    except DragganError as error:
        # A file's name may hold anything, the terminal's own commands too.
        message = "".join(sign if sign.isprintable() else "?" for sign in str(error))
        typer.echo(f"draggan-tui: {message}", err=True)
        raise typer.Exit(error.exit_code) from error
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        from draggan_tui import paths

        where = paths.log_traceback()
        typer.echo(f"draggan-tui: unexpected {type(error).__name__}: {error}; details in {where}", err=True)
        raise typer.Exit(1) from error
