"""The recording in the README shows what the program shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from scripts.terminal_image import CELL
from tests.support.commands import run_here

RECORDING = Path(__file__).parents[2] / "docs" / "editor.gif"
PALETTE_TOLERANCE = 4  # of 255, on average: a GIF has 256 colours, and the cursor covers some half-cells
IMAGE_HALF_CELLS = 58  # the side of the image in a terminal of the recording's size


def test_the_recording_begins_with_the_models_image_of_seed_42(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image_path = tmp_path / "seed42.png"
    arguments = ("render", "--seed", "42", "--model", "critters-256", "--out", str(image_path))
    exit_status, _, error_text = run_here(monkeypatch, *arguments, directory=tmp_path)
    assert exit_status == 0, error_text
    grid = (IMAGE_HALF_CELLS, IMAGE_HALF_CELLS)
    with Image.open(image_path) as image:
        expected = np.asarray(image.convert("RGB").resize(grid, Image.Resampling.BOX)).astype(np.int16)
    half_cell = CELL[0]
    with Image.open(RECORDING) as recording:
        first_frame = np.asarray(recording.convert("RGB"))[half_cell // 2 :: half_cell, half_cell // 2 :: half_cell]
    places = sliding_window_view(first_frame.astype(np.int16), (*grid, 3))[..., 0, :, :, :]
    differences = np.abs(places - expected).mean(axis=(2, 3, 4))
    assert differences.min() < PALETTE_TOLERANCE
