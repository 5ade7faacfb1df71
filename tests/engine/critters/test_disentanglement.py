"""Measuring whether the parts of an animal move independently."""

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
from draggan_engine.critters.training.disentanglement import PART_DRAGS, SHEET_CELL_SIZE, drag_part, write_part_sheets
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


def test_a_drag_is_measured_at_the_part_and_elsewhere(model: Path) -> None:
    drag = drag_part(load_model(str(model), "cpu"), 1, "nose")
    assert drag.steps > 0
    change = np.abs(drag.images[2].astype(float) - drag.images[1]).mean()
    assert change > 0 and drag.change_near > 0 and drag.change_elsewhere > 0
    assert 0 <= drag.distance < 8


@pytest.mark.parametrize("name", ["critters-128", "critters-256"])
def test_drags_of_the_bundled_models_change_shapes_and_no_colours(name: str) -> None:
    """The backdrop above the heads changes by less than 2 levels. Without separately taught rows it changes by 3 to 9."""
    model = load_model(name, "cpu")
    rows = model.info.height // 10
    for seed in (0, 2, 4):
        before, _, after = drag_part(model, seed, "nose").images
        assert np.abs(after[:rows].astype(float) - before[:rows]).mean() < 2


def test_each_part_has_a_sheet(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_part_sheets(load_model(str(model), "cpu"), tmp_path / "sheets", seeds=range(2))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(PART_DRAGS)
    for name in ("mouth-corner", "ear-tip", "nose", "eyelid"):
        with Image.open(tmp_path / "sheets" / f"{name}.png") as image:
            assert image.size == (2 * SHEET_CELL_SIZE, 3 * SHEET_CELL_SIZE)
