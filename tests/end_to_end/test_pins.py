"""Pins, and points that the mask blocks, in `draggan-tui drag`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.commands import run_here
from tests.support.tiny_models import save_tiny

PAIR, PIN = ("--pair", "8,8:16,8"), ("--pair", "24,24:24,24")


def test_a_pin_holds_its_place_while_another_pair_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny(tmp_path / "tiny.safetensors")
    arguments = ("drag", "--model", "tiny.safetensors", "--steps", "2", "--json")
    status, stdout, stderr = run_here(monkeypatch, *arguments, *PAIR, *PIN, directory=tmp_path)
    assert (status, stderr) == (0, "draggan-tui: pair 2 is a pin: it holds its place\n")
    pair = json.loads(stdout)["pairs"][1]
    assert pair["handle"] == pair["target"] == [24, 24]


def test_a_drag_of_pins_only_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, stdout, stderr = run_here(monkeypatch, "drag", "--model", "none.safetensors", *PIN, directory=tmp_path)
    assert (status, stdout) == (2, "")
    assert stderr.startswith("draggan-tui: nothing to drag: every handle is on its target, so that it holds its place")


def test_points_that_the_mask_blocks_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny(tmp_path / "tiny.safetensors")
    mask = np.zeros((32, 32), np.uint8)
    mask[20:, :] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    arguments = ("drag", "--model", "tiny.safetensors", "--steps", "1", "--mask", "mask.png", "--pair", "8,24:16,4")
    status, _, stderr = run_here(monkeypatch, *arguments, *PAIR, *PIN, directory=tmp_path)
    assert status == 0
    assert "draggan-tui: target 1 and handle 2 are outside the mask, where nothing may move\n" in stderr
