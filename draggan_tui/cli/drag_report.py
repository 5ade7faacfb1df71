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
from draggan_tui.rendering.drag_outcome import settled_advice


@dataclass(frozen=True)
class DragReport:
    """The result of a drag.

    Attributes:
        session_directory: None if it could not be written.
        first_image, last_image: `uint8 [H, W, 3]`.
        session_files: the files of the session that the drag has written.
        video_path: None if no video was written.
        photograph_path: of the photograph with the edit, one of the session's files; None if there is none.
        sigma: Mahalanobis length of the change of w.
    """

    record: DragRecord
    session_directory: Path | None
    first_image: NDArray[np.uint8]
    last_image: NDArray[np.uint8]
    session_files: Sequence[Path]
    video_path: Path | None
    photograph_path: Path | None
    sigma: float


def print_report(drag_report: DragReport, *, as_json: bool) -> None:
    """Print the result of a drag as one JSON object, or for people, with the images if stdout is a terminal."""
    if as_json:
        print(json.dumps(_to_json(drag_report)))
        return
    drag_record = drag_report.record
    console = Console()
    if console.is_terminal:
        print_images(console, drag_report.first_image, drag_report.last_image)
    mean_distance = sum(pair.distance for pair in drag_record.pairs) / len(drag_record.pairs)
    step_text = "1 step" if drag_record.steps == 1 else f"{drag_record.steps} steps"
    console.print(
        f"{drag_record.reason}: {step_text}, {drag_record.seconds:.1f} s, {mean_distance:.1f} px left", highlight=False
    )
    if drag_record.reason == "settled":
        advice = settled_advice(drag_record)
        console.print(f"the handles came no nearer{f'; {advice}' if advice else ''}", highlight=False)
    if drag_report.session_directory is not None:
        console.print(f"files: {drag_report.session_directory}", highlight=False, soft_wrap=True)
    if drag_report.photograph_path is not None:
        console.print(f"photograph: {drag_report.photograph_path}", highlight=False, soft_wrap=True)
    if drag_report.video_path is not None:
        console.print(f"video: {drag_report.video_path}", highlight=False, soft_wrap=True)


def _to_json(drag_report: DragReport) -> dict[str, object]:
    drag_record = drag_report.record
    written_files = [*drag_report.session_files, *([] if drag_report.video_path is None else [drag_report.video_path])]
    return {
        "reason": drag_record.reason,
        "steps": drag_record.steps,
        "seconds": round(drag_record.seconds, 3),
        "method": drag_record.settings.method,
        "sigma": round(drag_report.sigma, 3),
        "precision": drag_record.settings.precision,
        "pairs": [
            {"handle": pair.handle, "target": pair.target, "final": pair.final, "distance": pair.distance}
            for pair in drag_record.pairs
        ],
        "files": [str(file_path) for file_path in written_files],
    }


def print_images(console: Console, first_image: NDArray[np.uint8], last_image: NDArray[np.uint8]) -> None:
    """Print two images side by side, as large as the terminal allows."""
    image_height, image_width, _ = first_image.shape
    preview_size = fit_preview(Size(image_width, image_height), (console.width - 3) // 2, max(console.height - 4, 4))
    image_table = Table.grid(padding=(0, 1))
    preview_images = [
        Image.fromarray(rgb).resize(preview_size, Image.Resampling.BOX) for rgb in (first_image, last_image)
    ]
    image_table.add_row("before", "after")
    image_table.add_row(
        *(Pixels.from_image(preview_image, renderer=HalfcellRenderer()) for preview_image in preview_images)
    )
    console.print(image_table)
