"""A progress bar for work that goes by steps."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def step_progress(*, show: bool) -> Progress:
    """Return a progress bar on stderr that disappears at the end. Its tasks have a name, and a field `detail` to show.

    Args:
        show: whether anything is printed.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not show,
        transient=True,
    )
