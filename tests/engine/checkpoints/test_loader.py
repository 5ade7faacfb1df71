"""A model is loaded from what a user types; otherwise an error says what to type instead."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from draggan_engine.checkpoints import registry
from draggan_engine.checkpoints.default_model import is_quick_enough, measure_step_seconds
from draggan_engine.checkpoints.formats.native import save_native
from draggan_engine.checkpoints.formats.native_header import NativeInfo
from draggan_engine.checkpoints.loader import load_default_model, load_model
from draggan_engine.checkpoints.model_parts import GeneratorPart
from draggan_engine.checkpoints.registry import bundled_models
from draggan_engine.core.edit import DEFAULT_METHOD, DragMethod, DragSettings
from draggan_engine.core.errors import CheckpointError, DeviceError, Remedy
from draggan_engine.networks.config import StyleGAN2Config, pyramid_channels
from draggan_engine.networks.devices import available_devices, resolve_device
from draggan_engine.networks.generator import Generator
from tests.support.paths import CHECKPOINTS, ROOT


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


def test_a_file_of_the_user_is_loaded() -> None:
    path = CHECKPOINTS / "sg2ada_cond_32.pkl"
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
def test_the_features_are_coarser_than_the_image(resolution: int, block: str, tmp_path: Path) -> None:
    info = load_model(str(save(tmp_path / "m", resolution)), "cpu").info
    assert info.settings.feature_block == block
    assert info.settings.layers == min(6, info.num_ws)


def test_settings_of_a_file_are_limited_to_the_layers_of_the_model(tmp_path: Path) -> None:
    info = load_model(str(save(tmp_path / "m", 8, DragSettings(layers=60, feature_block="b8"), psi=-0.5)), "cpu").info
    assert (info.settings.layers, info.settings.feature_block, info.psi) == (4, "b8", -0.5)


def test_a_file_that_names_no_method_leaves_it_to_the_program(tmp_path: Path) -> None:
    path = save(tmp_path / "m", 8, DragSettings(feature_block="b8"))
    with safe_open(path, "pt") as file:
        assert "method" not in json.loads(file.metadata()["info"])["settings"]
    assert load_model(str(path), "cpu").info.settings.method == DEFAULT_METHOD


@pytest.mark.parametrize(
    ("resolution", "method", "block", "expected_block"),
    [
        (128, None, "b32", "b64"), (128, None, "b64", "b64"), (128, None, "b128", "b128"), (256, None, "b16", "b64"),
        (64, None, "b8", "b8"), (64, None, "b64", "b64"), (128, "draggan", "b32", "b32"),
        (128, "least-squares", "b32", "b32"),
    ],
)  # fmt: skip
def test_features_that_were_chosen_for_the_papers_method_become_finer(
    resolution: int, method: DragMethod | None, block: str, expected_block: str, tmp_path: Path
) -> None:
    settings = DragSettings(feature_block=block) if method is None else DragSettings(feature_block=block, method=method)
    info = load_model(str(save(tmp_path / "m", resolution, settings)), "cpu").info
    assert info.settings.feature_block == expected_block


@pytest.mark.parametrize("method", get_args(DragMethod))
def test_a_file_can_name_a_method(method: DragMethod, tmp_path: Path) -> None:
    path = save(tmp_path / "m", 8, DragSettings(method=method, feature_block="b8"))
    assert load_model(str(path), "cpu").info.settings.method == method


def test_a_format_is_recognised_by_content_and_not_by_name(tmp_path: Path) -> None:
    png_path = tmp_path / "weights.png"
    png_path.write_bytes((CHECKPOINTS / "sg2_flat_32.pkl").read_bytes())
    assert load_model(str(png_path), "cpu").name == "weights"
    assert load_model(str(save(tmp_path / "model.pkl")), "cpu").name == "mine"


COUNT_OPENED_FILES = """
import sys
from collections import Counter
from pathlib import Path

from draggan_engine.checkpoints.loader import check_model_file, convert_model, load_model

opened_paths = Counter()
sys.addaudithook(lambda event, arguments: opened_paths.update([str(arguments[0])]) if event == "open" else None)
for path in sys.argv[1:]:
    for use_file in (
        lambda: check_model_file(Path(path)),
        lambda: load_model(path, "cpu"),
        lambda: load_model(path, "cpu"),
        lambda: convert_model(path, Path("out.safetensors"), "out"),
    ):
        opened_paths.clear()
        use_file()
        print(opened_paths[path])
"""


def test_a_checkpoint_file_is_opened_once(tmp_path: Path) -> None:
    """It is checked, loaded, loaded from its converted copy, and converted."""
    paths = [CHECKPOINTS / name for name in ("sg2ada_32.pkl", "tf_legacy_32.pkl", "rosinality_converted_32.pt")]
    engine_path = os.pathsep.join([str(ROOT / "engine"), os.environ.get("PYTHONPATH", "")])
    completed = subprocess.run(
        [sys.executable, "-c", COUNT_OPENED_FILES, *map(str, paths)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": engine_path, "XDG_CACHE_HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert completed.stdout.split() == ["1"] * 4 * len(paths)


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    with safe_open(path, "pt") as file:
        return file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize("missing_tensor", [False, True])
def test_a_damaged_converted_copy_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing_tensor: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    checkpoint = CHECKPOINTS / "sg2ada_32.pkl"
    sha256 = load_model(str(checkpoint), "cpu").sha256
    copy_path = registry.cached_copy(sha256)
    metadata, tensors = read_safetensors(copy_path)
    if missing_tensor:
        del tensors["G_ema.mapping.w_avg"]
    else:
        metadata["info"] = metadata["info"].replace('"psi"', '"truncation"')
    save_file(tensors, copy_path, metadata)
    assert load_model(str(checkpoint), "cpu").sha256 == sha256
    metadata, tensors = read_safetensors(copy_path)
    assert "G_ema.mapping.w_avg" in tensors
    assert '"psi"' in metadata["info"]


def test_a_model_of_the_user_is_loaded_by_name() -> None:
    registry.create_user_models_directory()
    path = save(registry.user_models_directory() / "toy-8.safetensors")
    try:
        assert load_model("toy-8", "cpu").path == path
    finally:
        path.unlink()
    assert "toy-8" in refusal("toy-8")


def test_every_bundled_model_opens() -> None:
    for name in bundled_models():
        assert load_model(name, "cpu").name == name


def test_a_path_may_begin_with_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "m.safetensors")
    assert load_model("~/m.safetensors", "cpu").name == "mine"


@pytest.mark.parametrize(
    "spec", ["", "no-such-model", "no/such/file.pkl", "a\0b", "x" * 5000, "~nobody-at-all/m", "line\nbreak"]
)
def test_a_model_that_does_not_exist_is_refused(spec: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_model(spec, "cpu")
    assert str(caught.value).isprintable()
    assert caught.value.remedy is Remedy.choose_model


@pytest.mark.parametrize("spec", ["sg2ada-ffhq-1024", "https://example.org/model.pkl"])
def test_a_model_that_can_be_downloaded_says_so(spec: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_model(spec, "cpu")
    assert caught.value.remedy is Remedy.download_model


@pytest.mark.parametrize(
    ("content", "expected_text"),
    [
        (b"", "empty"),
        (b"\x80", "not a model file"),
        (b"\x80\x04", "damaged or cut short"),
        (b"\x80\x04N.", "no generator"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "damaged or cut short"),  # torch.save before 1.6
        (b"PK\x03\x04" + bytes(100), "damaged or cut short"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is an image (PNG)"),
        (b"a text of some length, with words in it", "not a model file"),
        (b"(c) the authors of this text.", "not a model file"),
        (b"contact the authors.\n.", "not a model file"),
        (b"}q\x00.", "it is an empty dictionary"),  # pickle protocol 1
        (b"\x02\0\0\0\0\0\0\0{}", "it is an empty dictionary"),
        (b"\x10\0\0\0\0\0\0\0{" + bytes(40), "not a whole safetensors file"),
        (bytes(range(256)) * 20, "not a model file"),
    ],
)
def test_other_files_are_refused(content: bytes, expected_text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    message = refusal(str(path))
    assert str(path) in message
    assert expected_text in message


def test_directories_and_devices_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        assert "not a file" in refusal(str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_read_permission_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "m")
    path.chmod(0)
    assert "Permission denied" in refusal(str(path))


def test_a_device_is_resolved_or_refused() -> None:
    assert available_devices()[-1] == "cpu"
    assert str(resolve_device("cpu")) == "cpu"
    assert str(resolve_device("auto")) == available_devices()[0]
    for name in ("cuda:99", "tpu", "", "cpu:1"):
        with pytest.raises(DeviceError, match="cpu") as caught:
            resolve_device(name)
        assert repr(name) in str(caught.value)


@pytest.mark.parametrize(("is_quick", "name"), [(True, "critters-256"), (False, "critters-128")])
def test_the_default_model_is_the_large_one_where_it_is_quick_enough(is_quick: bool, name: str) -> None:
    model = load_default_model("cpu", is_quick=lambda *_: is_quick)
    assert (model.name, model.spec) == (name, name)


def test_auto_means_the_default_model() -> None:
    assert load_model("auto", "cpu").spec in ("critters-256", "critters-128")


def test_a_model_is_quick_enough_if_one_of_two_steps_is() -> None:
    model = load_model("critters-128", "cpu")
    for step_seconds, is_quick in (((0.3, 0.2), True), ((0.2,), True), ((0.3, 0.3), False)):
        measurements = iter(step_seconds)
        assert is_quick_enough(model.generator, "b32", lambda *_, times=measurements: next(times)) == is_quick
    assert is_quick_enough(model.generator.to("meta"), "b32"), "an accelerator is assumed to be quick"


def test_measuring_a_step_leaves_the_generator_as_it_is() -> None:
    generator = load_model("critters-128", "cpu").generator
    assert measure_step_seconds(generator, "b32") > 0
    assert not any(parameter.requires_grad for parameter in generator.parameters())


def test_other_programs_do_not_slow_down_the_measured_step() -> None:
    """While the step waits for the processor, as it does in this sleep, its time does not count."""
    generator = load_model("critters-128", "cpu").generator
    handle = generator.synthesis.register_forward_pre_hook(lambda *_: time.sleep(0.5))
    start_time = time.perf_counter()
    step_seconds = measure_step_seconds(generator, "b32")
    elapsed_seconds = time.perf_counter() - start_time
    handle.remove()
    assert step_seconds < elapsed_seconds - 0.45


def test_a_model_of_the_user_cannot_be_called_auto() -> None:
    with pytest.raises(CheckpointError, match="stands for the bundled model"):
        registry.new_model_path("auto")
