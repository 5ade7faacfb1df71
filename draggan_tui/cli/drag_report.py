"""What `draggan-tui drag` prints on stdout at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table
from rich_pixels import HalfcellRenderer, Pixels

from draggan_engine.core.geometry import Size, fit_preview
from draggan_engine.core.history import DragRecord


@dataclass(frozen=True)
class DragReport:
    """The result of a drag.

    Attributes:
        session_directory: None if it could not be written.
        first_image, last_image: `uint8 [H, W, 3]`.
        session_files: the files of the session that the drag has written.
        video_path: None if no video was written.
    """

    record: DragRecord
    session_directory: Path | None
    first_image: NDArray[np.uint8]
    last_image: NDArray[np.uint8]
    session_files: Sequence[Path]
    video_path: Path | None


def print_report(report: DragReport, *, as_json: bool) -> None:
    """Print the result of a drag as one JSON object, or for people, with the images if stdout is a terminal."""
    if as_json:
        print(json.dumps(_to_json(report)))
        return
    record = report.record
    console = Console()
    if console.is_terminal:
        _print_images(console, report.first_image, report.last_image)
    mean_distance = sum(pair.distance for pair in record.pairs) / len(record.pairs)
    steps = "1 step" if record.steps == 1 else f"{record.steps} steps"
    console.print(f"{record.reason}: {steps}, {record.seconds:.1f} s, {mean_distance:.1f} px left", highlight=False)
    if report.session_directory is not None:
        console.print(f"files: {report.session_directory}", highlight=False, soft_wrap=True)
    if report.video_path is not None:
        console.print(f"video: {report.video_path}", highlight=False, soft_wrap=True)


def _to_json(report: DragReport) -> dict[str, object]:
    record = report.record
    written_files = [*report.session_files, *([] if report.video_path is None else [report.video_path])]
    return {
        "reason": record.reason,
        "steps": record.steps,
        "seconds": round(record.seconds, 3),
        "precision": record.settings.precision,
        "pairs": [
            {"handle": pair.handle, "target": pair.target, "final": pair.final, "distance": pair.distance}
            for pair in record.pairs
        ],
        "files": [str(path) for path in written_files],
    }


def _print_images(console: Console, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
    """Print two images side by side, as large as the terminal allows."""
    height, width, _ = before.shape
    size = fit_preview(Size(width, height), (console.width - 3) // 2, max(console.height - 4, 4))
    table = Table.grid(padding=(0, 1))
    images = [Image.fromarray(rgb).resize(size, Image.Resampling.BOX) for rgb in (before, after)]
    table.add_row("before", "after")
    table.add_row(*(Pixels.from_image(image, renderer=HalfcellRenderer()) for image in images))
    console.print(table)
