"""A drag in bfloat16 where the processor has it, and in float32, which is then said and recorded, where it has not."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from draggan_engine.core.edit import DragSettings, Edit, PointPair
from draggan_engine.dragging import drag_task
from draggan_engine.dragging.drag_loop import DragEnd, DragLoop
from draggan_engine.networks.config import StyleGAN3Config
from draggan_engine.networks.generate import latent_of_seed
from draggan_engine.networks.generator import Generator
from draggan_engine.server.messages import DragEnded, DragStarted, ModelLoaded
from draggan_engine.storage.session_manifest import read_history, read_manifest
from tests.support.engine_client import Engine
from tests.support.tiny_models import random_generator, save_tiny

AVX2_ONLY = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
SETTINGS = DragSettings(feature_block="b16", r1=3, r2=6, max_steps=3, precision="bfloat16")
WHY = "this processor has no instructions for bfloat16, so this drag uses float32"

only_x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the variables limit x86 only")


def session(generator: Generator, settings: DragSettings) -> DragLoop:
    return DragLoop(generator, latent_of_seed(generator, 1, 1.0), [((10, 10), (16, 14))], None, settings)


def end_of(drag: DragLoop) -> DragEnd:
    *_, end = drag.steps()
    assert isinstance(end, DragEnd)
    return end


@only_x86
def test_a_processor_with_avx2_only_has_no_bfloat16() -> None:
    code = (
        "import torch; from draggan_engine.networks.bfloat16 import supports_bfloat16; "
        "print(supports_bfloat16(torch.device('cpu')))"
    )
    variables = {**os.environ, **AVX2_ONLY, "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert output.stdout == "False\n"


@pytest.mark.parametrize("instructions", [True, False])
def test_emulated_bfloat16_counts_as_none(monkeypatch: pytest.MonkeyPatch, instructions: bool) -> None:
    """oneDNN emulates it with AVX-512 alone, at half the speed of float32."""
    from draggan_engine.networks import bfloat16

    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    assert bfloat16._processor_supports_bfloat16() == instructions


def test_a_drag_falls_back_to_float32_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random_generator()
    monkeypatch.setattr(drag_task, "supports_bfloat16", lambda _: False)
    drag = session(generator, SETTINGS)
    assert (drag.settings.precision, drag.notice) == ("float32", WHY)
    expected = end_of(session(generator, SETTINGS.model_copy(update={"precision": "float32"})))
    assert torch.equal(end_of(drag).ws, expected.ws)


def test_a_drag_uses_bfloat16_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drag_task, "supports_bfloat16", lambda _: True)
    drag = session(random_generator(), SETTINGS)
    assert (drag.settings.precision, drag.notice) == ("bfloat16", None)


def test_stylegan3_is_dragged_in_float32_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drag_task, "supports_bfloat16", lambda _: True)
    config = StyleGAN3Config(
        resolution=32, z_dim=8, w_dim=8, mapping_layers=1, num_layers=4, channel_base=256, channel_max=8
    )
    generator = Generator(config).eval().requires_grad_(False)
    block = generator.synthesis.block_names[1]
    drag = session(generator, SETTINGS.model_copy(update={"feature_block": block}))
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
        assert (started.precision, started.notice) == ("float32", WHY)
        assert engine.wait_for(DragEnded).record.settings.precision == "float32"
    document = read_manifest(tmp_path / "s")
    (record,) = read_history(tmp_path / "s", document).drag_records
    assert record.settings.precision == "float32"
    assert document.settings.precision == "bfloat16", "what is set stays"


@only_x86
def test_the_drag_command_names_the_precision_that_was_used(tmp_path: Path) -> None:
    path = save_tiny(tmp_path / "tiny.safetensors", settings=SETTINGS)
    arguments = ("drag", "--model", str(path), "--device", "cpu", "--pair", "10,10:20,10", "--out", "s", "--json")
    variables = {**os.environ, **AVX2_ONLY, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-m", "draggan_tui", *arguments], cwd=tmp_path, env=variables, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == f"draggan-tui: {WHY}\n"
    assert json.loads(result.stdout)["precision"] == "float32"
