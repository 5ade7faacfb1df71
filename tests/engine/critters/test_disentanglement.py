"""The sheets that show whether parts move on their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from draggan_engine.checkpoints.formats.native import save_native
from draggan_engine.checkpoints.formats.native_header import NativeInfo
from draggan_engine.checkpoints.loader import load_model
from draggan_engine.checkpoints.model_parts import GeneratorPart
from draggan_engine.core.edit import DragSettings
from draggan_engine.critters.scene.landmarks import LANDMARKS
from draggan_engine.critters.training import disentanglement
from draggan_engine.critters.training.disentanglement import PART_DRAGS, SHEET_CELL_SIZE, drag_part
from tests.support.tiny_models import random_generator

SETTINGS = DragSettings(feature_block="b16", r1=3, r2=4, step_size=0.02, max_steps=4)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "noise.safetensors"
    save_native(
        path, GeneratorPart.from_network(random_generator()), None, NativeInfo(name="noise", psi=1.0, settings=SETTINGS)
    )
    return path


def test_parts_are_landmarks_and_move_within_reach() -> None:
    assert all(name in LANDMARKS and 0 < np.hypot(*way) < 0.1 for name, way in PART_DRAGS.values())


def test_what_a_drag_changes_is_counted_at_the_part_and_elsewhere(model: Path) -> None:
    moved = drag_part(load_model(str(model), "cpu"), 1, "nose")
    assert moved.steps > 0
    change = np.abs(moved.pictures[2].astype(float) - moved.pictures[1]).mean()
    assert change > 0 and moved.near > 0 and moved.elsewhere > 0
    assert 0 <= moved.left < 8


@pytest.mark.parametrize("name", ["critters-128", "critters-256"])
def test_what_the_shipped_models_are_dragged_by_moves_shapes_and_no_colours(name: str) -> None:
    """Rows of the backdrop above the heads, in levels. Of a model whose rows were not taught apart: 3 to 9."""
    model = load_model(name, "cpu")
    rows = model.info.height // 10
    for seed in (0, 2, 4):
        before, _, after = drag_part(model, seed, "nose").pictures
        assert np.abs(after[:rows].astype(float) - before[:rows]).mean() < 2


def test_a_sheet_for_each_part(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(disentanglement, "DRAGGED_SEEDS", range(2))
    disentanglement.main(["--model", str(model), "--out", str(tmp_path / "sheets"), "--device", "cpu"])
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == list(PART_DRAGS)
    for name in ("mouth-corner", "ear-tip", "nose", "eyelid"):
        with Image.open(tmp_path / "sheets" / f"{name}.png") as image:
            assert image.size == (2 * SHEET_CELL_SIZE, 3 * SHEET_CELL_SIZE)
