"""`draggan-tui sessions`: list the last sessions."""

from __future__ import annotations

from typing import Annotated

import typer


def sessions(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many sessions to list.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list of objects on stdout.")] = False,
) -> None:
    """List the last sessions, newest first, each with the command that opens it."""
    from draggan_tui.cli.session_list import list_sessions

    list_sessions(limit, as_json=as_json)
