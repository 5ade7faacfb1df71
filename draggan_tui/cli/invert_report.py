"""What `draggan-tui invert` prints on stdout at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from draggan_engine.core.inversion_choices import LOW_PSNR
from draggan_engine.storage.inversion_files import InversionRecord
from draggan_tui.cli.drag_report import print_images
from draggan_tui.config.paths import open_command


@dataclass(frozen=True)
class InversionReport:
    """The result of an inversion.

    Attributes:
        features: what the loss compared beside pixels: `discriminator` or `random filters`.
        photograph, inverted_image: `uint8 [H, W, 3]`.
        lpips: the perceptual distance of these two; None: LPIPS is not on this machine.
    """

    record: InversionRecord
    features: str
    session_directory: Path
    photograph: NDArray[np.uint8]
    inverted_image: NDArray[np.uint8]
    lpips: float | None
    written_files: Sequence[Path]


def print_inversion_report(report: InversionReport, *, as_json: bool) -> None:
    """Print the result of an inversion as one JSON object, or for people, with the images if stdout is a terminal."""
    record = report.record
    if as_json:
        json_fields = {
            **record.model_dump(mode="json", include={"reason", "steps", "loss", "psnr", "method"}),
            "seconds": round(record.seconds, 3),
            "lpips": report.lpips,
            "features": report.features,
            "files": [str(path) for path in report.written_files],
        }
        print(json.dumps(json_fields))
        return
    console = Console()
    if console.is_terminal:
        print_images(console, report.photograph, report.inverted_image)
    step_text = "1 step" if record.steps == 1 else f"{record.steps} steps"
    lpips_text = "" if report.lpips is None else f", LPIPS {report.lpips:.3f}"
    console.print(
        f"{record.reason}: {step_text}, {record.seconds:.1f} s, PSNR {record.psnr:.1f} dB{lpips_text}", highlight=False
    )
    if record.psnr < LOW_PSNR:
        console.print(
            "the image is not much like the photograph: align the photograph by two points, make more steps, "
            "or choose a model of such images",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    console.print(f"to drag it: {open_command(report.session_directory)}", highlight=False, soft_wrap=True)
