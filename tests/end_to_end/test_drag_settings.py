"""The options for the settings of a drag: each reaches the drag, and its help gives its range."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from draggan_engine.core.setting_fields import setting_fields
from draggan_tui.cli.setting_options import SETTING_FLAGS
from tests.support.commands import run_here
from tests.support.paths import FIXTURES
from tests.support.tiny_models import save_tiny

DRAG = ("drag", "--model", "tiny.safetensors", "--pair", "10,10:20,10", "--out", "out", "--json")
TYPED = {
    "method": "freedrag", "space": "w", "step_size": "0.01", "mask_weight": "7", "r1": "2.5", "r2": "9", "layers": "3", "feature_block": "b16",
    "max_steps": "2", "stop_distance": "0.5", "tracking_norm": "l2", "stay": "0.7", "precision": "float32",
}  # fmt: skip
MASKS = FIXTURES / "masks"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    save_tiny(tmp_path / "tiny.safetensors")
    return tmp_path


def test_every_setting_reaches_the_drag(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert TYPED.keys() == SETTING_FLAGS.keys() == setting_fields().keys() - {"psi"}
    options = [part for name, text in TYPED.items() for part in (SETTING_FLAGS[name], text)]
    status, stdout, stderr = run_here(monkeypatch, *DRAG, *options, directory=directory)
    assert (status, stderr) == (0, "")
    assert json.loads(stdout)["steps"] == 2
    used = json.loads((directory / "out/session.json").read_text())["settings"]
    assert used == {name: setting_fields()[name].read(text) for name, text in TYPED.items()}


@pytest.mark.parametrize("name", SETTING_FLAGS)
def test_a_value_out_of_range_is_refused_with_the_range(
    name: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, stdout, stderr = run_here(monkeypatch, *DRAG, SETTING_FLAGS[name], "-1", directory=directory)
    assert (status, stdout) == (2, "")
    assert stderr.startswith(f"draggan-tui: {SETTING_FLAGS[name]} '-1': must be ") and stderr.count("\n") == 1
    assert not (directory / "out").exists()


def test_more_layers_than_the_model_has_are_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, _, stderr = run_here(monkeypatch, *DRAG, "--layers", "64", directory=directory)
    assert (status, stderr) == (2, "draggan-tui: --layers '64': must be a whole number from 1 to 8\n")


def test_the_help_gives_every_range(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    _, stdout, _ = run_here(monkeypatch, "drag", "--help", directory=directory)
    lines = {flag: next(line for line in stdout.splitlines() if f" {flag} " in line) for flag in SETTING_FLAGS.values()}
    for name, flag in SETTING_FLAGS.items():
        field = setting_fields()[name]
        values = field.choices or ([] if name == "feature_block" else [field.range_text.removesuffix(", or empty")])
        assert all(value in lines[flag] for value in values), (values, lines[flag])
        assert "default: the model's own" in lines[flag]


def test_a_handle_outside_the_mask_gets_a_warning(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Image.open(MASKS / "elsewhere.png") as image:
        image.resize((32, 32)).save(directory / "elsewhere.png")
    arguments = (*DRAG, "--mask", "elsewhere.png", "--steps", "1")
    status, _, stderr = run_here(monkeypatch, *arguments, directory=directory)
    assert (status, stderr) == (0, "draggan-tui: handle 1 is outside the mask, where nothing may move\n")
