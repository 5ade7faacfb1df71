"""A drag uses bfloat16 where the processor has it; elsewhere it uses float32, and says and records so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from draggan_engine.core.edit import DragSettings, Edit, PointPair
from draggan_engine.dragging import drag_task
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.server.messages import DragEnded, DragStarted, ModelLoaded
from draggan_engine.storage.session_manifest import read_history, read_manifest
from tests.support.engine_client import Engine
from tests.support.processors import AVX2_ONLY, only_x86, run_without_bfloat16
from tests.support.tiny_models import random_generator, random_stylegan3, save_tiny

SETTINGS = DragSettings(method="draggan", feature_block="b16", r1=3, r2=6, max_steps=3, precision="bfloat16")
NOTICE = "this processor has no instructions for bfloat16, so this drag uses float32"


def start_drag(generator: Generator, settings: DragSettings) -> DragLoop:
    return DragLoop(generator, latent_of_seed(generator, 1, 1.0), [((10, 10), (16, 14))], None, settings)


def end_of(drag: DragLoop) -> DragEnd:
    *_, end = drag.steps()
    assert isinstance(end, DragEnd)
    return end


def test_without_bfloat16_a_drag_uses_float32_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random_generator()
    monkeypatch.setattr(drag_task, "supports_bfloat16", lambda _: False)
    drag = start_drag(generator, SETTINGS)
    assert (drag.settings.precision, drag.notice) == ("float32", NOTICE)
    float32_drag = start_drag(generator, SETTINGS.model_copy(update={"precision": "float32"}))
    assert torch.equal(end_of(drag).ws, end_of(float32_drag).ws)


def test_with_bfloat16_a_drag_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drag_task, "supports_bfloat16", lambda _: True)
    drag = start_drag(random_generator(), SETTINGS)
    assert (drag.settings.precision, drag.notice) == ("bfloat16", None)


def test_stylegan3_is_dragged_in_float32_whatever_the_settings_say() -> None:
    generator = random_stylegan3()
    drag = start_drag(generator, SETTINGS.model_copy(update={"feature_block": generator.synthesis.block_names[1]}))
    assert drag.settings.precision == "float32"
    assert drag.notice == "StyleGAN3 is dragged in float32 only, so this drag uses float32"


@only_x86
def test_event_and_session_name_the_precision_that_was_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AVX2_ONLY.items():
        monkeypatch.setenv(name, value)
    path = save_tiny(tmp_path / "tiny.safetensors", settings=SETTINGS)
    with Engine("--model", str(path), "--device", "cpu", "--out", str(tmp_path / "s")) as engine:
        info = engine.wait_for(ModelLoaded).info
        assert info.settings.precision == "bfloat16"
        engine.drag(Edit(model="toy", pairs=(PointPair(handle=(10, 10), target=(20, 10)),), settings=info.settings))
        started = engine.wait_for(DragStarted)
        assert (started.precision, started.notice) == ("float32", NOTICE)
        assert engine.wait_for(DragEnded).record.settings.precision == "float32"
    document = read_manifest(tmp_path / "s")
    (record,) = read_history(tmp_path / "s", document).drag_records
    assert record.settings.precision == "float32"
    assert document.settings.precision == "bfloat16", "the setting itself does not change"


@only_x86
def test_the_drag_command_names_the_precision_that_was_used(tmp_path: Path) -> None:
    path = save_tiny(tmp_path / "tiny.safetensors", settings=SETTINGS)
    arguments = ("drag", "--model", str(path), "--device", "cpu", "--pair", "10,10:20,10", "--out", "s", "--json")
    process = run_without_bfloat16("-m", "draggan_tui", *arguments, directory=tmp_path)
    assert process.stderr == f"draggan-tui: {NOTICE}\n"
    assert json.loads(process.stdout)["precision"] == "float32"
