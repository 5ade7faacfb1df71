"""`draggan-tui doctor`: look at everything that the editor needs, and say how to mend what is wrong."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Look at Python, devices, terminal and directories, and say how to mend what is wrong.

    Exit status 1: something will not work.
    """
    from draggan_tui.cli.doctor_report import report

    raise typer.Exit(report(as_json=as_json))
