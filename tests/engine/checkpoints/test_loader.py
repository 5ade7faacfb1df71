"""From what a user types to a model, or to an error that says what to type instead."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from draggan_engine.checkpoints import default_model, registry
from draggan_engine.checkpoints.formats.native import save_native
from draggan_engine.checkpoints.formats.native_header import NativeInfo
from draggan_engine.checkpoints.loader import load_model
from draggan_engine.checkpoints.model_parts import GeneratorPart
from draggan_engine.checkpoints.registry import bundled_models
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import CheckpointError, DeviceError
from draggan_engine.networks.config import StyleGAN2Config, pyramid_channels
from draggan_engine.networks.devices import (
    MAX_THREADS,
    available_devices,
    best_thread_count,
    can_render_during_drag,
    resolve_device,
)
from draggan_engine.networks.generator import Generator
from draggan_engine.networks.synthesis import SynthesisResult
from tests.support.paths import FIXTURES

FOLDER = FIXTURES / "checkpoints"


def save(path: Path, resolution: int = 8, settings: DragSettings | None = None, psi: float = 1.0) -> Path:
    channels = pyramid_channels(resolution, resolution, 2)
    config = StyleGAN2Config(resolution=resolution, z_dim=4, w_dim=4, mapping_layers=1, channels=channels)
    info = NativeInfo(name="mine", psi=psi, settings=settings)
    save_native(path, GeneratorPart.from_network(Generator(config)), None, info)
    return path


def refusal(spec: str) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(spec, "cpu")
    message = str(caught.value)
    assert message.isprintable()
    return message


def test_a_users_file() -> None:
    path = FOLDER / "sg2ada_cond_32.pkl"
    model = load_model(str(path), "cpu")
    info = model.info
    assert (model.name, model.sha256) == ("sg2ada_cond_32", hashlib.sha256(path.read_bytes()).hexdigest())
    assert (info.size, info.num_ws, info.z_dim, info.w_dim, info.psi) == ((32, 32), 8, 32, 48, 0.7)
    assert info.blocks == ("b4", "b8", "b16", "b32")
    assert info.settings == DragSettings.for_height(32, "b16")
    assert info.parameters == sum(parameter.numel() for parameter in model.generator.parameters())
    assert not model.generator.training
    assert not any(parameter.requires_grad for parameter in model.generator.parameters())
    assert {tensor.dtype for tensor in model.generator.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(("resolution", "block"), [(8, "b4"), (64, "b32"), (128, "b64"), (256, "b128"), (512, "b128")])
def test_the_feature_block_is_below_the_picture(resolution: int, block: str, tmp_path: Path) -> None:
    info = load_model(str(save(tmp_path / "m", resolution)), "cpu").info
    assert info.settings.feature_block == block
    assert info.settings.layers == min(6, info.num_ws)


def test_settings_of_the_file_have_no_more_layers_than_the_model(tmp_path: Path) -> None:
    info = load_model(str(save(tmp_path / "m", 8, DragSettings(layers=60, feature_block="b8"), psi=-0.5)), "cpu").info
    assert (info.settings.layers, info.settings.feature_block, info.psi) == (4, "b8", -0.5)


def test_content_counts_and_not_the_name(tmp_path: Path) -> None:
    picture = tmp_path / "weights.png"
    picture.write_bytes((FOLDER / "sg2_flat_32.pkl").read_bytes())
    assert load_model(str(picture), "cpu").name == "weights"
    assert load_model(str(save(tmp_path / "model.pkl")), "cpu").name == "mine"


def test_bundled_models_go_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "bundled_models", lambda: {"toy-8": save(tmp_path / "toy-8.safetensors")})
    assert load_model("toy-8", "cpu").info.psi == 1
    assert "toy-9" in refusal("toy-9")


def test_every_bundled_model_opens() -> None:
    for name in bundled_models():
        assert load_model(name, "cpu").name == name


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "m.safetensors")
    assert load_model("~/m.safetensors", "cpu").name == "mine"


@pytest.mark.parametrize(
    "spec", ["", "no-such-model", "no/such/file.pkl", "a\0b", "x" * 5000, "~nobody-at-all/m", "line\nbreak"]
)
def test_nothing_there(spec: str) -> None:
    message = refusal(spec)
    assert "models list" in message
    assert "path" in message


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty"),
        (b"\x80", "not a model file"),
        (b"\x80\x04", "damaged or cut short"),
        (b"\x80\x04N.", "no generator"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "damaged or cut short"),  # torch.save before 1.6
        (b"PK\x03\x04" + bytes(100), "damaged or cut short"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a model file"),
        (b"a text of some length, with words in it", "not a model file"),
        (b"\x02\0\0\0\0\0\0\0{}", "not a model of draggan-tui"),
        (b"\x10\0\0\0\0\0\0\0{" + bytes(40), "not a whole safetensors file"),
        (bytes(range(256)) * 20, "not a model file"),
    ],
)
def test_files_that_are_no_models(content: bytes, named: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    message = refusal(str(path))
    assert str(path) in message
    assert named in message


def test_places_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        assert "not a file" in refusal(str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = save(tmp_path / "m")
    path.chmod(0)
    assert "Permission denied" in refusal(str(path))


def test_devices() -> None:
    assert available_devices()[-1] == "cpu"
    assert str(resolve_device("cpu")) == "cpu"
    assert str(resolve_device("auto")) == available_devices()[0]
    for name in ("cuda:99", "tpu", "", "cpu:1"):
        with pytest.raises(DeviceError, match="cpu") as caught:
            resolve_device(name)
        assert repr(name) in str(caught.value)


def test_auto_is_the_better_bundled_model_where_it_is_quick_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_model, "MAX_STEP_SECONDS", 1e9)
    model = load_model("auto", "cpu")
    assert (model.name, model.spec) == ("critters-256", "critters-256")
    assert default_model.measure_step_seconds(model.generator, model.info.settings.feature_block) > 0
    assert not any(parameter.requires_grad for parameter in model.generator.parameters())

    monkeypatch.setattr(default_model, "MAX_STEP_SECONDS", 0.25)
    slow_at_first = iter([0.3, 0.2])
    monkeypatch.setattr(default_model, "measure_step_seconds", lambda *_: next(slow_at_first))
    assert load_model("auto", "cpu").name == "critters-256"
    monkeypatch.setattr(default_model, "measure_step_seconds", lambda *_: 0.3)
    assert load_model("auto", "cpu").spec == "critters-128"
    assert load_model("critters-256", "cpu").name == "critters-256", "who asks for it gets it"
    assert default_model.is_quick_enough(load_model("critters-256", "cpu").generator.to("meta"), "b64"), (
        "accelerators are"
    )


def test_what_others_take_of_the_machine_does_not_choose_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = load_model("critters-128", "cpu").generator
    synthesis = generator.synthesis.forward

    def interrupted(*arguments: Any, **named: Any) -> SynthesisResult:
        time.sleep(2.1)
        return synthesis(*arguments, **named)

    monkeypatch.setattr(default_model, "MAX_STEP_SECONDS", 2.0)
    monkeypatch.setattr(generator.synthesis, "forward", interrupted)
    assert default_model.is_quick_enough(generator, "b32")


def test_nobodys_own_model_is_called_auto() -> None:
    with pytest.raises(CheckpointError, match="another with --name"):
        registry.new_model_path("auto")


def test_a_small_model_gets_one_thread_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        torch.set_num_threads(2)
        load_model("critters-128", "cpu")
        assert torch.get_num_threads() == 1
        assert can_render_during_drag(torch.device("cpu")) == (MAX_THREADS > 1)
        assert can_render_during_drag(torch.device("cuda"))
        assert not can_render_during_drag(torch.device("mps"))
        torch.set_num_threads(2)
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        load_model("critters-128", "cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert best_thread_count(30_000_000) == MAX_THREADS
