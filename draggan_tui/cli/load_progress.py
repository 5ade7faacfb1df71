"""A progress bar on stderr for loading, converting and downloading models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from draggan_engine.checkpoints.checkpoint_file import DOWNLOADING, ReadProgress


@contextmanager
def load_progress() -> Iterator[ReadProgress]:
    """Show a progress bar if stderr is a terminal; yield the function that moves it."""
    console = Console(stderr=True)
    bar_columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*bar_columns, console=console, disable=not console.is_terminal, transient=True) as progress_bar:
        task_ids: dict[str, int] = {}

        def report_progress(activity: str, done: int, total: int) -> None:
            if total <= 1 and activity != DOWNLOADING:
                return
            if activity not in task_ids:
                task_ids[activity] = progress_bar.add_task(activity, total=total or None)
            progress_bar.update(task_ids[activity], completed=done, total=total or None)  # type: ignore[arg-type]

        yield report_progress
