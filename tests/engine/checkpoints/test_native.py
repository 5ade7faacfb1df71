"""draggan-tui's own model files: a saved model is read back unchanged, and a broken file is explained."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from draggan_engine.checkpoints.formats.native import save_native
from draggan_engine.checkpoints.formats.native_header import NativeInfo, read_native_info
from draggan_engine.checkpoints.loader import load_model
from draggan_engine.checkpoints.model_parts import DiscriminatorPart, GeneratorPart
from draggan_engine.core.edit import DragSettings
from draggan_engine.core.errors import CheckpointError, StorageError
from draggan_engine.networks.config import DiscriminatorConfig, StyleGAN2Config
from draggan_engine.networks.discriminator import Discriminator
from draggan_engine.networks.generator import Generator
from draggan_engine.storage.atomic import atomic_write

SETTINGS = DragSettings(r1=2, r2=5, layers=3, feature_block="b8")


def make_generator(const_size: tuple[int, int] = (4, 4)) -> Generator:
    torch.manual_seed(0)
    config = StyleGAN2Config(
        resolution=16, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 4), const_size=const_size
    )
    return Generator(config)


def save(path: Path, generator: Generator, dtype: torch.dtype = torch.float32) -> None:
    save_native(path, GeneratorPart.from_network(generator), None, NativeInfo(name=path.stem, psi=1), dtype)


def make_discriminator() -> Discriminator:
    torch.manual_seed(1)
    return Discriminator(DiscriminatorConfig(resolution=16, channels=(8, 8, 4)))


def render(generator: Generator) -> torch.Tensor:
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(2))
    image = generator.synthesis(generator.mapping(z, psi=0.7)).image
    assert isinstance(image, torch.Tensor)
    return image.detach()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "toy.safetensors"
    network = make_discriminator()
    discriminator = DiscriminatorPart.from_network(network)
    info = NativeInfo(name="toy", psi=0.9, settings=SETTINGS)
    save_native(path, GeneratorPart.from_network(make_generator()), discriminator, info)
    return path


def rewrite_metadata(path: Path, **metadata: str | None) -> Path:
    """Write the same tensors with some of the metadata changed or, where None, removed."""
    new_metadata = {**read_metadata(path), **metadata}
    save_file(load_file(path), path, {key: value for key, value in new_metadata.items() if value is not None})
    return path


def read_metadata(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return {str(key): str(value) for key, value in header["__metadata__"].items()}


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(str(path), "cpu")
    message = str(caught.value)
    assert message.startswith((f"{path}: ", f"{path} "))
    assert "\n" not in message
    return message


def test_a_saved_model_renders_the_same_images(saved: Path) -> None:
    model = load_model(str(saved), "cpu")
    assert torch.equal(render(model.generator), render(make_generator()))
    assert (model.name, model.info.psi, model.info.settings) == ("toy", 0.9, SETTINGS.for_new_edit())
    discriminator = model.load_discriminator()
    assert discriminator is not None
    image = torch.linspace(-1, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)
    assert torch.equal(discriminator(image), make_discriminator()(image))


def test_a_model_of_tall_images_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "tall.safetensors"
    generator = make_generator((4, 2))
    save(path, generator)
    model = load_model(str(path), "cpu")
    assert model.info.size == (8, 16)
    assert torch.equal(render(model.generator), render(generator))
    assert model.load_discriminator() is None


def test_a_model_is_saved_in_float16(tmp_path: Path) -> None:
    small_path = tmp_path / "small.safetensors"
    save(small_path, make_generator(), torch.float16)
    assert {tensor.dtype for tensor in load_file(small_path).values()} == {torch.float16}
    model = load_model(str(small_path), "cpu")
    assert {tensor.dtype for tensor in model.generator.state_dict().values()} == {torch.float32}
    assert torch.allclose(render(model.generator), render(make_generator()), atol=0.05)


def test_the_keys_are_those_of_nvidia(saved: Path) -> None:
    keys = load_file(saved).keys()
    assert {
        "G_ema.mapping.fc0.weight",
        "G_ema.synthesis.b8.conv0.noise_const",
        "D.b16.fromrgb.weight",
        "D.b4.out.bias",
    } <= keys
    assert json.loads(read_metadata(saved)["config"])["generator"]["const_size"] == [4, 4]


def test_a_file_that_is_cut_short_is_refused(saved: Path) -> None:
    content = saved.read_bytes()
    for twentieths in range(20):
        saved.write_bytes(content[: len(content) * twentieths // 20])
        refusal(saved)


def test_changed_bytes_give_a_model_or_one_line(saved: Path) -> None:
    content = saved.read_bytes()
    length = int.from_bytes(content[:8], "little")
    for position in range(0, length + 8, 29):
        saved.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        try:
            load_model(str(saved), "cpu").load_discriminator()
        except CheckpointError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("metadata", "expected_text"),
    [
        ({"format_version": "2"}, "update draggan-tui"),
        ({"format_version": "10"}, "update draggan-tui"),
        ({"format_version": None}, "format_version"),
        ({"format_version": "one\n"}, "format_version"),
        ({"config": None}, "config"),
        ({"config": "{"}, "config"),
        ({"config": "{}"}, "config.generator"),
        ({"info": None}, "info"),
        ({"info": '{"name": "x", "psi": 3}'}, "info.psi"),
        ({"info": '{"name": "x", "psi": 1, "new\\nfield": 1}'}, "info.new?field"),
        ({"info": '{"name": "x\\ny", "psi": 1}'}, "info.name"),
        ({"info": '{"name": "x", "psi": 1, "settings": {"r1": -1}}'}, "info.settings.r1"),
        ({"info": '{"name": "x", "psi": 1, "settings": {"feature_block": "b99"}}'}, "feature_block"),
    ],
)
def test_wrong_metadata_are_named_in_the_refusal(
    saved: Path, metadata: dict[str, str | None], expected_text: str
) -> None:
    assert expected_text in refusal(rewrite_metadata(saved, **metadata))


@pytest.mark.parametrize("file_format", [None, "pt"])
def test_a_file_of_another_program_has_no_description(saved: Path, file_format: str | None) -> None:
    with pytest.raises(CheckpointError, match="not a model of draggan-tui"):
        read_native_info(rewrite_metadata(saved, format=file_format))


def test_a_configuration_that_does_not_fit_the_tensors_is_refused(saved: Path) -> None:
    config = json.loads(read_metadata(saved)["config"])
    config["generator"] |= {"channels": [65536] * 3}
    assert "has the shape" in refusal(rewrite_metadata(saved, config=json.dumps(config)))


def test_tensors_that_do_not_belong_to_the_model_are_refused(saved: Path) -> None:
    tensors, metadata = load_file(saved), read_metadata(saved)
    save_file(tensors | {"other": torch.zeros(1)}, saved, metadata)
    assert "other" in refusal(saved)
    save_file(tensors | {"G_ema.mapping.w_avg": torch.zeros(8, dtype=torch.int64)}, saved, metadata)
    assert "G_ema.mapping.w_avg holds torch.int64" in refusal(saved)


def test_a_failed_write_leaves_the_old_file(saved: Path) -> None:
    old_content = saved.read_bytes()
    with pytest.raises(KeyError), atomic_write(saved) as part:
        part.write_bytes(b"half")
        raise KeyError
    with pytest.raises(StorageError, match=r"toy\.safetensors") as caught, atomic_write(saved) as part:
        part.write_bytes(b"half")
        raise OSError(28, os.strerror(28))
    assert "No space left" in str(caught.value)
    assert saved.read_bytes() == old_content
    assert list(saved.parent.iterdir()) == [saved]


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "no" / "toy.safetensors"
    with pytest.raises(StorageError, match="No such file"):
        save(path, make_generator())
